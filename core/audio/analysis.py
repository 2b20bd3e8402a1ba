"""What a sound is made of, for people to look at: its voice, its spectrum, and the reference descriptors of all frames.

The descriptors are those of ``core.audio.features``, computed by it, over the whole stretch and without padding. Only
the first and last frames of the deltas differ from what a model reads, whose matrix is padded.
"""

import dataclasses
import io
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.audio.features import FEATURE_GROUPS, FEATURE_NAMES, extract_features
from core.audio.phonetics import HOP_LENGTH, Phonetics, measure_voice
from core.audio.spectra import framed, magnitudes
from core.config import FeatureConfig

MAX_STRETCH: Final = 30.0
"""Longest stretch that is analysed at once, in seconds: what a screen can show and a browser can hold."""
MIN_STRETCH: Final = 0.25
"""Shortest stretch, in seconds: the deltas need nine frames."""
LOWEST_LEVEL: Final = -120.0
"""Level at which a spectrogram ends, in dB."""
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
    voice: Phonetics
    """Pitch, intensity and formants of the stretch, and its numbers; its times count from the stretch's beginning."""

    @property
    def duration(self) -> float:
        """Length of the stretch, in seconds."""
        return len(self.y) / self.sr

    @property
    def voice_times(self) -> NDArray[np.float64]:
        """Centre of each frame of ``voice`` in the sound, in seconds."""
        return self.start + self.voice.times

    @property
    def f0(self) -> NDArray[np.float64]:
        """Fundamental frequency at ``times`` in Hz, NaN where unvoiced, shape (t,)."""
        nearest = np.searchsorted(self.voice_times, self.times - HOP_LENGTH / self.sr / 2)
        return self.voice.f0[np.minimum(nearest, len(self.voice.f0) - 1)]

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
    S = magnitudes(framed(y, n_fft=config.n_fft, hop_length=config.hop_length)).T
    # A sine of amplitude 1 under a Hann window has a peak of n_fft / 4.
    level = 20 * np.log10(np.maximum(S, 1e-6) / (config.n_fft / 4))
    return Analysis(
        y=y,
        sr=sr,
        start=start,
        times=start + np.arange(n_frames) * config.hop_length / sr,
        frequencies=np.linspace(0, sr / 2, len(S)),
        spectrogram=np.maximum(level, LOWEST_LEVEL).astype(np.float32),
        descriptors=extract_features(y, sr, whole),
        voice=measure_voice(y, sr),
    )


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
        voice_times=analysis.voice_times,
        voice_f0=analysis.voice.f0,
        voice_intensity=analysis.voice.intensity,
        voice_harmonicity=analysis.voice.harmonicity,
        voice_formants=analysis.voice.formants,
        pulses=analysis.start + analysis.voice.pulses,
    )
    return buffer.getvalue()
