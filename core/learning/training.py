"""The one training routine, for every recipe, protocol and caller.

A run is a folder. Each fold has a folder of its own, ``<protocol>/seed-<s>/fold-<k>``, with

- ``history.csv``: a row an epoch, appended as it ends;
- ``best.weights.h5``: weights of the epoch with the highest mean of training and validation accuracy;
- ``backup/``: the state a few epochs ago at most, from which a killed training goes on;
- ``scaler.json``: mean and scale of each feature over the training frames;
- ``predictions.csv``: probabilities of the judged clips, written last: where it stands, the fold is done.

Everything random in an epoch (order of the clips, dropout) follows from seed and epoch alone, so a training that was
killed and resumed makes the weights that an undisturbed one makes.
"""

import json
import logging
import math
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from filelock import FileLock, Timeout
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from core.errors import TrainingError
from core.files import write_atomically
from core.labels import EMOTIONS
from core.learning.networks import build_reference
from core.learning.recipes import Recipe
from core.learning.runs import Fold, TrainingProgress, TrainingResult, clean_history, measure_progress

logger = logging.getLogger(__name__)

REPORT_INTERVAL: Final = 5.0
"""Time between two reports of progress, in seconds."""
LOCK_TIMEOUT: Final = 30.0
"""Time that a worker of a killed training may need to notice and end, in seconds."""
BACKUP_INTERVAL: Final = 4
"""Epochs between two backups: what a kill can cost. One after every epoch would slow a small network by 6 %."""


class _Batches(keras.utils.PyDataset):
    """Scaled features and one-hot labels in batches, in an order that follows from seed and epoch."""

    def __init__(self, X: NDArray[np.float32], y_onehot: NDArray[np.float32], batch_size: int, seed: int) -> None:
        super().__init__()
        self.X, self.y_onehot, self.batch_size, self.seed = X, y_onehot, batch_size, seed
        self.shuffle(0)

    def __len__(self) -> int:
        return math.ceil(len(self.X) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.X[rows], self.y_onehot[rows]

    def shuffle(self, epoch: int) -> None:
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.X))


class _EpochSeeds(keras.callbacks.Callback):
    """Sets order and dropout masks of an epoch, so that they do not depend on where the process started."""

    def __init__(self, batches: _Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        self.batches.shuffle(epoch)
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                state = layer.seed_generator.state
                state.assign([int(state[0]), epoch * len(self.batches)])


class _EndWithCoordinator(keras.callbacks.Callback):
    """Ends a worker whose coordinating process was killed: nobody would use what it makes.

    Only a child of the coordinator can notice (not on Windows, where a parent's number stays).
    """

    def __init__(self, coordinator: int | None) -> None:
        super().__init__()
        self.coordinator = coordinator if os.getppid() == coordinator else None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        if self.coordinator is not None and os.getppid() != self.coordinator:
            os._exit(1)


class _AverageAccuracy(keras.callbacks.Callback):
    """Adds the reference's selection rule to the logs: the mean of training and validation accuracy."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        if logs is not None:
            logs["average_accuracy"] = (logs["accuracy"] + logs["val_accuracy"]) / 2


class _Backup(keras.callbacks.BackupAndRestore):
    """Keras' backup, with the epoch taken from the optimizer's step count.

    Keras writes weights and epoch into two files; a process killed between the two would repeat an epoch on weights
    that have already seen it.
    """

    def __init__(self, folder: Path, steps_per_epoch: int) -> None:
        super().__init__(str(folder), double_checkpoint=True, delete_checkpoint=False)
        self.steps_per_epoch = steps_per_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % BACKUP_INTERVAL == 0:
            super().on_epoch_end(epoch, logs)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        try:
            super().on_train_begin(logs)
        except json.JSONDecodeError as error:
            logger.warning("The backup names no epoch, the optimizer's step count does: %s", error)
        self.model._initial_epoch = int(self.model.optimizer.iterations) // self.steps_per_epoch


def train(
    recipe: Recipe,
    index: pd.DataFrame,
    X: NDArray[np.float32],
    folds: Sequence[Fold],
    *,
    n_jobs: int = 2,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train and judge the folds of a run; those that are done are kept, those that were cut off go on.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    index : pandas.DataFrame
        Distinct clips, with columns ``clip`` and ``emotion``.
    X : np.ndarray [shape=(n, frames, features), dtype=float32]
        Features of the same clips, unscaled.
    folds : sequence of Fold
        As from ``core.learning.runs.plan_folds``.
    n_jobs : int
        Folds trained side by side, each in a process of one thread.
    progress : callable, optional
        Called with a ``TrainingProgress`` every few seconds and after each fold.

    Returns
    -------
    TrainingResult
        The folds, done.
    """
    report = _Reporter(folds, recipe.epochs, progress)
    tasks = (delayed(fit_fold)(recipe, X, index, fold, os.getpid()) for fold in folds if not fold.is_done)
    with report:
        for _ in Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks):
            report()
    report()
    return TrainingResult(recipe, tuple(folds))


class _Reporter:
    """Reports the progress of folds that other processes train, from their files."""

    def __init__(
        self, folds: Sequence[Fold], n_epochs: int, progress: Callable[[TrainingProgress], None] | None
    ) -> None:
        self.folds, self.n_epochs, self.progress = folds, n_epochs, progress
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __call__(self) -> None:
        if self.progress is not None:
            self.progress(measure_progress(self.folds, self.n_epochs))

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.stopped.wait(REPORT_INTERVAL):
            self()


