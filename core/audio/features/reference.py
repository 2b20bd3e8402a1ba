"""The reference feature set: 62 librosa descriptors in 130 frames.

The set and its quirks (deltas of the padded MFCC, pitch as the mean of ``piptrack`` over all bins) are those of the
reference project, so that its figures can be reproduced. All descriptors share a single short-time Fourier transform
(``core.audio.spectral``); the values are those of separate calls of librosa.

Letters: ``S`` is a magnitude spectrogram of shape (t, 1 + n_fft / 2).
"""

import dataclasses
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from core.audio import spectral
from core.audio.decode import Waveform
from core.audio.features.base import FeatureSet, Picture, Scale
from core.audio.spectra import framed, magnitudes
from core.config import FeatureConfig

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
N_CONTRAST = 7


def _names(n_mfcc: int) -> tuple[str, ...]:
    mfcc = [f"mfcc_{i}" for i in range(1, n_mfcc + 1)]
    return (
        *mfcc,
        *(f"delta_{name}" for name in mfcc),
        *(f"delta2_{name}" for name in mfcc),
        *(f"chroma_{note}" for note in PITCH_CLASSES),
        *(f"contrast_{band}" for band in range(N_CONTRAST)),
        "zero_crossing_rate",
        "spectral_bandwidth",
        "pitch",
        "rms",
    )


FEATURE_NAMES: tuple[str, ...] = _names(FeatureConfig().n_mfcc)
"""Name of each of the 62 columns, in order."""

FEATURE_GROUPS: dict[str, slice] = {
    "MFCC": slice(0, 13),
    "Delta MFCC": slice(13, 26),
    "Delta-delta MFCC": slice(26, 39),
    "Chroma": slice(39, 51),
    "Spectral contrast": slice(51, 58),
    "Zero-crossing rate": slice(58, 59),
    "Spectral bandwidth": slice(59, 60),
    "Pitch": slice(60, 61),
    "RMS": slice(61, 62),
}
"""Columns of each descriptor."""


def extract_features(y: NDArray[np.float32], sr: int, config: FeatureConfig | None = None) -> NDArray[np.float32]:
    """Compute the reference features of the beginning of a sound.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform. Only its first ``config.duration`` seconds are read.
    sr : int
        Sampling rate of ``y``, in Hz; must be ``config.sr``.
    config : FeatureConfig, optional
        Parameters; the reference's by default.

    Returns
    -------
    np.ndarray [shape=(130, 62), dtype=float32]
        One row a frame, one column for each of ``FEATURE_NAMES``; zero-padded where the sound is shorter.

    Raises
    ------
    ValueError
        If ``sr`` is not the rate of the configuration or ``y`` is empty: a caller's mistake, since ``decode`` gives
        neither.

    Examples
    --------
    >>> import librosa
    >>> extract_features(librosa.tone(440, sr=22050, duration=1.0), 22050).shape
    (130, 62)
    """
    config = config or FeatureConfig()
    if sr != config.sr or y.ndim != 1 or y.size == 0:
        raise ValueError(f"expected a waveform of shape (n,) at {config.sr} Hz, got shape {y.shape} at {sr} Hz")
    y = y[: int(config.duration * sr)]
    frame = {"n_fft": config.n_fft, "hop_length": config.hop_length}
    frames = framed(y, **frame)
    S = magnitudes(frames, dtype=np.float64)
    power = np.square(S)
    mfcc = _fit(spectral.mfcc(power, sr, config.n_mfcc), config)
    columns = [
        mfcc,
        *spectral.slopes(mfcc),
        spectral.chroma(power, sr),
        spectral.contrast(S, sr),
        spectral.zero_crossing_rate(y, **frame),
        spectral.bandwidth(S, sr),
        spectral.pitch(S, sr),
        spectral.rms(frames),
    ]
    return np.column_stack([_fit(values, config) for values in columns]).astype(np.float32)


def _fit(values: NDArray[np.floating], config: FeatureConfig) -> NDArray[np.floating]:
    """Cut frames, (t, ...), to the configured number of them, or fill them up with zeros."""
    fitted = np.zeros((config.n_frames, *values.shape[1:]), dtype=values.dtype)
    fitted[: len(values)] = values[: config.n_frames]
    return fitted


@dataclasses.dataclass(frozen=True)
class ReferenceFeatures(FeatureConfig, FeatureSet):
    """The reference feature set: 62 descriptors in each of 130 frames."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sound's features: frames and columns."""
        return (self.n_frames, len(FEATURE_NAMES))

    @property
    def groups(self) -> dict[str, NDArray[np.intp]]:
        """Columns of each descriptor."""
        return {name: np.arange(columns.start, columns.stop) for name, columns in FEATURE_GROUPS.items()}

    reads_stretches: ClassVar[bool] = False

    def samples(self, waveform: Waveform) -> NDArray[np.float32]:
        """Return the first 4 s, cut as the reference project cuts them, shape (n,)."""
        return waveform.opening

    def extract(self, y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
        """Compute the features of a sound; see ``extract_features``."""
        return extract_features(y, sr, self)

    def picture(self, y: NDArray[np.float32], sr: int, scale: Scale) -> Picture:
        """Show the scaled matrix."""
        return draw_frames(
            scale(self.extract(y, sr)),
            self,
            f"{len(FEATURE_NAMES)} features in {self.n_frames} frames, each scaled by its mean and deviation.",
        )


def draw_frames(X: NDArray[np.float32], config: FeatureConfig, summary: str) -> Picture:
    """Return scaled features of frames as a picture.

    Parameters
    ----------
    X : np.ndarray [shape=(t, 62), dtype=float32]
        Columns as ``FEATURE_NAMES``, in standard deviations.
    config : FeatureConfig
        Hop and rate.
    summary : str
        One sentence for people.

    Returns
    -------
    Picture
    """
    # Groups of one row lie too close for a name each.
    named = {name: columns for name, columns in FEATURE_GROUPS.items() if columns.stop - columns.start > 1}
    ticks = {
        name.replace("Delta-delta", "Delta2").replace("Spectral c", "C"): (columns.start + columns.stop - 1) / 2
        for name, columns in named.items()
    }
    return Picture(
        values=X.T,
        rows=FEATURE_NAMES,
        times=np.arange(len(X)) * config.hop_length / config.sr,
        unit="standard deviations",
        summary=summary,
        ticks=ticks | {"ZCR to RMS": 59.5},
        limit=3.0,
    )
