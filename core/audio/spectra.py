"""Short-time spectra, in single precision, as the descriptors, the fingerprints and the voice detector read them."""

import functools

import numpy as np
import scipy.fft
from numpy.typing import NDArray


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
