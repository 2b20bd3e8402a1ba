"""Runs on disk: which folds a training has, where each stands, and what it wrote.

Reads files alone, without Keras, so that screens can watch a training that another process carries out.
"""

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.corpus.base import Corpus, corpus_protocol
from core.corpus.splits import DEPLOYMENT, Split, other_corpora, protocols_of, split_clips
from core.errors import TrainingError
from core.files import write_atomically
from core.learning.predictions import read_predictions
from core.learning.recipes.base import Recipe
from core.learning.task import Task
from core.work.progress import Progress

HISTORY_COLUMNS = ("epoch", "accuracy", "average_accuracy", "loss", "val_accuracy", "val_loss")


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
    """One network to train: its rows, its seed, its folder."""

    protocol: str
    """Name of the protocol it belongs to."""
    seed: int
    """Seed of weights, order and dropout."""
    split: Split
    """Rows that train, choose the epoch, and are evaluated."""
    folder: Path
    """Where its files are."""
    task: Task
    """What it learns to tell apart."""

    @property
    def known_rows(self) -> NDArray[np.intp]:
        """Rows that a recipe without epochs fits on: those that train or choose an epoch and are not evaluated."""
        return np.union1d(self.split.train, np.setdiff1d(self.split.validation, self.split.test))

    @property
    def history_path(self) -> Path:
        """A row an epoch, as CSV."""
        return self.folder / "history.csv"

    @property
    def weights_path(self) -> Path:
        """Weights of the chosen epoch."""
        return self.folder / "best.weights.h5"

    @property
    def scaler_path(self) -> Path:
        """Mean and scale of each feature, as JSON."""
        return self.folder / "scaler.json"

    @property
    def predictions_path(self) -> Path:
        """Probabilities of the evaluated clips, as CSV; written last."""
        return self.folder / "predictions.csv"

    @property
    def is_done(self) -> bool:
        """Whether the fold is trained and evaluated."""
        return self.predictions_path.is_file()

    def history(self) -> pd.DataFrame:
        """Return the epochs so far, with columns ``HISTORY_COLUMNS`` and ``is_chosen``; epochs count from 1."""
        return mark_chosen(read_history(self.history_path))


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingResult:
    """A finished training."""

    recipe: Recipe
    """What was trained."""
    folds: tuple[Fold, ...]
    """All networks of all protocols and seeds."""

    @property
    def deployed(self) -> Fold:
        """The fold whose network is put in use.

        Raises
        ------
        TrainingError
            If the protocol that trains it was not run.
        """
        for fold in self.folds:
            if fold.protocol == self.recipe.deployed_protocol:
                return fold
        raise TrainingError(
            f"The recipe {self.recipe.name!r} deploys the network of protocol {self.recipe.deployed_protocol!r}, "
            "which was not trained. Add that protocol."
        )

    def predictions(self) -> pd.DataFrame:
        """Return the probabilities of all evaluated clips, see ``core.learning.predictions``."""
        evaluated = [fold for fold in self.folds if len(fold.split.test)]
        return pd.concat([read_predictions(fold.predictions_path) for fold in evaluated], ignore_index=True)

    def history(self) -> pd.DataFrame:
        """Return all epochs of all folds, with protocol, seed and fold before the columns of ``Fold.history``."""
        parts = []
        for fold in self.folds:
            history = fold.history()
            history.insert(0, "fold", fold.split.fold)
            history.insert(0, "seed", fold.seed)
            history.insert(0, "protocol", fold.protocol)
            parts.append(history)
        return pd.concat(parts, ignore_index=True)


def plan_folds(
    corpus: Corpus,
    index: pd.DataFrame,
    protocols: Sequence[str],
    seeds: Sequence[int],
    folder: Path,
    *,
    tried: Sequence[str] = (),
) -> tuple[Fold, ...]:
    """List the folds of a training.

    Parameters
    ----------
    corpus : Corpus
        Whose clips and protocols they are.
    index : pandas.DataFrame
        Distinct clips; those of unknown people and of other corpora train in every fold. Each other corpus is also
        evaluated, by a training without it.
    protocols : sequence of str
        Names in ``core.corpus.splits.protocols_of``, or ``DEPLOYMENT``, which the first seed alone trains.
    seeds : sequence of int
        One training of every fold a seed.
    folder : path
        The run's folder.
    tried : sequence of str
        Other corpora in the index that are evaluated and train nowhere.

    Returns
    -------
    tuple of Fold

    Raises
    ------
    TrainingError
        If a protocol is unknown, or nothing is asked for.
    """
    known = protocols_of(corpus)
    unknown = [name for name in protocols if name not in (*known, DEPLOYMENT)]
    if unknown or not protocols or not seeds or min(seeds) < 0:
        raise TrainingError(
            f"Choose protocols from {', '.join(known)} and seeds from 0; got {list(protocols)} and {list(seeds)}."
        )
    task = Task.of(corpus, index[~index["corpus"].isin(tried)])
    others = [corpus_protocol(name) for name in other_corpora(corpus, index)]
    return tuple(
        Fold(name, seed, split, folder / name / f"seed-{seed}" / f"fold-{split.fold}", task)
        for name in dict.fromkeys((*protocols, *others))
        for seed in dict.fromkeys(seeds[:1] if name == DEPLOYMENT else seeds)
        for split in split_clips(corpus, name, index, seed, tried=tried)
    )


