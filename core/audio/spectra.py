"""Short-time spectra, in single precision, as the descriptors, the fingerprints and the voice detector read them."""

import functools
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


@functools.lru_cache(maxsize=8)
def hann(n: int) -> NDArray[np.float32]:
    """Return a Hann window of a period of ``n`` samples, shape (n,)."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n), dtype=np.float32)


def stft(y: NDArray[np.float32], *, n_fft: int, hop_length: int, size: int | None = None) -> NDArray[np.complex64]:
    """Return the spectra of frames around every ``hop_length``-th sample; beyond its ends a sound is silent.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    n_fft : int
        Length of a frame, in samples.
    hop_length : int
        Distance between frames, in samples.
    size : int, optional
        Length to which frames are continued by zeros; theirs by default.

    Returns
    -------
    np.ndarray [shape=(1 + n // hop_length, size // 2 + 1), dtype=complex64]
        A frame a row.
    """
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(y, n_fft // 2), n_fft)[::hop_length]
    return np.asarray(scipy.fft.rfft(frames * hann(n_fft), size, axis=1))


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
    lowest, highest = _mels(np.array([fmin, fmax]))
    edges = _frequency(np.linspace(lowest, highest, n_mels + 2))
    bins = np.fft.rfftfreq(n_fft, 1 / sr)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)


def _mels(f: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.maximum(f / LINEAR_BELOW, 1)
    return np.asarray(MEL_AT_LINEAR * np.minimum(f / LINEAR_BELOW, 1) + np.log(ratio) / MEL_STEP)


def _frequency(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.maximum(mels - MEL_AT_LINEAR, 0)
    return np.asarray(LINEAR_BELOW * np.minimum(mels / MEL_AT_LINEAR, 1) * np.exp(MEL_STEP * above))
