"""The network of Silero VAD at 16 kHz: what its authors compute window by window, for all windows at once.

A window is four frames of a Fourier transform, four convolutions over them, and a step of a memory (LSTM). Only the
memory needs the windows one after another; it takes several sounds side by side.

Letters: ``W`` is the number of windows.

References
----------
Silero Team (2024). Silero VAD: pre-trained enterprise-grade voice activity detector (MIT licence, see ``LICENSE``).
https://github.com/snakers4/silero-vad
Hochreiter S, Schmidhuber J (1997). Long short-term memory. Neural Computation 9: 1735-1780.
"""

import functools
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.audio.network import open_network
from core.audio.spectra import magnitudes

RATE: Final = 16_000
"""Sampling rate that the detector reads, in Hz."""
WINDOW, CONTEXT = 512, 64
"""Samples that the detector evaluates at once, and those before them that it also reads."""
N_CELLS: Final = 128
"""Cells of the memory."""
N_FRAMES, N_FFT, HOP = 4, 256, 128
"""Frames of a window, their length and their distance, in samples."""
N_MAGNITUDES: Final = N_FFT // 2 + 1
PARTS: Final = {name: Path(__file__).with_name(f"{name}.onnx") for name in ("windows", "memory")}
"""The two networks, written by ``python -m core.audio.silero``."""


def read_windows(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what each window of a sound gives the memory to take in.

    Parameters
    ----------
    sound : np.ndarray [shape=(CONTEXT + W * WINDOW,), dtype=float32]
        Samples at ``RATE``, the context of the first window before it.

    Returns
    -------
    np.ndarray [shape=(W, N_CELLS), dtype=float32]
    """
    windows = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT + WINDOW)[::WINDOW]
    mirrored = np.concatenate([windows, windows[:, -2 : -CONTEXT - 2 : -1]], axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, N_FFT, axis=1)[:, ::HOP]
    return _run("windows", magnitudes(frames.reshape(-1, N_FFT)).reshape(len(windows), N_FRAMES, N_MAGNITUDES))


def run_memory(heard: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of a voice in each window of sounds side by side, each from an empty memory on.

    Parameters
    ----------
    heard : np.ndarray [shape=(sounds, W, N_CELLS), dtype=float32]
        As from ``read_windows``.

    Returns
    -------
    np.ndarray [shape=(sounds, W), dtype=float32]
    """
    return _run("memory", np.ascontiguousarray(heard.swapaxes(0, 1)))[..., 0].T


def _run(part: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    session = _session(part)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])


@functools.cache
def _session(part: str) -> ort.InferenceSession:
    return open_network(PARTS[part])
