"""Quality checks: can this sound be answered at all, and what should the reader know about it.

Levels are in dBFS of the root mean square: 0 dBFS is the RMS of a full-scale square wave.
"""

import dataclasses
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


def assess(waveform: Waveform) -> Assessment:
    """Judge whether a sound can be answered.

    Parameters
    ----------
    waveform : Waveform
        As from ``decode``.

    Returns
    -------
    Assessment
        With a refusal for a sound that is too short or silent, and warnings for one that is very quiet or clipped.
    """
    level, peak_level = level_of(waveform.y), _loudest_level(waveform.y, waveform.sr)
    clipped_share = waveform.clipped_share
    refusal = None
    if waveform.duration < MIN_DURATION:
        refusal = f"The recording is {waveform.duration:.2f} s long; at least {MIN_DURATION} s are needed. Record more."
    elif peak_level < SILENCE_LEVEL:
        refusal = "The recording is silent. Choose one with a voice; of a microphone, check that it is not muted."
    warnings = []
    if refusal is None and peak_level < QUIET_LEVEL:
        warnings.append(f"very quiet: {peak_level:.0f} dBFS at its loudest; come closer to the microphone")
    if clipped_share >= CLIPPED_SHARE:
        warnings.append(f"clipped: {clipped_share:.1%} of the samples are at full scale; lower the recording level")
    return Assessment(level, peak_level, clipped_share, refusal, (*warnings, *waveform.notes))


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


def _loudest_level(y: NDArray[np.float32], sr: int) -> float:
    """Return the level of the loudest 50 ms in dBFS."""
    starts = np.arange(0, len(y), max(int(_FRAME * sr), 1))
    sums = np.add.reduceat(np.square(y, dtype=np.float64), starts)
    return _decibels(float((sums / np.diff(starts, append=len(y))).max()))


def _decibels(power: float) -> float:
    return 10 * float(np.log10(power)) if power > 0 else float("-inf")
