"""The one training routine, for every recipe, protocol and caller.

A run is a folder. Each fold has a folder of its own, ``<protocol>/seed-<s>/fold-<k>``, with

- ``history.csv``: a row an epoch, appended as it ends;
- ``best.weights.h5``: weights of the epoch with the highest mean of training and validation accuracy;
- ``backup/``: the state a few epochs ago at most, from which a killed training goes on;
- ``scaler.json``: mean and scale of each feature over the training frames;
- ``predictions.csv``: probabilities of the evaluated clips, written last: where it stands, the fold is done.

A recipe with epochs trains one by one (``core.learning.epochs``), another in one piece; the folder of its folds lacks a
backup, and its history has one row.
"""

import dataclasses
import functools
import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from filelock import FileLock, Timeout
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from core.errors import TrainingError
from core.files import write_atomically
from core.learning.predictions import tabulate
from core.learning.recipes.base import Recipe
from core.learning.runs import Fold, TrainingResult, measure_progress
from core.work.parallel import current_cluster, end_with, without_interrupts
from core.work.progress import Report, ignore

logger = logging.getLogger(__name__)

FeatureReader: TypeAlias = Callable[[int], NDArray[np.float32]]
"""Called with a seed, returns what its folds read, as ``Recipe.fit`` takes it."""

REPORT_INTERVAL: Final = 5.0
"""Time between two reports of progress, in seconds."""
LOCK_TIMEOUT: Final = 30.0
"""Time that a worker of a killed training may need to notice and end, in seconds."""
_ALONE: Final = threading.Lock()


def train(
    recipe: Recipe,
    index: pd.DataFrame,
    features: FeatureReader,
    folds: Sequence[Fold],
    *,
    n_jobs: int = 2,
    report: Report = ignore,
) -> TrainingResult:
    """Train and evaluate the folds of a run; those that are done are kept, those that were cut off go on.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    index : pandas.DataFrame
        Distinct clips.
    features : callable
        Called with a seed, returns the features of the same clips, unscaled, as ``Recipe.fit`` takes them.
    folds : sequence of Fold
        As from ``core.learning.runs.plan_folds``.
    n_jobs : int
        Folds trained side by side, each in a process of one thread, unless a cluster trains them
        (``core.work.parallel.on_cluster``): it sends back what a fold leaves when it is done, and one that is cut off
        begins anew.
    report : callable
        Called with the epochs and folds that are done every few seconds and after each fold.

    Returns
    -------
    TrainingResult
        The folds, done.
    """
    reporter = _Reporter(folds, recipe.epochs, report)
    pending = [fold for fold in folds if not fold.is_done]
    with reporter:
        for seed in dict.fromkeys(fold.seed for fold in pending):
            X = features(seed)
            for _ in _fit_folds(recipe, X, index, [fold for fold in pending if fold.seed == seed], n_jobs):
                reporter()
    reporter()
    return TrainingResult(recipe, tuple(folds))


def _fit_folds(
    recipe: Recipe, X: NDArray[np.float32], index: pd.DataFrame, folds: Sequence[Fold], n_jobs: int
) -> Iterator[None]:
    """Train and evaluate folds with the same features, and yield after each."""
    cluster = current_cluster()
    if cluster is None:
        tasks = (delayed(fit_fold)(recipe, X, index, fold, os.getpid()) for fold in folds)
        with without_interrupts():
            trained = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks)
        yield from trained
        return
    for fold, files in cluster.share(functools.partial(_fit_apart, recipe, index), X, folds):
        fold.folder.mkdir(parents=True, exist_ok=True)
        # What says that the fold is done comes last.
        for name in sorted(files, key=lambda name: name == fold.predictions_path.name):
            write_atomically(fold.folder / name, files[name])
        yield


def _fit_apart(recipe: Recipe, index: pd.DataFrame, X: NDArray[np.float32], fold: Fold) -> dict[str, bytes]:
    """Train and evaluate one fold on a machine that has none of its files, and return those that it makes.

    One at a time in a process: what Keras keeps, its seed above all, belongs to the process.
    """
    with _ALONE, tempfile.TemporaryDirectory() as folder:
        fit_fold(recipe, X, index, dataclasses.replace(fold, folder=Path(folder)))
        made = (fold.history_path, fold.weights_path, fold.scaler_path, fold.predictions_path)
        return {path.name: Path(folder, path.name).read_bytes() for path in made}


class _Reporter:
    """Reports the progress of folds that other processes train, from their files."""

    def __init__(self, folds: Sequence[Fold], n_epochs: int, report: Report) -> None:
        self.folds, self.n_epochs, self.report = folds, n_epochs, report
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __call__(self) -> None:
        self.report(measure_progress(self.folds, self.n_epochs))

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.stopped.wait(REPORT_INTERVAL):
            self()


def fit_fold(
    recipe: Recipe, X: NDArray[np.float32], index: pd.DataFrame, fold: Fold, parent: int | None = None
) -> None:
    """Train and evaluate one fold, or finish it where it stopped.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    X : np.ndarray [shape=(n, ...), dtype=float32]
        Features of the clips, as a ``FeatureReader`` returns them.
    index : pandas.DataFrame
        The same clips.
    fold : Fold
        Rows, seed and folder.
    parent : int, optional
        Number of the process that started this one, if another did: when it ends, this training does.

    Raises
    ------
    TrainingError
        If another process is training the same fold.
    """
    if parent is not None:
        end_with(parent)
    fold.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(fold.folder / "lock", timeout=LOCK_TIMEOUT):
            _fit_and_evaluate(recipe, X, index, fold)
    except Timeout as error:
        raise TrainingError(f"Another process trains {fold.folder}. Wait for it, or stop it.") from error


def _fit_and_evaluate(recipe: Recipe, X: NDArray[np.float32], index: pd.DataFrame, fold: Fold) -> None:
    """Do what ``fit_fold`` says, in a folder that no other process touches."""
    if fold.is_done:
        return
    _limit_threads()
    with threadpool_limits(1):
        network = recipe.fit(X, index, fold)
        y_proba = predict_fold(network, fold, recipe.clean(X)[fold.split.test])
    table = tabulate_fold(fold, index.iloc[fold.split.test], y_proba)
    write_atomically(fold.predictions_path, table.to_csv(index=False).encode())
    keras.backend.clear_session()


def predict_fold(network: keras.Model, fold: Fold, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities that a fold's network gives.

    Parameters
    ----------
    network : keras.Model
        The fold's network.
    fold : Fold
        A fold with a fitted scaler.
    X : np.ndarray [shape=(n, ...), dtype=float32]
        Features, unscaled.

    Returns
    -------
    np.ndarray [shape=(n, k), dtype=float32]
    """
    if not len(X):
        return np.empty((0, len(fold.task.labels)), dtype=np.float32)
    scaler = json.loads(fold.scaler_path.read_text())
    scaled = ((X - np.asarray(scaler["mean"])) / np.asarray(scaler["scale"])).astype(np.float32)
    return np.asarray(network.predict(scaled, batch_size=256, verbose=0))


def _limit_threads() -> None:
    """Give a fold one thread: folds run side by side, and a fixed order of summation makes a run repeatable."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.debug("TensorFlow has started in this process already; its threads stay as they are.")


def tabulate_fold(fold: Fold, clips: pd.DataFrame, y_proba: NDArray[np.float32]) -> pd.DataFrame:
    """Return probabilities that a fold's network gave as a table; see ``core.learning.predictions.tabulate``."""
    labels = fold.task.labels
    return tabulate(clips, y_proba, labels, protocol=fold.protocol, seed=fold.seed, fold=fold.split.fold)
