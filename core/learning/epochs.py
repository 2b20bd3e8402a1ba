"""Fitting a network epoch by epoch, so that a training that was killed goes on as if it had not been.

Everything random in an epoch (order of the clips, dropout) follows from seed and epoch alone, so a training that was
killed and resumed makes the weights that an undisturbed one makes.
"""

import json
import logging
import math
import os
import shutil
from pathlib import Path
from typing import Any, Final

import h5py
import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from core.files import write_atomically
from core.learning.networks import build_reference
from core.learning.recipes import Recipe
from core.learning.runs import Fold, clean_history

logger = logging.getLogger(__name__)

BACKUP_INTERVAL: Final = 4
"""Epochs between two backups: what a kill can cost. One after every epoch would slow a small network by 6 %."""


def fit_network(
    recipe: Recipe, X: NDArray[np.float32], index: pd.DataFrame, fold: Fold, coordinator: int | None
) -> keras.Model:
    """Fit the network of a fold, and keep the weights of its best epoch and its scaler in the fold's folder.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    X : np.ndarray [shape=(n, frames, features), dtype=float32]
        Features of the clips, unscaled.
    index : pandas.DataFrame
        The same clips, with a column ``emotion``.
    fold : Fold
        Rows, seed and folder.
    coordinator : int or None
        Number of the process that started this one: when it ends, this training does.

    Returns
    -------
    keras.Model
        The network of the chosen epoch; it reads scaled features.
    """
    keras.utils.set_random_seed(_fold_seed(fold))
    y_true = fold.task.encode(index["emotion"])
    scaler = StandardScaler().fit(X[fold.split.train].reshape(-1, X.shape[-1]))
    scale = json.dumps({"mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()})
    write_atomically(fold.scaler_path, scale.encode())
    X = ((X - scaler.mean_) / scaler.scale_).astype(np.float32)

    network = build_reference(recipe, X.shape[-1], len(fold.task.labels), unroll=True)
    network.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate), loss="categorical_crossentropy", metrics=["accuracy"]
    )
    _fit(network, recipe, (X, y_true), fold, coordinator)
    network.load_weights(fold.weights_path)
    return network


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
    y_onehot = keras.utils.to_categorical(y_true, len(fold.task.labels))
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
            logger.warning("The backup of %s cannot be read (%s); the fold starts anew.", fold.folder, error)
            shutil.rmtree(folder)
    return folder


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


def _fold_seed(fold: Fold) -> int:
    return fold.seed * 1_000 + fold.split.fold
