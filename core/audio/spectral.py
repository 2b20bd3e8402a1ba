"""Descriptors of librosa, frame by frame, from one spectrum: its values, in a fraction of its time.

Where a value hangs on comparisons (peaks, the tuning of the chroma), single precision stands where librosa has it, so
that each comparison ends as librosa's does.

Letters: ``S`` is a magnitude spectrogram of shape (t, 1 + n_fft / 2), a frame a row.

References
----------
McFee B, Raffel C, Liang D, Ellis DPW, McVicar M, Battenberg E, Nieto O (2015). librosa: audio and music signal analysis
in Python. Proceedings of the 14th Python in Science Conference: 18-25.
"""

import functools
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from core.audio.spectra import mel_edges, mel_weights, row_blocks

N_MEL, N_PARTS = 128, 4
"""Mel bands, and the parts in which they are computed."""
POWER_FLOOR: Final = 1e-10
"""Power below which a level is that of this power."""
DYNAMIC_RANGE: Final = 80.0
"""How far below the highest level of a sound its lowest can be, in dB."""
N_CHROMA: Final = 12
CENTRE_OCTAVE, OCTAVE_WIDTH = 5.0, 2.0
"""Octave in which a bin counts most for its note, and the deviation of the bell around it, in octaves."""
A4: Final = 440.0
"""In Hz."""
TUNING_STEPS: Final = 100
"""Steps of a semitone between which tunings are told apart."""
LOWEST_CONTRAST: Final = 200.0
"""Upper end of the first band of the spectral contrast, in Hz; the others are octaves above it."""
N_CONTRAST: Final = 7
CONTRAST_SHARE: Final = 0.02
"""Share of the bins of a band that make its peak, and its valley."""
PITCH_RANGE: Final = (150.0, 4_000.0)
"""Lowest and highest pitch of a peak, in Hz."""
PEAK_SHARE: Final = 0.1
"""Share of the highest bin of a frame that a peak must reach."""
SILENCE: Final = 1e-10
"""Amplitude up to which a sample has no sign."""
SLOPE_FRAMES: Final = 9
"""Frames over which a slope is taken."""


def mfcc(power: NDArray[np.float32], sr: int, n_mfcc: int) -> NDArray[np.float32]:
    """Return cepstral coefficients of the level in 128 mel bands.

    Parameters
    ----------
    power : np.ndarray [shape=(t, 1 + n_fft / 2), dtype=float32]
        Power spectrogram.
    sr : int
        Sampling rate, in Hz.
    n_mfcc : int
        Number of coefficients.

    Returns
    -------
    np.ndarray [shape=(t, n_mfcc), dtype=float32]
    """
    parts = _mel_bank(sr, 2 * (power.shape[1] - 1))
    level = _decibels(np.concatenate([power[:, bins] @ weights for bins, weights in parts], axis=1))
    return np.asarray(scipy.fft.dct(level, axis=1, norm="ortho")[:, :n_mfcc])


