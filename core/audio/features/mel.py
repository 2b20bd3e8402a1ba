"""Mel spectrograms of one size: what a network reads in batches that is taught on short sounds."""

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.audio.descriptors import N_MEL_FINE, mel_power
from core.audio.features.base import FeatureSet, Picture, Scale
from core.config import VoiceConfig

SILENCE: Final = -90.0
"""Level that fills up what is too short, in dB."""


@dataclasses.dataclass(frozen=True)
class MelFeatures(VoiceConfig, FeatureSet):
    """Levels of a trimmed sound, set to a level of its own, in mel bands, without a floor of noise: in dB."""

    name: str = "mel"
    """Name of the feature set."""
    floor_db: float = -300.0
    """None: who reads it adds one behind its augmentations."""
    n_kernels: int = 0
    """None."""
    n_frames: int = 176
    """Frames kept: 2.04 s; what is longer is cut, what is shorter filled up with silence."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames and bands."""
        return self.n_frames, N_MEL_FINE

    @property
    def groups(self) -> dict[str, NDArray[np.intp]]:
        """All bands, as one."""
        return {"Mel spectrum": np.arange(N_MEL_FINE, dtype=np.intp)}

    def extract(self, y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:  # noqa: ARG002 - that of the set
        """Compute the features of a sound."""
        level = 10 * np.log10(mel_power(y, self) + 10 ** (SILENCE / 10))
        out = np.full(self.shape, SILENCE, dtype=np.float32)
        out[: len(level)] = level[: self.n_frames]
        return out

    def picture(self, y: NDArray[np.float32], sr: int, scale: Scale) -> Picture:  # noqa: ARG002 - in dB, as it is read
        """Show the levels."""
        values = self.extract(y, sr)
        return Picture(
            values=values.T,
            rows=tuple(f"mel band {k + 1}" for k in range(values.shape[1])),
            times=np.arange(len(values)) * self.hop_length / self.sr,
            unit="dB",
            summary="The sound trimmed and set to a level of its own.",
            row_title="mel band",
        )
