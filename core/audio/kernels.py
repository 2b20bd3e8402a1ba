"""Random convolutions of the mel spectrogram: thousands of small filters that nobody trained.

Each kernel covers a few neighbouring mel bands and seven frames, dilated in time; its answer over a sound is
summarised by five numbers. A linear classifier finds out which of them tell emotions apart.

References
----------
Dempster A, Petitjean F, Webb GI (2020). ROCKET: exceptionally fast and accurate time series classification using
random convolutional kernels. Data Mining and Knowledge Discovery 34: 1454-1495 (for single series; here in two
dimensions, with more summaries).
"""

import dataclasses
import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.config import VoiceConfig

N_BANDS: Final = 32
"""Mel bands that the kernels see: pairs of the 64."""
TIME_POOL: Final = 2
"""Frames averaged before the convolution."""
TAPS: Final = 7
HEIGHTS: Final = (3, 5, 9, 15)
"""Mel bands that a kernel covers, drawn at random."""
DILATIONS: Final = (1, 2, 4, 8)
"""Distance of a kernel's taps, in pooled frames of 23 ms, drawn at random."""
TYPICAL_LEVEL, TYPICAL_DEVIATION = -18.0, 14.0
"""Level and deviation of speech in a mel band, in dB: a scale for all sounds, not a statistic of a corpus."""
SUMMARIES: Final = ("share_above", "maximum", "deviation", "minimum", "mean_step")


@dataclasses.dataclass(frozen=True, eq=False)
class _Group:
    """Kernels of one dilation."""

    dilation: int
    columns: NDArray[np.intp]
    """Numbers of the kernels, shape (k,)."""
    weights: NDArray[np.float32]
    """Shape (TAPS * N_BANDS, k)."""
    bias: NDArray[np.float32]
    """Answer above which a frame counts for ``share_above``, shape (k,)."""


def convolve(mel: NDArray[np.floating], config: VoiceConfig) -> NDArray[np.float32]:
    """Summarise the answers of all kernels to a sound.

    Parameters
    ----------
    mel : np.ndarray [shape=(t, 64)]
        Mel spectrogram in dB, as in ``VoiceFrames.mel``.
    config : VoiceConfig
        Number and seed of the kernels.

    Returns
    -------
    np.ndarray [shape=(n_kernels * 5,), dtype=float32]
        ``SUMMARIES`` of each kernel.
    """
    n = max(len(mel) // TIME_POOL, 1)
    mel = mel[: n * TIME_POOL].reshape(n, -1, N_BANDS, mel.shape[1] // N_BANDS).mean(axis=(1, 3))
    x = scale_level(mel)
    out = np.empty((config.n_kernels, len(SUMMARIES)), dtype=np.float32)
    for group in draw_kernels(config.n_kernels, config.kernel_seed):
        reach = TAPS // 2 * group.dilation
        padded = np.pad(x, ((reach, reach), (0, 0)), mode="edge")
        taps = [padded[i * group.dilation : i * group.dilation + n] for i in range(TAPS)]
        answer = np.concatenate(taps, axis=1) @ group.weights
        steps = np.abs(np.diff(answer, axis=0)).mean(axis=0) if n > 1 else np.zeros(answer.shape[1])
        share = (answer > group.bias).mean(axis=0)
        out[group.columns] = np.stack([share, answer.max(axis=0), answer.std(axis=0), answer.min(axis=0), steps], 1)
    return out.ravel()


def scale_level(mel: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return levels in dB as networks read them: about from -3 to 3."""
    return ((mel - TYPICAL_LEVEL) / TYPICAL_DEVIATION).astype(np.float32)


@functools.lru_cache(maxsize=4)
def draw_kernels(n_kernels: int, seed: int) -> tuple[_Group, ...]:
    """Draw kernels: normal weights of mean 0 and norm 1, bias uniform in [-1, 1]."""
    rng = np.random.default_rng(seed)
    drawn: dict[int, list[tuple[int, NDArray[np.float32], float]]] = {}
    for k in range(n_kernels):
        height, dilation = int(rng.choice(HEIGHTS)), int(rng.choice(DILATIONS))
        kernel = rng.standard_normal((TAPS, height))
        kernel -= kernel.mean()
        lowest = int(rng.integers(0, N_BANDS - height + 1))
        weights = np.zeros((TAPS, N_BANDS), dtype=np.float32)
        weights[:, lowest : lowest + height] = kernel / np.sqrt((kernel**2).sum())
        drawn.setdefault(dilation, []).append((k, weights.ravel(), rng.uniform(-1, 1)))
    return tuple(
        _Group(
            dilation,
            np.array([k for k, _, _ in kernels]),
            np.stack([weights for _, weights, _ in kernels], axis=1),
            np.array([bias for _, _, bias in kernels], dtype=np.float32),
        )
        for dilation, kernels in drawn.items()
    )
