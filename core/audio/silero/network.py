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
from numpy.typing import NDArray

from core.audio.spectra import magnitudes

RATE: Final = 16_000
"""Sampling rate that the detector reads, in Hz."""
WINDOW, CONTEXT = 512, 64
"""Samples that the detector evaluates at once, and those before them that it also reads."""
N_CELLS: Final = 128
"""Cells of the memory."""
N_GATES: Final = 4 * N_CELLS
"""What a cell takes in, keeps and shows, and what it is given: the first three of all cells, then the last."""
N_FRAMES, N_FFT, HOP = 4, 256, 128
"""Frames of a window, their length and their distance, in samples."""
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
    x = magnitudes(frames.reshape(-1, N_FFT)).reshape(len(windows), N_FRAMES, -1)
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
    half = _half_of_gates()
    heard, recurrent = (heard * half).swapaxes(0, 1), _weights()["recurrent"] * half
    cells = np.zeros((heard.shape[1], N_CELLS), np.float32)
    outputs = np.zeros((len(heard) + 1, *cells.shape), np.float32)
    for taking, before, after in zip(heard, outputs[:-1], outputs[1:], strict=True):
        gates = np.tanh(taking + before @ recurrent)
        opened = _opened(gates[:, :-N_CELLS])
        taken, kept, shown = (opened[:, i : i + N_CELLS] for i in range(0, N_GATES - N_CELLS, N_CELLS))
        cells = kept * cells + taken * gates[:, -N_CELLS:]
        np.multiply(shown, np.tanh(cells), out=after)
    voice = _product(np.maximum(outputs[1:], 0), "voice")
    return _opened(np.tanh(np.float32(0.5) * voice))[..., 0].T


def _layer(x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    x = _product(x, name)
    return np.maximum(x, 0, out=x)


def _product(x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    # Not x @ weights: that is a product for each window, and takes twice as long.
    product = np.tensordot(x, _weights()[name], 1)
    product += _weights()[f"{name}_bias"]
    return np.asarray(product)


def _neighbours(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each frame of (W, frames, d) with the one before and the one after it, (W, frames, 3 d)."""
    padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    return np.concatenate([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], axis=2)


def _opened(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logistic function of a number from the hyperbolic tangent of its half."""
    return np.asarray(np.float32(0.5) * x + np.float32(0.5))


@functools.cache
def _half_of_gates() -> NDArray[np.float32]:
    """Return a half for what cells take in, keep and show, and 1 for what they are given; see ``_opened``."""
    return np.where(np.arange(N_GATES) < N_GATES - N_CELLS, 0.5, 1).astype(np.float32)


@functools.cache
def _weights() -> dict[str, NDArray[np.float32]]:
    with np.load(WEIGHTS, allow_pickle=False) as file:
        return dict(file)
