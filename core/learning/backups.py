"""Going on where a training was killed, as if it had not been: backups, and randomness that follows from the epoch."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any, Final, Protocol

import h5py
import keras

logger = logging.getLogger(__name__)

BACKUP_INTERVAL: Final = 4
"""Epochs between two backups: what a kill can cost. One after every epoch would slow a small network by 6 %."""


class Shuffled(Protocol):
    """Batches whose order follows from the epoch."""

    def __len__(self) -> int:
        """Return the number of batches."""

    def shuffle(self, epoch: int) -> None:
        """Draw the order of an epoch, counted from 0."""


def sound_backup_folder(training: Path) -> Path:
    """Return the folder of a training's backup, emptied where a kill during the first one left nothing of use."""
    folder = training / "backup"
    weights = folder / "latest.weights.h5"
    if weights.is_file() and not weights.with_name(f"{weights.name}.bkp").is_file():
        try:
            h5py.File(weights).close()
        except OSError as error:
            logger.warning("The backup of %s cannot be read (%s); it starts anew.", training, error)
            shutil.rmtree(folder)
    return folder


class EpochSeeds(keras.callbacks.Callback):
    """Sets order and dropout masks of an epoch, so that they do not depend on where the process started."""

    def __init__(self, batches: Shuffled) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Set what is random in the epoch."""
        self.batches.shuffle(epoch)
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                state = layer.seed_generator.state
                state.assign([int(state[0]), epoch * len(self.batches)])


class Backup(keras.callbacks.BackupAndRestore):
    """Keras' backup, with the epoch taken from the optimizer's step count.

    Keras writes weights and epoch into two files; a process killed between the two would repeat an epoch on weights
    that have already seen it.
    """

    def __init__(self, folder: Path, steps_per_epoch: int, interval: int = BACKUP_INTERVAL) -> None:
        super().__init__(str(folder), double_checkpoint=True, delete_checkpoint=False)
        self.steps_per_epoch, self.interval = steps_per_epoch, interval

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write a backup where one is due."""
        if (epoch + 1) % self.interval == 0:
            super().on_epoch_end(epoch, logs)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Take up the last backup, and find out the epoch from it."""
        try:
            super().on_train_begin(logs)
        except json.JSONDecodeError as error:
            logger.warning("The backup names no epoch, the optimizer's step count does: %s", error)
        self.model._initial_epoch = int(self.model.optimizer.iterations) // self.steps_per_epoch
