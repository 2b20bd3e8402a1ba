"""Fitting a network epoch by epoch, so that a training that was killed goes on as if it had not been.

Everything random in an epoch (order of the clips, dropout) follows from seed and epoch alone, so a training that was
killed and resumed makes the weights that an undisturbed one makes.
"""

import math
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from core.learning.backups import Backup, EpochSeeds, sound_backup_folder
from core.learning.networks import build_reference
from core.learning.recipes.reference import ReferenceRecipe
from core.learning.runs import Fold, clean_history, write_scaler


def fit_network(recipe: ReferenceRecipe, X: NDArray[np.float32], index: pd.DataFrame, fold: Fold) -> keras.Model:
    """Fit the network of a fold, and keep the weights of its best epoch and its scaler in the fold's folder.

    Parameters
    ----------
    recipe : ReferenceRecipe
        What to train.
    X : np.ndarray [shape=(n, frames, features), dtype=float32]
        Features of the clips, unscaled.
    index : pandas.DataFrame
        The same clips, with a column ``emotion``.
    fold : Fold
        Rows, seed and folder.

    Returns
    -------
    keras.Model
        The network of the chosen epoch; it reads scaled features.
    """
    keras.utils.set_random_seed(_fold_seed(fold))
    y_true = fold.task.encode(index["emotion"])
    scaler = StandardScaler().fit(X[fold.split.train].reshape(-1, X.shape[-1]))
    write_scaler(fold, scaler.mean_, scaler.scale_)
    X = ((X - scaler.mean_) / scaler.scale_).astype(np.float32)

    network = build_reference(recipe, X.shape[-1], len(fold.task.labels), unroll=True)
    network.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate), loss="categorical_crossentropy", metrics=["accuracy"]
    )
    _fit(network, recipe, (X, y_true), fold)
    network.load_weights(fold.weights_path)
    return network


def _fit(
    network: keras.Sequential,
    recipe: ReferenceRecipe,
    clips: tuple[NDArray[np.float32], NDArray[np.intp]],
    fold: Fold,
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
            EpochSeeds(batches),
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
            Backup(sound_backup_folder(fold.folder), len(batches)),
        ],
    )


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


class _AverageAccuracy(keras.callbacks.Callback):
    """Adds the reference's selection rule to the logs: the mean of training and validation accuracy."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        if logs is not None:
            logs["average_accuracy"] = (logs["accuracy"] + logs["val_accuracy"]) / 2


def _fold_seed(fold: Fold) -> int:
    return fold.seed * 1_000 + fold.split.fold