def slopes(X: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the slope and the curvature of each column of (t, d), from a line and a parabola through nine frames.

    At both ends, where there are no nine frames around one, those of the first and the last nine count.
    """
    reach, n = SLOPE_FRAMES // 2, len(X) - SLOPE_FRAMES + 1
    k = np.arange(-reach, reach + 1)
    bow = k**2 - np.mean(k**2)
    around = np.stack([X[first : first + n] for first in range(SLOPE_FRAMES)])
    found = np.tensordot(np.stack([k / (k @ k), 2 * bow / (bow @ bow)]), around, 1)
    slope, curvature = found[:, np.clip(np.arange(len(X)) - reach, 0, n - 1)]
    return slope, curvature


def chroma(power: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
    """Return the share of each of the twelve notes, the strongest 1, by the tuning of the sound.

    Parameters
    ----------
    power : np.ndarray [shape=(t, 1 + n_fft / 2), dtype=float32]
        Power spectrogram.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    np.ndarray [shape=(t, 12), dtype=float32]
        From C on; 0 for silence.
    """
    raw = power @ _chroma_bank(sr, 2 * (power.shape[1] - 1), estimate_tuning(power, sr))
    highest = raw.max(axis=1, keepdims=True)
    return np.asarray(raw / np.where(highest < np.finfo(np.float32).tiny, 1, highest))


def estimate_tuning(S: NDArray[np.float32], sr: int) -> float:
    """Return by which share of a semitone the louder half of the peaks are most often above the notes.

    Returns
    -------
    float
        From -0.5 to 0.5, in steps of 0.01; 0 where there is no peak.
    """
    _, frequency, height = _peaks(S, sr)
    if not len(frequency):
        return 0.0
    notes = np.log2(frequency[height >= np.median(height)] / (A4 / 16)) * N_CHROMA
    residual = np.mod(notes, 1.0)
    residual[residual >= 0.5] -= 1.0
    edges = np.linspace(-0.5, 0.5, TUNING_STEPS + 1)
    counts = np.bincount(np.searchsorted(edges, residual, "right") - 1)
    return float(edges[counts.argmax()])


def pitch(S: NDArray[np.float32], sr: int) -> NDArray[np.float64]:
    """Return the mean over all bins of the frequency of those that are peaks, in Hz, shape (t,)."""
    row, frequency, _ = _peaks(S, sr)
    return np.asarray(np.bincount(row, frequency, len(S)) / S.shape[1])


def contrast(S: NDArray[np.float32], sr: int) -> NDArray[np.float64]:
    """Return how far the peak of each of seven bands stands above its valley, in dB, shape (t, 7)."""
    bands = _contrast_bands(sr, 2 * (S.shape[1] - 1))
    means = np.stack([np.sort(S[:, bins], axis=1) @ weights for bins, weights in bands], axis=1, dtype=np.float64)
    return _decibels(means[..., 1]) - _decibels(means[..., 0])


def bandwidth(S: NDArray[np.float32], sr: int) -> NDArray[np.float64]:
    """Return the deviation of the spectrum around its centroid, in Hz, shape (t,); 0 for silence."""
    powers, moments = _powers_of_frequency(sr, S.shape[1]), np.empty((len(S), 3))
    for rows in row_blocks(*S.shape):
        moments[rows] = S[rows].astype(np.float64) @ powers
    total, first, second = moments.T
    total = np.where(total < np.finfo(np.float32).tiny, 1, total)
    return np.sqrt(np.maximum(second / total - (first / total) ** 2, 0))


def zero_crossing_rate(y: NDArray[np.float32], *, n_fft: int, hop_length: int) -> NDArray[np.float64]:
    """Return the share of samples of each frame, around every ``hop_length``-th one, before which the sign changes."""
    is_negative = y < -SILENCE
    found = np.flatnonzero(is_negative[1:] != is_negative[:-1]) + 1
    # A change before the first sample of a frame is not in it.
    first = np.arange(0, len(y) + 1, hop_length) - n_fft // 2 + 1
    return (np.searchsorted(found, first + n_fft - 1) - np.searchsorted(found, first)) / n_fft


def rms(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the root mean square of each of frames, (t, n_fft)."""
    return np.asarray(np.sqrt(np.einsum("tn,tn->t", frames, frames) / frames.shape[1]))


def _peaks(S: NDArray[np.float32], sr: int) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """Return the frame, the frequency in Hz and the height of each peak, by a parabola through three bins."""
    low, high = (int(np.ceil(f * 2 * (S.shape[1] - 1) / sr)) for f in PITCH_RANGE)
    before, here, after = S[:, low - 1 : high - 1], S[:, low:high], S[:, low + 1 : high + 1]
    least = PEAK_SHARE * S.max(axis=1, keepdims=True)
    row, column = np.divmod(np.flatnonzero((here > least) & (here > before) & (here >= after)), high - low)
    before, here, after = before[row, column], here[row, column], after[row, column]
    curvature = (after + before) - 2 * here.astype(np.float64)
    slope = (after - before) / np.float64(2)
    is_within = np.abs(slope) < np.abs(curvature)
    shift = np.where(is_within, -slope / np.where(is_within, curvature, 1), 0).astype(np.float32)
    frequency = (low + column + shift) * float(sr) / (2 * (S.shape[1] - 1))
    height = here + np.float32(0.5) * ((after - before) / 2) * shift
    return row, frequency.astype(np.float32), height.astype(np.float32)


def _decibels(power: NDArray[np.floating]) -> NDArray[np.floating]:
    level = 10 * np.log10(np.maximum(power, power.dtype.type(POWER_FLOOR)))
    return np.asarray(np.maximum(level, level.max() - DYNAMIC_RANGE))


@functools.lru_cache(maxsize=4)
def _mel_bank(sr: int, n_fft: int) -> tuple[tuple[slice, NDArray[np.float32]], ...]:
    """Return the weights of the bins in mel bands of equal area, in parts: the bins that count in each, and weights.

    Weights of a part have shape (bins, bands); most of those of all bins in all bands would be 0.
    """
    edges = mel_edges(N_MEL, 0.0, sr / 2)
    weights = mel_weights(sr, n_fft, N_MEL, 0.0, sr / 2) * (2 / (edges[2:] - edges[:-2]))[:, None]
    parts = []
    for part in np.split(weights.astype(np.float32), N_PARTS):
        counting = np.flatnonzero(part.any(axis=0))
        bins = slice(int(counting[0]), int(counting[-1]) + 1)
        parts.append((bins, np.ascontiguousarray(part[:, bins].T)))
    return tuple(parts)


@functools.lru_cache(maxsize=4)
def _powers_of_frequency(sr: int, n_bins: int) -> NDArray[np.float64]:
    """Return 1, the frequency of each bin in Hz, and its square, shape (n_bins, 3)."""
    return np.linspace(0, sr / 2, n_bins)[:, None] ** np.arange(3)


@functools.lru_cache(maxsize=TUNING_STEPS + 1)
def _chroma_bank(sr: int, n_fft: int, tuning: float) -> NDArray[np.float32]:
    """Return the weights of the bins in the twelve notes, shape (1 + n_fft / 2, 12): bells a semitone wide."""
    f = np.arange(1, n_fft) * sr / n_fft
    note = N_CHROMA * np.log2(f / (A4 / 16 * 2 ** (tuning / N_CHROMA)))
    # The first bin has no frequency; an octave and a half below the second one it counts little for any note.
    note = np.concatenate([[note[0] - 1.5 * N_CHROMA], note])
    width = np.concatenate([np.maximum(np.diff(note), 1.0), [1.0]])[:, None]
    half = N_CHROMA // 2
    # The bin's distance from each note in any octave; notes count from A, three semitones below C.
    distance = np.mod(note[:, None] - (np.arange(N_CHROMA) + 3) + half, N_CHROMA) - half
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    weights *= np.exp(-0.5 * ((note / N_CHROMA - CENTRE_OCTAVE) / OCTAVE_WIDTH) ** 2)[:, None]
    return np.ascontiguousarray(weights[: 1 + n_fft // 2], dtype=np.float32)


@functools.lru_cache(maxsize=4)
def _contrast_bands(sr: int, n_fft: int) -> tuple[tuple[slice, NDArray[np.float32]], ...]:
    """Return the bins of each band, and the weights, (bins, 2), of the sorted ones in the valley and in the peak."""
    f = np.arange(1 + n_fft // 2) * sr / n_fft
    edges = [0.0, *(LOWEST_CONTRAST * 2.0**k for k in range(N_CONTRAST))]
    bands = []
    for k in range(N_CONTRAST):
        first = int(np.searchsorted(f, edges[k], "left")) - (k > 0)
        last = int(np.searchsorted(f, edges[k + 1], "right")) if k < N_CONTRAST - 1 else len(f)
        n = max(int(np.rint(CONTRAST_SHARE * (last - first))), 1)
        bins = slice(first, last - (k < N_CONTRAST - 1))
        weights = np.zeros((bins.stop - first, 2), dtype=np.float32)
        weights[:n, 0] = weights[-n:, 1] = 1 / n
        bands.append((bins, weights))
    return tuple(bands)