def measure_progress(folds: Sequence[Fold], n_epochs: int) -> Progress:
    """Return the epochs, and as larger units the folds, that are done of folds of ``n_epochs`` each, by their files."""
    done = [fold.is_done for fold in folds]
    epochs = [n_epochs if d else len(read_history(fold.history_path)) for fold, d in zip(folds, done, strict=True)]
    finished = Progress(sum(done), len(folds), "folds", "Training")
    return Progress(sum(epochs), n_epochs * len(folds), "epochs", "Training", larger=finished)


def read_history(path: Path, columns: Sequence[str] = HISTORY_COLUMNS) -> pd.DataFrame:
    """Read the rows of Keras' CSV log that are complete, one an epoch.

    A process that is killed can leave half a line; one that is resumed can write its last epoch again.

    Parameters
    ----------
    path : path
        The log; may be missing.
    columns : sequence of str
        Its columns, ``epoch`` among them.

    Returns
    -------
    pandas.DataFrame
        These columns; epochs count from 0, as Keras does.
    """
    text = path.read_text() if path.is_file() else ""
    complete = text[: text.rfind("\n") + 1]
    rows = [row for row in csv.DictReader(io.StringIO(complete)) if None not in row.values()]
    history = pd.DataFrame(rows, columns=list(columns)).astype(float).astype({"epoch": int})
    return history.drop_duplicates("epoch", keep="last").reset_index(drop=True)


def mark_chosen(history: pd.DataFrame) -> pd.DataFrame:
    """Return rows of ``read_history`` with ``is_chosen``, the epoch that counts, and epochs counted from 1."""
    best = history["average_accuracy"].idxmax() if len(history) else None
    return history.assign(epoch=history["epoch"] + 1, is_chosen=history.index == best)


def clean_history(path: Path, columns: Sequence[str] = HISTORY_COLUMNS) -> pd.DataFrame:
    """Read a log as ``read_history`` does, and write it back without broken or repeated rows."""
    history = read_history(path, columns)
    if len(history):
        write_atomically(path, history.to_csv(index=False, lineterminator="\n").encode())
    else:
        path.unlink(missing_ok=True)
    return history


def write_scaler(fold: Fold, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
    """Write mean and scale of each feature over the clips that train, shape (columns,) each."""
    numbers = {"mean": mean.tolist(), "scale": scale.tolist()}
    write_atomically(fold.scaler_path, json.dumps(numbers).encode())


def write_solved_history(
    fold: Fold, emotion: NDArray[np.intp], fitted: NDArray[np.floating], held_out: NDArray[np.floating]
) -> None:
    """Write the one row of a recipe that is solved in one step: how it does on its training clips.

    Parameters
    ----------
    fold : Fold
        What was fitted.
    emotion : np.ndarray [shape=(n,)]
        Numbers of the clips' emotions.
    fitted : np.ndarray [shape=(n, emotions)]
        Probabilities by what was fitted on all of them.
    held_out : np.ndarray [shape=(n, emotions)]
        Probabilities by what inner folds fitted without them.
    """

    def measure(y_proba: NDArray[np.floating]) -> tuple[float, float]:
        right = float((y_proba.argmax(axis=1) == emotion).mean())
        return right, float(-np.log(y_proba[np.arange(len(emotion)), emotion] + 1e-12).mean())

    (accuracy, loss), (val_accuracy, val_loss) = measure(fitted), measure(held_out)
    values = (0, accuracy, (accuracy + val_accuracy) / 2, loss, val_accuracy, val_loss)
    table = pd.DataFrame([dict(zip(HISTORY_COLUMNS, values, strict=True))])
    write_atomically(fold.history_path, table.to_csv(index=False, lineterminator="\n").encode())
