"""Command line: ``python -m core index | train | promote | evaluate | compare | predict | export | warm-up``.

Exit status 0 and an answer, or 2 and a line for each error on standard error.
"""

import argparse
import dataclasses
import functools
import io
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import AnyFeatures, Copy, FeatureConfig, configuration_hash, corpus_root, data_folder
from core.errors import AudioError, CorpusError, SoundWebError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from core.corpus.store import FeatureStore
    from core.learning.recipes import AnyRecipe
    from core.learning.runs import TrainingProgress, TrainingResult
    from core.serving.predictor import Prediction


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, or 2 after an error of the user's."""
    # File names may hold what the terminal can not show.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
    except SoundWebError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description="Emotion recognition in speech and song.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    index = commands.add_parser("index", help="find the clips of RAVDESS, report what is wrong, extract features")
    index.set_defaults(command=_index)

    train = commands.add_parser("train", help="train a recipe, judge it, store the model; goes on where it was cut off")
    train.add_argument("--recipe", default="reference", help="name of the recipe (default: reference)")
    train.add_argument("--protocol", action="append", help="protocol to judge by; repeatable (default: all)")
    train.add_argument("--seed", action="append", type=int, help="seed; repeatable (default: 0)")
    train.add_argument("--epochs", type=int, help="another number of epochs than the recipe's")
    train.add_argument("--jobs", type=_positive, default=2, help="folds trained side by side (default: 2)")
    train.add_argument(
        "--studies", action="store_true", help="also try degraded sound, personal baselines and missing parts"
    )
    train.add_argument("--promote", action="store_true", help="put the new model in use")
    train.set_defaults(command=_train)

    promote = commands.add_parser("promote", help="put a stored model in use")
    promote.add_argument("model", help="name of the model")
    promote.set_defaults(command=_promote)

    evaluate = commands.add_parser("evaluate", help="compute a stored model's figures again from its predictions")
    evaluate.add_argument("model", nargs="?", help="name of the model (default: the one in use)")
    evaluate.add_argument("--json", action="store_true", help="print all figures as JSON")
    evaluate.set_defaults(command=_evaluate)

    compare = commands.add_parser("compare", help="compare two stored models on the same clips")
    compare.add_argument("model", help="name of a model")
    compare.add_argument("other", help="name of another model")
    compare.set_defaults(command=_compare)

    predict = commands.add_parser("predict", help="recognise the emotion in sound files")
    predict.add_argument("files", nargs="+", metavar="FILE", help="sound file")
    predict.add_argument("--model", help="name of the model (default: the one in use)")
    predict.add_argument("--json", action="store_true", help="print one JSON object a file")
    predict.set_defaults(command=_predict)

    export = commands.add_parser("export", help="write a stored model for other programs")
    export.add_argument("model", help="name of the model, or 'champion' for the one in use")
    export.add_argument("folder", type=Path, help="folder to write into")
    export.add_argument("--format", choices=["reference"], default="reference", help="model.h5 and scaler.pkl")
    export.set_defaults(command=_export)

    warm = commands.add_parser("warm-up", help="compile what the first answer needs, once per installation")
    warm.set_defaults(command=_warm_up)
    return parser


def _index(options: argparse.Namespace) -> None:
    from core.corpus.index import distinct_clips
    from core.corpus.integrity import check_integrity

    root = _corpus()
    index = _scan(root)
    for field, value in dataclasses.asdict(check_integrity(index)).items():
        found = f"{len(value):,}" if isinstance(value, tuple) else f"{value:,}"
        names = ": " + ", ".join(map(str, value[:6])) if isinstance(value, tuple) and value else ""
        more = ", ..." if isinstance(value, tuple) and len(value) > 6 else ""
        print(f"{field.replace('_', ' ')}: {found}{names}{more}")
    _store(distinct_clips(index), root, FeatureConfig())


def _train(options: argparse.Namespace) -> None:
    root = _corpus()
    from core.corpus.index import corpus_digest, distinct_clips
    from core.corpus.splits import DEPLOYMENT, PROTOCOLS
    from core.learning.recipes import get_recipe
    from core.learning.runs import TrainingResult, plan_folds
    from core.learning.training import train
    from core.serving.cards import results_table
    from core.serving.publishing import model_name, publish_training
    from core.serving.registry import Registry

    recipe = get_recipe(options.recipe, epochs=options.epochs)
    index = distinct_clips(_scan(root))
    run = data_folder() / "runs" / f"{recipe.name}-{configuration_hash(recipe, corpus_digest(index))[:8]}"
    protocols = [*(options.protocol or PROTOCOLS), *([DEPLOYMENT] if recipe.deployed_protocol == DEPLOYMENT else [])]
    folds = plan_folds(index, protocols, options.seed or [0], run)
    plan = TrainingResult(recipe, folds)
    plan.deployed  # noqa: B018 - a plan that could not be published ends here, not after hours

    def show(progress: "TrainingProgress") -> None:
        _show(f"{progress.folds_done} of {progress.n_folds} folds, epochs")(progress.epochs_done, progress.n_epochs)

    registry, name = Registry(), model_name(plan, index)
    if name in registry.names():
        model = registry.load(name)
    else:
        features = functools.partial(_read_features, recipe, index, root)
        result = train(recipe, index, features, folds, n_jobs=options.jobs, progress=show)
        studies = _studies(result, index, root, run, options.jobs) if options.studies else {}
        model = publish_training(result, index, registry, studies=studies)
    if options.promote or not registry.has_champion():
        registry.promote(model.name)
    print(f"{model.name}\n\n{results_table(model.metrics())}")


