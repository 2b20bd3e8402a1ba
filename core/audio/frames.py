"""Frames that FFmpeg decoded, as blocks of samples."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

MAX_PLANES: Final = 8
"""Channels of a frame that are read; of more, FFmpeg makes those of the first frame."""


def blocks_of(first: av.AudioFrame, frames: Iterable[av.AudioFrame]) -> Iterator[NDArray[np.float32]]:
    """Yield decoded blocks of shape (channels, n) at the rate and layout of the first frame, whatever later ones have.

    Joined recordings change their rate or channels midway.

    Parameters
    ----------
    first : av.AudioFrame
        The first frame.
    frames : iterable of av.AudioFrame
        Those behind it.

    Yields
    ------
    np.ndarray [shape=(channels, n), dtype=float32]
    """
    n_channels, rate = first.layout.nb_channels, first.sample_rate
    kind, resampler = None, av.AudioResampler(format="fltp")
    for frame in itertools.chain([first], frames):
        if (frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate) != kind:
            if kind is not None:
                yield from _planes(resampler.resample(None), n_channels)
            kind = frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate
            too_many = frame.layout.nb_channels > MAX_PLANES
            resampler = av.AudioResampler(format="fltp", layout=first.layout.name if too_many else None, rate=rate)
        frame.pts = None  # gaps between joined parts are no silence
        yield from _planes(resampler.resample(frame), n_channels)
    yield from _planes(resampler.resample(None), n_channels)


def _planes(frames: Iterable[av.AudioFrame], n_channels: int) -> Iterator[NDArray[np.float32]]:
    """Yield the samples of frames, (channels, n); of frames with other channels, the average in each.

    Not by ``to_ndarray``: of eight channels, it reads a ninth that is not there, and the process ends.
    """
    for frame in frames:
        if frame.samples:
            planes = frame.planes[: min(frame.layout.nb_channels, MAX_PLANES)]
            block = np.stack([np.frombuffer(plane, np.float32, frame.samples) for plane in planes])
            yield (
                block if len(block) == n_channels else np.repeat(block.mean(axis=0, keepdims=True), n_channels, axis=0)
            )
