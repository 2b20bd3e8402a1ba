"""How large the samples of a sound are: at full scale, far above it, or no sound at all.

Floating-point files may go above full scale, which clips nothing.
"""

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import AudioError

LOUDEST_SAMPLE: Final = 1e10
"""Sample beyond which a file holds no sound: 32-bit numbers that were written as they are stay below."""
LOUD_SAMPLE: Final = 4.0
"""Sample beyond which the sound is scaled down; codecs go a little above 1, and mixes in floating point more."""
FULL_SCALE: Final = 0.999
"""Sample from which a sound counts as clipped."""


@dataclasses.dataclass
class Scale:
    """What was measured of the samples of one sound, block by block."""

    is_float: bool = False
    """Whether the file holds floating-point numbers."""
    peak: float = 0.0
    """Largest size of a sample."""
    n: int = 0
    """Samples."""
    n_full: int = 0
    """Samples at full scale."""

    def add(self, y: NDArray[np.float32]) -> None:
        """Measure the next samples, shape (n,).

        Raises
        ------
        AudioError
            If they are no sound.
        """
        peak = float(max(y.max(initial=0), -y.min(initial=0)))
        if peak > LOUDEST_SAMPLE:
            raise AudioError(f"The file holds numbers that are no sound (up to {peak:.0e}). Export it again.")
        self.peak, self.n = max(self.peak, peak), self.n + len(y)
        if peak >= FULL_SCALE:
            self.n_full += int((np.abs(y) >= FULL_SCALE).sum())

    @property
    def clipped_share(self) -> float:
        """Share of samples at full scale; those in floating point that go above it clip nothing."""
        return 0.0 if not self.n or (self.is_float and self.peak > 1) else self.n_full / self.n

    @property
    def gain(self) -> float:
        """What the samples are multiplied by; 1 where they are not far outside [-1, 1]."""
        return 1.0 if self.peak <= LOUD_SAMPLE else 1 / self.peak

    @property
    def notes(self) -> tuple[str, ...]:
        """That the samples were far outside [-1, 1]; empty where they were not."""
        if self.gain == 1:
            return ()
        return (f"its samples went up to {self.peak:.3g} times full scale and were scaled down",)

    def apply(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return samples, (n,), scaled down to [-1, 1] where the sound goes far outside."""
        return y if self.gain == 1 else y / np.float32(self.peak)
