"""The reference project's way to features, as separate librosa calls: what ours is compared with.

``python -m benchmarks.reference_pipeline FILE NETWORK SCALER`` answers for a file as its script does.
"""

import sys

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


def main(file: str, network_path: str, scaler_path: str) -> None:
    """Print the probabilities for a file."""
    import joblib
    import keras

    network, scaler = keras.models.load_model(network_path), joblib.load(scaler_path)
    y, sr = librosa.load(file, duration=4, offset=0)
    print(network.predict(scaler.transform(extract(y, int(sr)))[np.newaxis], verbose=0)[0].tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])
