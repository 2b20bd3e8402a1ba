"""The statistics feature set: the reference's 62 descriptors, each summed up over the beginning of a sound.

Only frames that the sound has are counted; the reference features themselves are padded with zeros.
"""

import dataclasses
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from core.audio.decode import Waveform
from core.audio.features.base import FeatureSet, Picture, Scale
from core.audio.features.reference import FEATURE_GROUPS, FEATURE_NAMES, draw_frames, extract_features
from core.config import OPENING_DURATION, SAMPLE_RATE, FeatureConfig

PERCENTILES: Final = (5, 25, 50, 75, 95)
STATISTICS: Final = ("mean", "deviation", *(f"percentile_{q}" for q in PERCENTILES))
STATISTIC_NAMES: Final = tuple(f"{name}.{statistic}" for statistic in STATISTICS for name in FEATURE_NAMES)
"""Names of the values, in order."""
MIN_FRAMES: Final = 9
"""Frames over which librosa takes a slope."""


@dataclasses.dataclass(frozen=True)
class StatisticsFeatures(FeatureSet):
    """Mean, deviation and percentiles over time of the reference's descriptors."""

    name: str = "statistics"
    """Name of the feature set."""
    sr: int = SAMPLE_RATE
    """Sampling rate, in Hz."""
    duration: float = OPENING_DURATION
    """Length of the analysed beginning of the sound, in seconds."""
    version: int = 1
    """Raised whenever the computation changes."""

    @property
    def analysed_duration(self) -> float:
        """Longest stretch of voice that is read at once, in seconds."""
        return self.duration

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sound's features: one vector."""
        return (len(STATISTIC_NAMES),)

    @property
    def groups(self) -> dict[str, NDArray[np.intp]]:
        """Columns of all statistics of each descriptor."""
        starts = len(FEATURE_NAMES) * np.arange(len(STATISTICS))[:, None]
        return {name: (starts + np.arange(c.start, c.stop)).ravel() for name, c in FEATURE_GROUPS.items()}

    reads_stretches: ClassVar[bool] = False

    def samples(self, waveform: Waveform) -> NDArray[np.float32]:
        """Return the first 4 s, as the reference features read them, shape (n,)."""
        return waveform.opening

    def extract(self, y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
        """Compute the statistics of a sound, in the order of ``STATISTIC_NAMES``."""
        X = self._frames(y, sr)
        return np.concatenate([X.mean(axis=0), X.std(axis=0), *np.percentile(X, PERCENTILES, axis=0)], dtype=np.float32)

    def picture(self, y: NDArray[np.float32], sr: int, scale: Scale) -> Picture:  # noqa: ARG002 - it scales statistics
        """Show the descriptors whose statistics are read, scaled within the sound."""
        X = self._frames(y, sr)
        deviation = X.std(axis=0)
        X = (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
        summary = (
            f"{len(FEATURE_NAMES)} features in {len(X)} frames, each scaled by its mean and deviation in this sound. "
            f"The model reads {len(STATISTICS)} statistics of each."
        )
        return draw_frames(X, FeatureConfig(), summary)

    def _frames(self, y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
        """Return the descriptors of the frames that the sound has, shape (t, 62)."""
        config = FeatureConfig(duration=self.duration)
        n_frames = 1 + min(len(y), int(self.duration * sr)) // config.hop_length
        whole = dataclasses.replace(config, n_frames=max(n_frames, MIN_FRAMES))
        return extract_features(y, sr, whole)[:n_frames]
