"""The network of Silero VAD at 16 kHz: what ONNX Runtime computes window by window, for all windows at once.

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
import scipy.fft
from numpy.typing import NDArray

from core.audio.spectra import hann

RATE: Final = 16_000
"""Sampling rate that the detector reads, in Hz."""
WINDOW, CONTEXT = 512, 64
"""Samples that the detector evaluates at once, and those before them that it also reads."""
N_CELLS: Final = 128
"""Cells of the memory."""
N_GATES: Final = 4 * N_CELLS
"""What a cell takes in, keeps and shows, and what it is given: the first three of all cells, then the last."""
N_FFT, HOP = 256, 128
WEIGHTS: Final = Path(__file__).with_name("weights.npz")


def read_windows(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what each window of a sound gives the memory to take in.

    Parameters
    ----------
    sound : np.ndarray [shape=(CONTEXT + W * WINDOW,), dtype=float32]
        Samples at ``RATE``, the context of the first window before it.

    Returns
    -------
    np.ndarray [shape=(W, N_GATES), dtype=float32]
    """
    windows = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT + WINDOW)[::WINDOW]
    mirrored = np.concatenate([windows, windows[:, -2 : -CONTEXT - 2 : -1]], axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, N_FFT, axis=1)[:, ::HOP]
    x = np.abs(scipy.fft.rfft(frames * hann(N_FFT), axis=2))
    x = _layer(_neighbours(x), "stage_1")
    x = _layer(_neighbours(x)[:, ::2], "stage_2")
    # Two frames are left, then one: the neighbours that they lack are zeros, and stand in no product.
    x = _layer(x.reshape(len(x), -1), "stage_3")
    return _product(_layer(x, "stage_4"), "memory")


def run_memory(heard: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of a voice in each window of sounds side by side, each from an empty memory on.

    Parameters
    ----------
    heard : np.ndarray [shape=(sounds, W, N_GATES), dtype=float32]
        As from ``read_windows``.

    Returns
    -------
    np.ndarray [shape=(sounds, W), dtype=float32]
    """
    recurrent = _weights()["recurrent"]
    output = cells = np.zeros((len(heard), N_CELLS), np.float32)
    outputs = np.empty((*heard.shape[:2], N_CELLS), np.float32)
    for k in range(heard.shape[1]):
        gates = heard[:, k] + output @ recurrent
        opened = _sigmoid(gates[:, :-N_CELLS])
        taken, kept, shown = (opened[:, i : i + N_CELLS] for i in range(0, N_GATES - N_CELLS, N_CELLS))
        cells = kept * cells + taken * np.tanh(gates[:, -N_CELLS:])
        output = outputs[:, k] = shown * np.tanh(cells)
    return _sigmoid(_product(np.maximum(outputs, 0), "voice"))[..., 0]


def _layer(x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    return np.maximum(_product(x, name), 0)


def _product(x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    weights = _weights()
    # Not x @ weights: that is a product for each window, and takes twice as long.
    return np.asarray(np.tensordot(x, weights[name], 1) + weights[f"{name}_bias"])


def _neighbours(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each frame of (W, frames, d) with the one before and the one after it, (W, frames, 3 d)."""
    padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    return np.concatenate([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], axis=2)


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5))


@functools.cache
def _weights() -> dict[str, NDArray[np.float32]]:
    with np.load(WEIGHTS, allow_pickle=False) as file:
        return dict(file)
