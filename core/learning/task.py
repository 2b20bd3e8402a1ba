"""What a training learns to tell apart: the emotions, and the channels that have classes of their own."""

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.corpus.base import Corpus
from core.corpus.splits import other_corpora


@dataclasses.dataclass(frozen=True)
class Task:
    """Labels and channels of a training."""

    labels: tuple[str, ...]
    """The emotions, in the order of every vector of probabilities."""
    channels: tuple[str, ...] = ("speech",)
    """Channels of the clips, sorted."""
    others: tuple[str, ...] = ()
    """Corpora that clips come from besides the one whose emotions these are."""

    @classmethod
    def of(cls, corpus: Corpus, index: pd.DataFrame) -> "Task":
        """Return the task of clips of a corpus."""
        channels = tuple(sorted(map(str, index["channel"].unique())))
        return cls(corpus.labels, channels, tuple(other_corpora(corpus, index)))

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
