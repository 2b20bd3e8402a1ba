"""Command line: ``python -m core COMMAND``; without one, it lists them.

Exit status 0 and an answer, or 2 and a line for each error on standard error.
"""

import argparse
import dataclasses
import getpass
import io
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import data_folder
from core.errors import AudioError, DownloadError, SoundWebError

if TYPE_CHECKING:
    from core.serving.predictor import Prediction
    from core.work.progress import Progress


_Commands = argparse._SubParsersAction


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, or 2 after an error of the user's."""
    # File names may hold what the terminal cannot show.
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
    _add_training(commands)
    _add_models(commands)
    _add_operations(commands)
    return parser


def _add_training(commands: "_Commands[argparse.ArgumentParser]") -> None:
    index = commands.add_parser("index", help="find the clips of a corpus, report what is wrong, extract features")
    index.add_argument("--corpus", help="name of the corpus (default: the first that has a folder)")
    index.set_defaults(command=_index)

    download = commands.add_parser("download", help="fetch a corpus; goes on where it was cut off")
    download.add_argument("--corpus", help="name of the corpus (default: the first that is known)")
    download.add_argument("--channel", action="append", help="channel that is wanted; repeatable (default: all)")
    download.add_argument("--folder", type=Path, help="folder for the clips (default: one in the data folder)")
    download.add_argument("--kaggle", action="store_true", help="from Kaggle, by the package kagglehub")
    download.add_argument("--mirror", metavar="URL", help="address of a folder with the archives of the record")
    download.set_defaults(command=_download)

    train = commands.add_parser(
        "train", help="train a recipe, evaluate it, store the model; goes on where it was cut off"
    )
    train.add_argument("--recipe", default="reference", help="name of the recipe (default: reference)")
    train.add_argument("--corpus", help="name of the corpus (default: the first that is known)")
    train.add_argument("--protocol", action="append", help="protocol to evaluate by; repeatable (default: all)")
    train.add_argument("--seed", action="append", type=int, help="seed; repeatable (default: 0)")
    train.add_argument("--epochs", type=int, help="another number of epochs than the recipe's")
    train.add_argument("--channel", action="append", help="channel; repeatable (default: all)")
    train.add_argument("--jobs", type=_positive, default=2, help="folds trained side by side (default: 2)")
    train.add_argument(
        "--studies", action="store_true", help="also try degraded sound, personal baselines and missing parts"
    )
    train.add_argument("--feedback", action="store_true", help="also train on sounds that users let us keep")
    train.add_argument("--promote", action="store_true", help="put the new model in use")
    train.set_defaults(command=_train)


def _add_models(commands: "_Commands[argparse.ArgumentParser]") -> None:
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


def _add_operations(commands: "_Commands[argparse.ArgumentParser]") -> None:
    job = commands.add_parser("job", help="carry out a queued training; the Admin page starts this")
    job.add_argument("job", type=int, help="number of the job")
    job.add_argument("--attempt", type=_positive, required=True, help="number of the attempt")
    job.set_defaults(command=_job)

    admin = commands.add_parser("admin", help="the administrator's password, from the server's console")
    actions = admin.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("reset", help="forget the password, print a new unlock code").set_defaults(command=_reset)
    actions.add_parser("hash", help="read a password, print its hash for secrets").set_defaults(command=_hash)


def _index(options: argparse.Namespace) -> None:
    from core.audio.features.reference import ReferenceFeatures
    from core.corpus.catalogue import find_place
    from core.corpus.index import distinct_clips
    from core.corpus.integrity import check_integrity
    from core.corpus.store import FeatureStore
    from core.operations.pipeline import FEATURES, read_index

    place = find_place(options.corpus)
    index = read_index(place, report=_show)
    for field, value in dataclasses.asdict(check_integrity(index, place.corpus)).items():
        found = f"{len(value):,}" if isinstance(value, tuple) else f"{value:,}"
        names = ": " + ", ".join(map(str, value[:6])) if isinstance(value, tuple) and value else ""
        more = ", ..." if isinstance(value, tuple) and len(value) > 6 else ""
        print(f"{field.replace('_', ' ')}: {found}{names}{more}")
    store = FeatureStore(data_folder() / FEATURES, ReferenceFeatures())
    store.update(distinct_clips(index), place.root, report=_show)


def _download(options: argparse.Namespace) -> None:
    from core.corpus.catalogue import download_folder, list_places
    from core.corpus.download import download_corpus, download_from_kaggle, source_of
    from core.corpus.known import default_corpus, load_corpus

    corpus = load_corpus(options.corpus) if options.corpus else default_corpus()
    channels = options.channel or list(source_of(corpus).archives)
    folder = options.folder or download_folder(corpus)
    try:
        if options.kaggle:
            download_from_kaggle(corpus, channels, folder, report=_show)
        else:
            mirror = options.mirror and f"{options.mirror.rstrip('/')}/"
            download_corpus(corpus, channels, folder, mirror=mirror, report=_show)
    except KeyboardInterrupt as error:
        raise DownloadError("Stopped. What was fetched is kept, and the same command goes on there.") from error
    print(folder)
    if folder.resolve() not in [place.root.resolve() for place in list_places()]:
        print(f"Set {corpus.root_variable} to {folder} to use it.")


def _train(options: argparse.Namespace) -> None:
    from core.corpus.catalogue import find_place
    from core.learning.reports.cards import results_table
    from core.operations.pipeline import retrain
    from core.operations.spec import TrainingSpec
    from core.serving.registry import Registry

    spec = TrainingSpec(
        recipe=options.recipe,
        corpus=find_place(options.corpus).corpus.name,
        protocols=tuple(options.protocol or ()),
        seeds=tuple(options.seed or [0]),
        epochs=options.epochs,
        channels=tuple(options.channel or ()),
        studies=options.studies,
        feedback=options.feedback,
    )
    model = retrain(spec, n_jobs=options.jobs, report=_show)
    registry = Registry()
    if options.promote or not registry.has_champion():
        registry.promote(model.name)
    print(f"{model.name}\n\n{results_table(model.metrics())}")


def _promote(options: argparse.Namespace) -> None:
    from core.serving.registry import Registry

    Registry().promote(options.model)
    print(f"{options.model} is in use.")


def _evaluate(options: argparse.Namespace) -> None:
    from core.learning.reports.cards import describe_studies, results_table
    from core.serving.publishing import evaluate_again
    from core.serving.registry import Registry

    model = Registry().load(options.model)
    metrics = evaluate_again(model)
    print(json.dumps(metrics) if options.json else f"{model.name}\n\n{results_table(metrics)}")
    if not options.json:
        print("\n".join(["", *describe_studies(model.studies(), model.predictions())]))


def _compare(options: argparse.Namespace) -> None:
    from core.learning.reports.cards import describe_comparison
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


def _job(options: argparse.Namespace) -> None:
    from core.operations.jobs.worker import work

    logging.getLogger("core").setLevel(logging.INFO)
    work(options.job, options.attempt)


def _reset(options: argparse.Namespace) -> None:
    from core.operations.access.sign_in import HASH_VARIABLE, reset

    code = reset()
    print(f"Unlock code: {code}" if code else f"{HASH_VARIABLE} is set and holds: change it there.")


def _hash(options: argparse.Namespace) -> None:
    from core.operations.access.passwords import hash_password

    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    print(hash_password(password))


def _positive(text: str) -> int:
    """Read a number of at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return int(text)


def _show(progress: "Progress") -> None:
    """Rewrite one line on standard error."""
    end = "\n" if progress.share == 1 else ""
    print(f"\r{progress!s:<60}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
