"""What a person's neutral voice is like in features, and the shift that takes it to the usual one."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

STRENGTHS: Final = (0.25, 0.5, 1.0)
"""Strengths that are measured and offered, the first one first."""


def neutral_mean(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean of the features of a person's neutral sentences.

    Parameters
    ----------
    X : np.ndarray [shape=(n, ..., d), dtype=float32]
        Features of the sentences, unscaled; of frames where there are some.

    Returns
    -------
    np.ndarray [shape=(d,), dtype=float64]
    """
    return np.asarray(X.reshape(-1, X.shape[-1]).mean(axis=0, dtype=np.float64))


def baseline_shift(usual: NDArray[Any], own: NDArray[Any], strength: float) -> NDArray[np.float32]:
    """Return ``strength * (usual - own)``, which is added to a person's features.

    Parameters
    ----------
    usual : np.ndarray [shape=(d,)]
        The voice that the person's neutral one is taken to.
    own : np.ndarray [shape=(d,)]
        As from ``neutral_mean``.
    strength : float
        Share of the way, from 0 to 1.

    Returns
    -------
    np.ndarray [shape=(d,), dtype=float32]
    """
    return np.asarray(strength * (usual - own), dtype=np.float32)
