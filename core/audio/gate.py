"""Where is a voice? Silero's detector, which hears singing as speech and no voice in noise, tones or chords.

A sound is looked at in regions of 8 s, each set to a level of its own, so that a quiet person beside a loud one is
heard, and each cut into chunks that the detector's memory reads side by side after a running start.

References
----------
Silero Team (2024). Silero VAD: pre-trained enterprise-grade voice activity detector. https://github.com/snakers4/silero-vad
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.audio.resampling import resample
from core.audio.silero.network import CONTEXT, RATE, WINDOW, read_windows, run_memory

WINDOW_DURATION: Final = WINDOW / RATE
"""In seconds."""
REGION: Final = 250
"""Windows that are set to one level: 8 s."""
CHUNK: Final = 25
"""Windows that are read one after another."""
ONSET: Final = 8
"""Windows that the detector hears before what it evaluates: it needs a running start."""
MIN_PROBABILITY: Final = 0.5
MIN_WINDOWS: Final = 3
"""Windows that must hold a voice; a single one may be a click."""
LEVEL: Final = -9.0
"""Level to which the loudest 50 ms of a region are set before, in dBFS: the detector overhears quiet voices."""
MAX_GAIN: Final = 40.0
"""How much more a region may be raised than the loudest one before it, in dB."""
_LOUD_FRAME: Final = 0.05


class VoiceScan:
    """Voice probabilities of a sound that comes region by region."""

    def __init__(self) -> None:
        self._loudest = 0.0

    def scan(self, y: NDArray[np.float32], sr: int, before: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of a voice in each window of a region.

        Parameters
        ----------
        y : np.ndarray [shape=(n,), dtype=float32]
            The region: ``REGION`` windows, fewer at the end of a sound.
        sr : int
            Sampling rate, in Hz.
        before : np.ndarray [shape=(m,), dtype=float32]
            What stands before it, at least ``ONSET`` windows where there are as many.

        Returns
        -------
        np.ndarray [shape=(windows,), dtype=float32]
        """
        n_windows = max(-(-len(y) * RATE // (sr * WINDOW)), 1)
        power = _loudest_power(y, sr)
        self._loudest = max(self._loudest, power)
        if power <= 0:
            return np.zeros(n_windows, np.float32)
        level = max(power, self._loudest * 10 ** (-MAX_GAIN / 10))
        onset = round((ONSET * WINDOW + CONTEXT) * sr / RATE)
        # A sound that begins at once has no silence before it: the step would be an attack, such as a voice has.
        heard = np.concatenate([before[-onset:], y])
        heard = np.pad(heard, (max(onset - len(before), 0), 0), mode="reflect" if len(heard) > 1 else "edge")
        sound = resample(heard * np.float32(np.sqrt(10 ** (LEVEL / 10) / level)), sr, RATE)
        return _evaluate(np.clip(sound, -1, 1).astype(np.float32), n_windows)


def voice_probabilities(y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
    """Return the probability of a voice in each 32 ms of a sound.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    np.ndarray [shape=(windows,), dtype=float32]
        0 for silence.
    """
    scan, size = VoiceScan(), round(REGION * WINDOW_DURATION * sr)
    parts = [scan.scan(y[start : start + size], sr, y[:start]) for start in range(0, len(y), size)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def has_voice(y: NDArray[np.float32], sr: int) -> bool:
    """Tell whether a sound holds speech or song.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    bool
        False for silence.

    Examples
    --------
    >>> import librosa
    >>> has_voice(librosa.tone(440, sr=22050, duration=1.0).astype("float32"), 22050)
    False
    """
    return int((voice_probabilities(y, sr) > MIN_PROBABILITY).sum()) >= MIN_WINDOWS


def voice_duration(y: NDArray[np.float32], sr: int) -> float:
    """Return how much of a sound is voice, in seconds; arguments as for ``has_voice``."""
    return float((voice_probabilities(y, sr) > MIN_PROBABILITY).sum() * WINDOW_DURATION)


def _loudest_power(y: NDArray[np.float32], sr: int) -> float:
    """Return the mean square of the loudest 50 ms; 0 for silence."""
    frame = min(max(int(_LOUD_FRAME * sr), 1), len(y))
    if not frame:
        return 0.0
    whole = y[: len(y) // frame * frame].reshape(-1, frame)
    return float(np.einsum("ij,ij->i", whole, whole).max() / frame)


def _evaluate(sound: NDArray[np.float32], n_windows: int) -> NDArray[np.float32]:
    """Return the probabilities of windows, with the onset before the first of them, chunk beside chunk."""
    n_chunks = -(-n_windows // CHUNK)
    length = (ONSET + n_chunks * CHUNK) * WINDOW + CONTEXT
    heard = read_windows(np.pad(sound, (0, max(length - len(sound), 0)))[:length])
    chunks = np.stack([heard[k * CHUNK : (k + 1) * CHUNK + ONSET] for k in range(n_chunks)])
    return run_memory(chunks)[:, ONSET:].reshape(-1)[:n_windows]
