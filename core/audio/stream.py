"""Long sounds, block by block: an hour costs no more memory than a minute."""

import io
from collections.abc import Iterator
from typing import Final

import av
import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from core.audio.decode import opened, pyav_container
from core.config import SAMPLE_RATE, DecodeLimits
from core.errors import AudioError

LONG_LIMITS: Final = DecodeLimits(max_duration=3_720.0, max_samples=3_720 * 96_000)
"""Limits of sounds that are followed over time: an hour, and what a careless export adds."""


def stream(data: bytes, *, limits: DecodeLimits = LONG_LIMITS) -> Iterator[NDArray[np.float32]]:
    """Decode a sound block by block.

    Parameters
    ----------
    data : bytes
        The encoded sound.
    limits : DecodeLimits
        Bounds on size, length, channels and rate.

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
    >>> buffer = io.BytesIO()
    >>> sf.write(buffer, np.zeros(480_000), 48_000, format="WAV")
    >>> sum(len(block) for block in stream(buffer.getvalue()))
    220500
    """
    if len(data) > limits.max_bytes:
        raise AudioError(f"The file is larger than {limits.max_bytes / 2**20:.0f} MB. Cut it or save it compressed.")
    with opened(data, limits) as track:
        resampler = soxr.ResampleStream(track.rate, SAMPLE_RATE, 1, dtype="float32")
        for mono in track.mono(limits):
            yield resampler.resample_chunk(mono.astype(np.float32, copy=False))
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def stated_duration(data: bytes) -> float:
    """Return the length that a file states, in seconds: a hint, since headers lie; 0 where it states none.

    Parameters
    ----------
    data : bytes
        The encoded sound.

    Returns
    -------
    float
    """
    container = pyav_container(data)
    try:
        if container is None:
            with sf.SoundFile(io.BytesIO(data)) as file:
                return float(file.frames / file.samplerate)
        with av.open(io.BytesIO(data), format=container, metadata_errors="replace") as file:
            if file.duration:
                return float(file.duration / av.time_base)
            # What browsers record states no length, but each packet when it sounds.
            ends = [float((p.pts or 0) * p.time_base) for p in file.demux(audio=0) if p.pts is not None]
            return max(ends, default=0.0)
    except (av.FFmpegError, sf.LibsndfileError, ValueError, IndexError):
        return 0.0
