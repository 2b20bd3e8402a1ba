"""The reference project's way to features, as separate librosa calls: what ours is compared with."""

import librosa
import numpy as np
from numpy.typing import NDArray

N_FRAMES = 130


def extract(y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
    """Return the 62 features of a waveform by one librosa call each, shape (130, 62)."""
    mfcc = _fit(librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13))
    pitches, _ = librosa.piptrack(y=y, sr=sr)
    rows = [
        mfcc,
        librosa.feature.delta(mfcc),
        librosa.feature.delta(mfcc, order=2),
        librosa.feature.chroma_stft(y=y, sr=sr),
        librosa.feature.spectral_contrast(y=y, sr=sr),
        librosa.feature.zero_crossing_rate(y),
        librosa.feature.spectral_bandwidth(y=y, sr=sr),
        np.mean(pitches, axis=0)[np.newaxis],
        librosa.feature.rms(y=y),
    ]
    return np.vstack([_fit(row) for row in rows]).T


def _fit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(rows, ((0, 0), (0, max(0, N_FRAMES - rows.shape[1]))))[:, :N_FRAMES]