def _studies(
    result: "TrainingResult", index: "pd.DataFrame", root: Path, run: Path, n_jobs: int
) -> "dict[str, pd.DataFrame]":
    """Try a training on degraded sound, with personal baselines and, where it has parts, without them."""
    from core.learning.recipes import VoiceRecipe, seeded_features
    from core.learning.studies import study_ablations, study_baseline, study_robustness

    seed = result.deployed.seed
    digests = index["digest"].tolist()

    def read(copy: Copy) -> "NDArray[np.float32]":
        return _store(index, root, seeded_features(result.recipe, seed), copy).read(digests)

    studies = {"robustness": study_robustness(result, index, read)}
    X_clips = _store(index, root, seeded_features(result.recipe, seed)).read(digests)
    studies["baseline"] = study_baseline(result, index, X_clips)
    if isinstance(result.recipe, VoiceRecipe):
        X = _read_features(result.recipe, index, root, seed)
        studies["ablations"] = study_ablations(result, index, X, run / "ablations", n_jobs)
    return studies


def _promote(options: argparse.Namespace) -> None:
    from core.serving.registry import Registry

    Registry().promote(options.model)
    print(f"{options.model} is in use.")


def _evaluate(options: argparse.Namespace) -> None:
    from core.serving.cards import describe_studies, results_table
    from core.serving.publishing import evaluate_again
    from core.serving.registry import Registry

    model = Registry().load(options.model)
    metrics = evaluate_again(model)
    print(json.dumps(metrics) if options.json else f"{model.name}\n\n{results_table(metrics)}")
    if not options.json:
        print("\n".join(["", *describe_studies(model.studies(), model.predictions())]))


def _compare(options: argparse.Namespace) -> None:
    from core.serving.cards import describe_comparison
    from core.serving.registry import Registry

    registry = Registry()
    first, second = registry.load(options.model), registry.load(options.other)
    print(f"{first.name} against {second.name}\n")
    print("\n".join(describe_comparison(first.predictions(), second.predictions())))


def _predict(options: argparse.Namespace) -> None:
    from core.audio.decode import decode
    from core.serving.exports import prediction_json, prediction_text
    from core.serving.predictor import Predictor

    predictor = Predictor.load(options.model)
    failures: list[SoundWebError] = []
    for file in options.files:
        answer: Prediction | AudioError
        try:
            answer = predictor.predict(decode(file))
        except AudioError as error:
            answer = AudioError(f"{file}: {error}")
            failures.append(answer)
        if options.json:
            print(prediction_json(file, answer))
        elif not isinstance(answer, AudioError):
            print(prediction_text(file, answer))
    if failures:
        raise SoundWebError("\nerror: ".join(map(str, failures)))


def _export(options: argparse.Namespace) -> None:
    from core.serving.exports import export_reference

    model = None if options.model == "champion" else options.model
    for path in export_reference(model, options.folder):
        print(path)


def _warm_up(options: argparse.Namespace) -> None:
    from core.serving.predictor import warm_up

    print("Compiling the signal processing, once per installation; this takes up to half a minute ...", flush=True)
    warm_up()
    print("Ready.")


def _corpus() -> Path:
    root = corpus_root()
    if root is None:
        raise CorpusError("The corpus is not configured. Set RAVDESS_ROOT to the folder of RAVDESS.")
    return root


def _scan(root: Path) -> "pd.DataFrame":
    """Return the index of the corpus, kept in the data folder."""
    from core.corpus.index import scan

    return scan(root, cache=data_folder() / "index.csv", progress=_show("index"))


def _read_features(recipe: "AnyRecipe", index: "pd.DataFrame", root: Path, seed: int) -> "NDArray[np.float32]":
    """Return what a training with a seed reads, extracted where it is not stored yet."""
    import numpy as np

    from core.learning.recipes import required_copies, seeded_features

    config = seeded_features(recipe, seed)
    digests = index["digest"].tolist()
    versions = [_store(index, root, config, copy).read(digests) for copy in required_copies(recipe, seed)]
    return np.stack(versions, axis=1) if len(versions) > 1 else versions[0]


def _store(index: "pd.DataFrame", root: Path, config: AnyFeatures, copy: Copy | None = None) -> "FeatureStore":
    """Return the feature store in the data folder, holding these clips or their copies."""
    from core.corpus.store import FeatureStore

    store = FeatureStore(data_folder() / "features", config, copy)
    store.update(index, root, progress=_show("features" if copy is None else f"features, {copy.name}"))
    return store


def _positive(text: str) -> int:
    """Read a number of at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return int(text)


def _show(title: str) -> Callable[[int, int], None]:
    """Return a progress callback that rewrites one line on standard error."""

    def show(done: int, total: int) -> None:
        print(f"\r{title}: {done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
