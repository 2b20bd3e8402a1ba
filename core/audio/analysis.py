"""What a sound is made of, for people to look at: the reference descriptors of all its frames, spectrum and pitch.

The descriptors are those of ``core.audio.features``, computed by it, over the whole stretch and without padding. Only
the first and last frames of the deltas differ from what a model reads, whose matrix is padded.
"""

import dataclasses
import io
from typing import Final

import librosa
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.audio.features import FEATURE_GROUPS, FEATURE_NAMES, extract_features
from core.audio.pitch import pitch_contour
from core.config import FeatureConfig

MAX_STRETCH: Final = 30.0
"""Longest stretch that is analysed at once, in seconds: what a screen can show and a browser can hold."""
MIN_STRETCH: Final = 0.25
"""Shortest stretch, in seconds: the deltas need nine frames."""
LOWEST_LEVEL: Final = -120.0
"""Level at which a spectrogram ends, in dB."""
QUIET_LEVEL: Final = -35.0
"""Level relative to the loudest frame, in dB, below which hum would be taken for a voice."""
CONTRAST_EDGES: Final = (0, 200, 400, 800, 1_600, 3_200, 6_400, 11_025)
"""Edges of the bands of spectral contrast, in Hz: librosa's default, octaves from 200 Hz."""


@dataclasses.dataclass(frozen=True, eq=False)
class Analysis:
    """A stretch of a sound in frames."""

    y: NDArray[np.float32]
    """Samples of the stretch, shape (n,)."""
    sr: int
    """Sampling rate, in Hz."""
    start: float
    """Where the stretch begins in the sound, in seconds."""
    times: NDArray[np.float64]
    """Centre of each frame in the sound, in seconds, shape (t,)."""
    frequencies: NDArray[np.float64]
    """Frequency of each row of the spectrogram, in Hz, shape (n_bins,)."""
    spectrogram: NDArray[np.float32]
    """Level in dB relative to a sine of full scale, shape (n_bins, t); at least ``LOWEST_LEVEL``."""
    descriptors: NDArray[np.float32]
    """Shape (t, 62); columns as ``core.audio.features.FEATURE_NAMES``."""
    f0: NDArray[np.float64]
    """Fundamental frequency in Hz, by the tracker of the voice features, NaN where unvoiced, shape (t,)."""

    @property
    def duration(self) -> float:
        """Length of the stretch, in seconds."""
        return len(self.y) / self.sr

    def group(self, name: str) -> NDArray[np.float32]:
        """Return the rows of a descriptor, shape (rows, t); names as in ``core.audio.features.FEATURE_GROUPS``."""
        return self.descriptors[:, FEATURE_GROUPS[name]].T


def analyse(
    y: NDArray[np.float32], sr: int, *, start: float = 0.0, duration: float = MAX_STRETCH, config: FeatureConfig
) -> Analysis:
    """Describe a stretch of a sound frame by frame.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz; must be ``config.sr``.
    start : float
        Beginning of the stretch, in seconds.
    duration : float
        Length of the stretch, in seconds; at most ``MAX_STRETCH``, and at least ``MIN_STRETCH``.
    config : FeatureConfig
        Windows and hops.

    Returns
    -------
    Analysis
    """
    length = int(np.clip(duration, MIN_STRETCH, MAX_STRETCH) * sr)
    first = int(np.clip(start * sr, 0, max(len(y) - length, 0)))
    y = y[first : first + length]
    start = first / sr
    n_frames = 1 + len(y) // config.hop_length
    whole = dataclasses.replace(config, duration=len(y) / sr + 1, n_frames=n_frames)
    magnitude = np.abs(librosa.stft(y, n_fft=config.n_fft, hop_length=config.hop_length))
    # A sine of amplitude 1 under a Hann window has a peak of n_fft / 4.
    level = librosa.amplitude_to_db(magnitude, ref=config.n_fft / 4, amin=1e-6, top_db=None)
    descriptors = extract_features(y, sr, whole)
    return Analysis(
        y=y,
        sr=sr,
        start=start,
        times=start + librosa.frames_to_time(np.arange(n_frames), sr=sr, hop_length=config.hop_length),
        frequencies=librosa.fft_frequencies(sr=sr, n_fft=config.n_fft),
        spectrogram=np.maximum(level, LOWEST_LEVEL).astype(np.float32),
        descriptors=descriptors,
        f0=_pitch(y, descriptors[:, FEATURE_GROUPS["RMS"]][:, 0], config),
    )


def _pitch(y: NDArray[np.float32], rms: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float64]:
    """Return the pitch of each frame in Hz, NaN where unvoiced; what is far quieter than the loudest is not voiced."""
    level = librosa.amplitude_to_db(rms, ref=np.max, top_db=None)
    return np.where(level > QUIET_LEVEL, pitch_contour(y, config.sr, hop_length=config.hop_length), np.nan)


def analysis_table(analysis: Analysis) -> pd.DataFrame:
    """Return time (s), the 62 descriptors and F0 (Hz, empty where unvoiced), by frame."""
    table = pd.DataFrame(analysis.descriptors, columns=list(FEATURE_NAMES))
    table.insert(0, "time", analysis.times.round(6))
    return table.assign(f0=analysis.f0)


def analysis_archive(analysis: Analysis) -> bytes:
    """Return everything as a compressed NumPy archive, without pickles."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        y=analysis.y,
        sr=np.array(analysis.sr),
        times=analysis.times,
        frequencies=analysis.frequencies,
        spectrogram=analysis.spectrogram,
        descriptors=analysis.descriptors,
        descriptor_names=np.array(FEATURE_NAMES),
        f0=analysis.f0,
    )
    return buffer.getvalue()
