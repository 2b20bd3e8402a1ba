"""Fingerprints: whether two sounds are of one recording, however they are coded, cut, filtered or mixed with noise.

In 32 bands from 300 to 2,000 Hz, a bit says whether the difference between neighbouring bands grows from one frame to
the next. Two sounds of one recording agree in most bits at some shift in time, others in about half of them.

References
----------
Haitsma J, Kalker T (2002). A highly robust audio fingerprinting system. ISMIR 2002.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from core.audio.spectra import framed, magnitudes

N_BITS: Final = 32
LOWEST, HIGHEST = 300.0, 2_000.0
"""Range of the bands, in Hz."""
DECIMATION: Final = 4
"""Samples of which one is kept: at 22,050 Hz, what lies above 2.7 kHz is not needed."""
N_FFT, HOP = 2_048, 128
"""Length of a frame and distance of frames, in samples that were kept."""
MIN_OVERLAP: Final = 43
"""Frames in which two sounds must overlap: one second at 22,050 Hz."""

Fingerprint = NDArray[np.int8]
"""Shape (32, frames), of -1 and 1."""


def fingerprint(y: NDArray[np.float32], sr: int) -> Fingerprint:
    """Return the fingerprint of a sound.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    np.ndarray [shape=(32, n // 512), dtype=int8]
        -1 and 1.
    """
    slow = soxr.resample(y, DECIMATION, 1)[: len(y) // DECIMATION]
    power = np.square(magnitudes(framed(slow, n_fft=N_FFT, hop_length=HOP)))
    edges = np.searchsorted(np.fft.rfftfreq(N_FFT, DECIMATION / sr), np.geomspace(LOWEST, HIGHEST, N_BITS + 2))
    bands = np.log(np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1) + np.finfo(np.float32).tiny)
    return np.where(np.diff(np.diff(bands, axis=1), axis=0) > 0, 1, -1).astype(np.int8).T


def similarities(one: Fingerprint, others: Sequence[Fingerprint]) -> NDArray[np.float32]:
    """Return how much of a sound's fingerprint is in others, at the best shift of each.

    Parameters
    ----------
    one : np.ndarray [shape=(32, n), dtype=int8]
        A fingerprint.
    others : sequence of np.ndarray
        Fingerprints, shape (32, m) each.

    Returns
    -------
    np.ndarray [shape=(len(others),), dtype=float32]
        Mean product of the bits: 1 for the same sound, about 0 for unrelated ones; -1 where two sounds cannot overlap
        by one second and by half of the shorter one.
    """
    n, lengths = one.shape[1], np.array([other.shape[1] for other in others])
    size = scipy.fft.next_fast_len(n + int(lengths.max()), real=True)
    spectra = np.stack([scipy.fft.rfft(other.astype(np.float32), size) for other in others])
    product = np.einsum("obf,bf->of", spectra, scipy.fft.rfft(one.astype(np.float32), size).conj())
    agreement = scipy.fft.irfft(product, size)
    shift = np.arange(size)
    shift = np.where(shift < lengths[:, None], shift, shift - size)
    overlap = np.minimum(lengths[:, None], n + shift) - np.maximum(shift, 0)
    enough = overlap >= np.maximum(MIN_OVERLAP, np.minimum(lengths, n) // 2)[:, None]
    values = np.where(enough, agreement / (N_BITS * np.maximum(overlap, 1)), -1)
    return np.asarray(values.max(axis=1), dtype=np.float32)
