"""Quality checks: can this sound be answered at all, and what should the reader know about it.

Levels are in dBFS of the root mean square: 0 dBFS is the RMS of a full-scale square wave.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.audio.decode import Waveform

MIN_DURATION: Final = 0.3
"""Shortest sound that is answered, in seconds."""
SILENCE_LEVEL: Final = -80.0
"""Level of the loudest 50 ms under which nothing is heard, in dBFS: a muted input, not a quiet voice."""
QUIET_LEVEL: Final = -56.0
"""Level of the loudest 50 ms under which the reader is warned, in dBFS; acted speech is hardly ever as quiet."""
CLIPPED_SHARE: Final = 0.005
"""Share of samples at full scale from which the reader is warned."""

_FRAME = 0.05


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What was measured, why there can be no answer, and what to be warned of."""

    level: float
    """Level of the whole sound, in dBFS; -inf for digital silence."""
    peak_level: float
    """Level of the loudest 50 ms, in dBFS."""
    clipped_share: float
    """Share of samples at full scale."""
    refusal: str | None
    """Why the sound cannot be answered; None where it can."""
    warnings: tuple[str, ...]
    """What lowers the trust in an answer."""


class Gauge:
    """Levels of a sound that comes block by block.

    Parameters
    ----------
    sr : int
        Sampling rate, in Hz.
    """

    def __init__(self, sr: int) -> None:
        self._sr, self._frame = sr, max(int(_FRAME * sr), 1)
        self._n, self._power, self._peak = 0, 0.0, 0.0
        self._begun = np.zeros(0, np.float32)

    def add(self, y: NDArray[np.float32]) -> None:
        """Measure the next samples, shape (n,)."""
        self._n += len(y)
        self._power += float(np.sum(np.square(y, dtype=np.float64)))
        y = np.concatenate([self._begun, y])
        whole = len(y) // self._frame * self._frame
        self._begun = y[whole:]
        self._peak = max(self._peak, _loudest_power(y[:whole], self._frame))

    def assess(self, clipped_share: float, notes: Sequence[str], *, gain: float = 1.0) -> Assessment:
        """Judge whether what was measured can be answered.

        Parameters
        ----------
        clipped_share : float
            Share of samples at full scale.
        notes : sequence of str
            What a reader must know of the file.
        gain : float
            What the samples are multiplied by before they are answered.

        Returns
        -------
        Assessment
            With a refusal for a sound that is too short or silent, and warnings for one that is very quiet or clipped.
        """
        peak_level = _decibels(gain**2 * max(self._peak, _loudest_power(self._begun, self._frame)))
        duration, refusal, warnings = self._n / self._sr, None, []
        if duration < MIN_DURATION:
            refusal = f"The recording is {duration:.2f} s long; at least {MIN_DURATION} s are needed. Record more."
        elif peak_level < SILENCE_LEVEL:
            refusal = "The recording is silent. Choose one with a voice; of a microphone, check that it is not muted."
        elif peak_level < QUIET_LEVEL:
            warnings.append(f"very quiet: {peak_level:.0f} dBFS at its loudest; come closer to the microphone")
        if clipped_share >= CLIPPED_SHARE:
            warnings.append(f"clipped: {clipped_share:.1%} of the samples are at full scale; lower the recording level")
        level = _decibels(gain**2 * self._power / max(self._n, 1))
        return Assessment(level, peak_level, clipped_share, refusal, (*warnings, *notes))


def assess(waveform: Waveform) -> Assessment:
    """Judge whether a sound can be answered.

    Parameters
    ----------
    waveform : Waveform
        As from ``decode``.

    Returns
    -------
    Assessment
        As ``Gauge.assess`` gives it.
    """
    gauge = Gauge(waveform.sr)
    gauge.add(waveform.y)
    return gauge.assess(waveform.clipped_share, waveform.notes)


def level_of(y: NDArray[np.float32]) -> float:
    """Return the level of samples.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Samples, at least one.

    Returns
    -------
    float
        In dBFS; -inf for digital silence.
    """
    return _decibels(float(np.mean(np.square(y, dtype=np.float64))))


def _loudest_power(y: NDArray[np.float32], frame: int) -> float:
    """Return the mean square of the loudest frame of some length, in samples; 0 where there is none."""
    starts = np.arange(0, len(y), frame)
    sums = np.add.reduceat(np.square(y, dtype=np.float64), starts) if len(y) else np.zeros(0)
    return float((sums / np.diff(starts, append=len(y))).max(initial=0))


def _decibels(power: float) -> float:
    return 10 * float(np.log10(power)) if power > 0 else float("-inf")
