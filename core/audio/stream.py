"""Long sounds, block by block: an hour costs no more memory than a minute."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from core.audio.containers import opened
from core.audio.mixdown import choose_mix
from core.config import SAMPLE_RATE, DecodeLimits
from core.errors import AudioError

LONG_LIMITS: Final = DecodeLimits(max_duration=3_720.0, max_samples=3_720 * 96_000)
"""Limits of sounds that are followed over time: an hour, and what a careless export adds."""


def stream(data: bytes, *, limits: DecodeLimits = LONG_LIMITS, part: str = "") -> Iterator[NDArray[np.float32]]:
    """Decode a sound block by block.

    Parameters
    ----------
    data : bytes
        The encoded sound.
    limits : DecodeLimits
        Bounds on size, length, channels and rate.
    part : str
        Which channel or track, as for ``core.audio.decode.decode``.

    Yields
    ------
    np.ndarray [shape=(n,), dtype=float32]
        Mono samples at ``core.config.SAMPLE_RATE``; together, the samples that ``decode`` gives to within rounding.

    Raises
    ------
    AudioError
        As ``core.audio.decode.decode``, where the trouble is met.

    Examples
    --------
    >>> import io
    >>> import soundfile as sf
    >>> buffer = io.BytesIO()
    >>> sf.write(buffer, np.zeros(480_000), 48_000, format="WAV")
    >>> sum(len(block) for block in stream(buffer.getvalue()))
    220500
    """
    if len(data) > limits.max_bytes:
        raise AudioError(f"The file is larger than {limits.max_bytes / 2**20:.0f} MB. Cut it or save it compressed.")
    mix = choose_mix(data, limits, part)
    with opened(data, limits, mix.track) as track:
        resampler = soxr.ResampleStream(track.rate, SAMPLE_RATE, 1, dtype="float32")
        for block in track.read(limits):
            yield resampler.resample_chunk(mix.apply(block))
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
