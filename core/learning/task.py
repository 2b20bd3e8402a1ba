"""What a training learns to tell apart: the emotions, and the channels that have classes of their own."""

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.corpus.base import Corpus


@dataclasses.dataclass(frozen=True)
class Task:
    """Labels and channels of a training."""

    labels: tuple[str, ...]
    """The emotions, in the order of every vector of probabilities."""
    channels: tuple[str, ...] = ("speech",)
    """Channels of the clips, sorted."""

    @classmethod
    def of(cls, corpus: Corpus, index: pd.DataFrame) -> "Task":
        """Return the task of clips of a corpus."""
        return cls(corpus.labels, tuple(sorted(map(str, index["channel"].unique()))))

    @property
    def n_classes(self) -> int:
        """Number of pairs of channel and emotion."""
        return len(self.channels) * len(self.labels)

    def encode(self, emotions: pd.Series) -> NDArray[np.intp]:
        """Return the position of each emotion among the labels, shape (n,).

        >>> Task(("happy", "sad")).encode(pd.Series(["sad", "happy"])).tolist()
        [1, 0]
        """
        return np.searchsorted(np.array(self.labels), emotions.to_numpy(dtype=str))