def fit_fold(
    recipe: Recipe, X: NDArray[np.float32], index: pd.DataFrame, fold: Fold, coordinator: int | None = None
) -> None:
    """Train and judge one fold, or finish it where it stopped.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    X : np.ndarray [shape=(n, frames, features), dtype=float32]
        Features of the clips, unscaled.
    index : pandas.DataFrame
        The same clips, with columns ``clip`` and ``emotion``.
    fold : Fold
        Rows, seed and folder.
    coordinator : int, optional
        Number of the process that started this one, if another did: when it ends, this training does.

    Raises
    ------
    TrainingError
        If another process is training the same fold.
    """
    fold.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(fold.folder / "lock", timeout=LOCK_TIMEOUT):
            _fit_and_judge(recipe, X, index, fold, coordinator)
    except Timeout as error:
        raise TrainingError(f"Another process trains {fold.folder}. Wait for it, or stop it.") from error


def _fit_and_judge(
    recipe: Recipe, X: NDArray[np.float32], index: pd.DataFrame, fold: Fold, coordinator: int | None
) -> None:
    """Do what ``fit_fold`` says, in a folder that no other process touches."""
    if fold.is_done:
        return
    _limit_threads()
    keras.utils.set_random_seed(_fold_seed(fold))
    y_true = np.searchsorted(EMOTIONS, index["emotion"].to_numpy(dtype=str))
    scaler = StandardScaler().fit(X[fold.split.train].reshape(-1, X.shape[-1]))
    scale = json.dumps({"mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()})
    write_atomically(fold.scaler_path, scale.encode())
    X = ((X - scaler.mean_) / scaler.scale_).astype(np.float32)

    network = build_reference(recipe, X.shape[-1], len(EMOTIONS), unroll=True)
    network.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate), loss="categorical_crossentropy", metrics=["accuracy"]
    )
    _fit(network, recipe, (X, y_true), fold, coordinator)
    network.load_weights(fold.weights_path)
    y_proba = network.predict(X[fold.split.test], batch_size=256, verbose=0)
    _write_predictions(fold, index.iloc[fold.split.test], y_proba)
    keras.backend.clear_session()


def _fit(
    network: keras.Sequential,
    recipe: Recipe,
    clips: tuple[NDArray[np.float32], NDArray[np.intp]],
    fold: Fold,
    coordinator: int | None,
) -> None:
    """Fit to the last epoch, keeping the weights of the best one; go on from a backup where there is one."""
    X, y_true = clips
    rows = fold.split
    y_onehot = keras.utils.to_categorical(y_true, len(EMOTIONS))
    batches = _Batches(X[rows.train], y_onehot[rows.train], recipe.batch_size, _fold_seed(fold))
    present = np.unique(y_true[rows.train])
    weights = compute_class_weight("balanced", classes=present, y=y_true[rows.train])
    best = clean_history(fold.history_path)["average_accuracy"].max()
    network.fit(
        batches,
        validation_data=(X[rows.validation], y_onehot[rows.validation]),
        validation_batch_size=256,
        epochs=recipe.epochs,
        class_weight=dict(zip(present.tolist(), weights.tolist(), strict=True)),
        shuffle=False,
        verbose=0,
        callbacks=[
            _EndWithCoordinator(coordinator),
            _EpochSeeds(batches),
            _AverageAccuracy(),
            keras.callbacks.ModelCheckpoint(
                fold.weights_path,
                monitor="average_accuracy",
                mode="max",
                save_best_only=True,
                save_weights_only=True,
                initial_value_threshold=None if np.isnan(best) else float(best),
            ),
            keras.callbacks.CSVLogger(fold.history_path, append=True),
            _Backup(_sound_backup_folder(fold), len(batches)),
        ],
    )


def _sound_backup_folder(fold: Fold) -> Path:
    """Return the folder of the fold's backup, emptied where a kill during the first one left nothing to go on from."""
    folder = fold.folder / "backup"
    weights = folder / "latest.weights.h5"
    if weights.is_file() and not weights.with_name(f"{weights.name}.bkp").is_file():
        try:
            h5py.File(weights).close()
        except OSError as error:
            logger.warning("The backup of %s can not be read (%s); the fold starts anew.", fold.folder, error)
            shutil.rmtree(folder)
    return folder


def _fold_seed(fold: Fold) -> int:
    return fold.seed * 1_000 + fold.split.fold


def _limit_threads() -> None:
    """Give a fold one thread: folds run side by side, and a fixed order of summation makes a run repeatable."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.debug("TensorFlow has started in this process already; its threads stay as they are.")


def _write_predictions(fold: Fold, clips: pd.DataFrame, y_proba: NDArray[np.float32]) -> None:
    rows = pd.DataFrame(
        {
            "protocol": fold.protocol,
            "seed": fold.seed,
            "fold": fold.split.fold,
            "clip": clips["clip"].to_numpy(),
            "y_true": clips["emotion"].to_numpy(),
        }
    )
    table = rows.join(pd.DataFrame(y_proba, columns=list(EMOTIONS)))
    write_atomically(fold.predictions_path, table.to_csv(index=False).encode())
