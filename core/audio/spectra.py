"""Short-time spectra, in single precision, as the descriptors, the fingerprints and the voice detector read them."""

import functools
from collections.abc import Iterator
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

LINEAR_BELOW: Final = 1_000.0
"""Frequency up to which the mel scale is linear, in Hz."""
MEL_AT_LINEAR: Final = 15.0
"""Mels up to there."""
MEL_STEP: Final = float(np.log(6.4) / 27)
"""Logarithm of the ratio of frequencies one mel apart, above it."""
_BLOCK: Final = 2**15


@functools.lru_cache(maxsize=8)
def hann(n: int) -> NDArray[np.float64]:
    """Return a Hann window of a period of ``n`` samples, shape (n,)."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n))


def framed(y: NDArray[np.float32], *, n_fft: int, hop_length: int) -> NDArray[np.float32]:
    """Return the frames around every ``hop_length``-th sample; beyond its ends a sound is silent.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    n_fft : int
        Length of a frame, in samples.
    hop_length : int
        Distance between frames, in samples.

    Returns
    -------
    np.ndarray [shape=(1 + n // hop_length, n_fft), dtype=float32]
        A view that cannot be written.
    """
    padded = np.zeros(len(y) + 2 * (n_fft // 2), y.dtype)
    padded[n_fft // 2 : n_fft // 2 + len(y)] = y
    return np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]


def overlapping(y: NDArray[np.float32], n_fft: int) -> NDArray[np.float32]:
    """Return all frames that hold something of a sound, a quarter of a frame apart: each sample stands in four.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    n_fft : int
        Length of a frame, in samples; a multiple of 4.

    Returns
    -------
    np.ndarray [shape=(3 + ceil(4 * n / n_fft), n_fft), dtype=float32]
        A view that cannot be written. The first three frames begin before the sound, the last three end behind it.
    """
    hop = n_fft // 4
    n = 3 + -(-len(y) // hop)
    padded = np.zeros((n + 3) * hop, y.dtype)
    padded[3 * hop : 3 * hop + len(y)] = y
    return np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]


def overlap_add(frames: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Return the first samples of the sound that frames as from ``overlapping`` add up to; shape (n,).

    Both frames and what they are of under a Hann window each, the sum is one and a half times the sound.
    """
    hop = frames.shape[1] // 4
    quarters = frames.reshape(len(frames), 4, hop)
    added = np.zeros((len(frames) + 3, hop), frames.dtype)
    for k in range(4):
        added[k : k + len(frames)] += quarters[:, k]
    return added.ravel()[3 * hop : 3 * hop + n]


def magnitudes(
    frames: NDArray[np.float32], *, size: int | None = None, dtype: type[np.floating] = np.float32
) -> NDArray[np.float32]:
    """Return the magnitude spectra of frames, each under a Hann window.

    Parameters
    ----------
    frames : np.ndarray [shape=(t, n_fft), dtype=float32]
        Frames of a sound.
    size : int, optional
        Length to which frames are continued by zeros; theirs by default.
    dtype : type
        Precision of the transform.

    Returns
    -------
    np.ndarray [shape=(t, size // 2 + 1), dtype=float32]
    """
    size = size or frames.shape[1]
    window = hann(frames.shape[1]).astype(dtype)
    S = np.empty((len(frames), size // 2 + 1), np.float32)
    for rows in row_blocks(len(frames), size):
        np.abs(scipy.fft.rfft(frames[rows] * window, size, axis=1).astype(np.complex64, copy=False), out=S[rows])
    return S


def row_blocks(n: int, width: int) -> Iterator[slice]:
    """Yield slices of the rows of a matrix (n, width), each of what fits into the cache of a core."""
    step = max(_BLOCK // width, 1)
    return (slice(start, start + step) for start in range(0, n, step))


@functools.lru_cache(maxsize=8)
def mel_weights(sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> NDArray[np.float32]:
    """Return the weights of the bins of a spectrum in mel bands: triangles of height 1, equally wide in mels.

    Parameters
    ----------
    sr : int
        Sampling rate, in Hz.
    n_fft : int
        Length of the transform, in samples.
    n_mels : int
        Bands.
    fmin, fmax : float
        Where the first begins and the last ends, in Hz.

    Returns
    -------
    np.ndarray [shape=(n_mels, n_fft // 2 + 1), dtype=float32]

    References
    ----------
    Slaney M (1998). Auditory Toolbox, version 2. Technical report 1998-010, Interval Research Corporation.
    """
    edges = mel_edges(n_mels, fmin, fmax)
    bins = np.fft.rfftfreq(n_fft, 1 / sr)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)


def mel_edges(n_mels: int, fmin: float, fmax: float) -> NDArray[np.float64]:
    """Return where mel bands begin, peak and end, in Hz, shape (n_mels + 2,): band k at k, k + 1 and k + 2."""
    lowest, highest = _mels(np.array([fmin, fmax]))
    return _frequency(np.linspace(lowest, highest, n_mels + 2))


def _mels(f: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.maximum(f / LINEAR_BELOW, 1)
    return np.asarray(MEL_AT_LINEAR * np.minimum(f / LINEAR_BELOW, 1) + np.log(ratio) / MEL_STEP)


def _frequency(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.maximum(mels - MEL_AT_LINEAR, 0)
    return np.asarray(LINEAR_BELOW * np.minimum(mels / MEL_AT_LINEAR, 1) * np.exp(MEL_STEP * above))
