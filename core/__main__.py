"""Command line: ``python -m core index | train | predict | export``.

Exit status 0 and an answer, or 2 and one line on standard error.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from core.config import artifacts_folder, configuration_hash, corpus_root, data_folder
from core.errors import CorpusError, SoundWebError

ALL_PROTOCOLS = ("reference", "random", "speaker-luna", "speaker-emobox")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, or 2 after an error of the user's."""
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
    parser = argparse.ArgumentParser(prog="python -m core", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train, judge and publish a model")
    train.add_argument("--recipe", default="reference", help="name of the recipe")
    train.add_argument(
        "--protocol", action="append", choices=ALL_PROTOCOLS, help="protocol to judge by; repeat it; all by default"
    )
    train.add_argument("--seed", action="append", type=int, help="seed; repeat it for several; 0 by default")
    train.add_argument("--epochs", type=int, help="another number of epochs than the recipe's")
    train.add_argument("--jobs", type=int, default=2, help="folds trained side by side")
    train.set_defaults(command=_train)
    return parser


def _corpus() -> Path:
    root = corpus_root()
    if root is None:
        raise CorpusError("The corpus is not configured. Set RAVDESS_ROOT to the folder of RAVDESS.")
    return root


def _show(title: str) -> Callable[[int, int], None]:
    """Return a progress callback that rewrites one line on standard error."""

    def show(done: int, total: int) -> None:
        end = "\n" if done == total else ""
        print(f"\r{title}: {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)

    return show


def _train(options: argparse.Namespace) -> None:
    from core.corpus.index import corpus_digest, distinct_clips, scan
    from core.corpus.store import FeatureStore
    from core.learning.recipes import get_recipe
    from core.learning.runs import TrainingProgress, plan_folds
    from core.learning.training import train

    recipe = get_recipe(options.recipe, epochs=options.epochs)
    root = _corpus()
    index = distinct_clips(scan(root, cache=data_folder() / "index.csv", progress=_show("index")))
    store = FeatureStore(data_folder() / "features", recipe.features)
    store.update(index, root, progress=_show("features"))
    X = store.read(index["digest"].tolist())
    run = data_folder() / "runs" / f"{recipe.name}-{configuration_hash(recipe, corpus_digest(index))[:8]}"
    folds = plan_folds(index, options.protocol or ALL_PROTOCOLS, options.seed or [0], run)

    def show(p: TrainingProgress) -> None:
        _show(f"fold {min(p.folds_done + 1, p.n_folds)} of {p.n_folds}, epochs")(p.epochs_done, p.n_epochs)

    result = train(recipe, index, X, folds, n_jobs=options.jobs, progress=show)
    print(result.predictions().head())


if __name__ == "__main__":
    sys.exit(main())
