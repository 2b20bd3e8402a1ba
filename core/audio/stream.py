"""Long sounds, block by block: an hour costs no more memory than a minute."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from core.audio.assess import Assessment, Gauge
from core.audio.decode import opened_mix, refuse_large
from core.audio.mixdown import choose_mix
from core.config import SAMPLE_RATE, DecodeLimits

LONG_LIMITS: Final = DecodeLimits(max_duration=3_720.0, max_samples=3_720 * 96_000)
"""Limits of sounds that are followed over time: an hour, and what a careless export adds."""


class Stream:
    """A sound that is decoded block by block.

    It is read once before, to its end: what it is scaled by, and what is wrong with it, follow from the whole.

    Parameters
    ----------
    data : bytes
        The encoded sound.
    limits : DecodeLimits
        Bounds on size, length, channels and rate.
    part : str
        Which channel or track, as for ``core.audio.decode.decode``.

    Raises
    ------
    AudioError
        As ``core.audio.decode.decode``.

    Examples
    --------
    >>> import io
    >>> import soundfile as sf
    >>> buffer = io.BytesIO()
    >>> sf.write(buffer, np.zeros(480_000), 48_000, format="WAV")
    >>> sum(len(block) for block in Stream(buffer.getvalue()))
    220500
    """

    assessment: Assessment
    """What is wrong with it."""

    def __init__(self, data: bytes, *, limits: DecodeLimits = LONG_LIMITS, part: str = "") -> None:
        refuse_large(data, limits)
        self._data, self._limits = data, limits
        self._mix = choose_mix(data, limits, part)
        with opened_mix(data, limits, self._mix) as sound:
            gauge = Gauge(sound.track.rate)
            for block in sound.blocks():
                gauge.add(block)
        self._scale = sound.scale
        self.assessment = gauge.assess(self._scale.clipped_share, sound.notes, gain=self._scale.gain)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield mono samples at ``core.config.SAMPLE_RATE``, (n,): together, those of ``decode`` to within rounding."""
        with opened_mix(self._data, self._limits, self._mix) as sound:
            resampler = soxr.ResampleStream(sound.track.rate, SAMPLE_RATE, 1, dtype="float32")
            for block in sound.blocks():
                yield resampler.resample_chunk(self._scale.apply(block))
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
