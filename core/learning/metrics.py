"""Metrics of answers: a formula each, from counts or from confidence.

References
----------
Guo C, Pleiss G, Sun Y, Weinberger KQ (2017). On calibration of modern neural networks. ICML (calibration error).
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

N_BINS: Final = 15

Counts = NDArray[np.floating[Any]]


def accuracy(confusion: Counts) -> NDArray[np.float64]:
    """Return the share of right answers: sum_i c_ii / sum_ij c_ij.

    Parameters
    ----------
    confusion : np.ndarray [shape=(..., k, k)]
        Counts, true class by predicted class.

    Returns
    -------
    np.ndarray [shape=(...)]

    Examples
    --------
    >>> float(accuracy(np.array([[3, 1], [2, 4]])))
    0.7
    """
    return np.asarray(np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1)))


def unweighted_average_recall(confusion: Counts) -> NDArray[np.float64]:
    """Return the mean, over the classes that occur, of the share of their clips that is found.

    UAR = 1/k sum_i c_ii / sum_j c_ij

    Parameters
    ----------
    confusion : np.ndarray [shape=(..., k, k)]
        Counts, true class by predicted class.

    Returns
    -------
    np.ndarray [shape=(...)]

    Examples
    --------
    >>> float(unweighted_average_recall(np.array([[3, 1], [0, 4]])))
    0.875
    """
    n = confusion.sum(axis=-1)
    recall = np.diagonal(confusion, axis1=-2, axis2=-1) / np.where(n > 0, n, 1)
    return np.asarray(recall.sum(axis=-1) / (n > 0).sum(axis=-1))


def expected_calibration_error(
    confidence: NDArray[np.float64], is_right: NDArray[np.bool_], n_bins: int = N_BINS
) -> float:
    """Return how far confidence is from accuracy, on average.

    ECE = sum_b n_b / n |accuracy_b - confidence_b| over ``n_bins`` equally wide bins of confidence.

    Parameters
    ----------
    confidence : np.ndarray [shape=(n,)]
        Probability of the answer.
    is_right : np.ndarray [shape=(n,), dtype=bool]
        Whether the answer is right.
    n_bins : int
        Number of bins.

    Returns
    -------
    float

    Examples
    --------
    >>> expected_calibration_error(np.array([0.8, 0.8]), np.array([True, False]))
    0.3
    """
    bins = confidence_bins(confidence, n_bins)
    gaps = np.bincount(bins, weights=confidence - is_right, minlength=n_bins)
    return float(np.round(np.abs(gaps).sum() / len(confidence), 12))


def confidence_bins(confidence: NDArray[np.float64], n_bins: int = N_BINS) -> NDArray[np.intp]:
    """Return the equally wide bin of each confidence; a bin holds its upper edge.

    >>> confidence_bins(np.array([0.0, 0.5, 0.51, 1.0]), 2).tolist()
    [0, 0, 1, 1]
    """
    return np.asarray(np.clip(np.ceil(confidence * n_bins) - 1, 0, n_bins - 1), dtype=np.intp)


def class_figures(confusion: Counts) -> NDArray[np.float64]:
    """Return precision, recall and F1 of each class, shape (3, k); 0 where a class was never answered or never occurs.

    Parameters
    ----------
    confusion : np.ndarray [shape=(k, k)]
        Counts, true class by predicted class.

    Returns
    -------
    np.ndarray [shape=(3, k)]

    Examples
    --------
    >>> class_figures(np.array([[3, 1], [0, 4]])).tolist()
    [[1.0, 0.8], [0.75, 1.0], [0.8571428571428571, 0.8888888888888888]]
    """
    right = np.diag(confusion)
    n_true, n_pred = confusion.sum(axis=1), confusion.sum(axis=0)
    recall = right / np.where(n_true > 0, n_true, 1)
    precision = right / np.where(n_pred > 0, n_pred, 1)
    f1 = 2 * right / np.where(n_true + n_pred > 0, n_true + n_pred, 1)
    return np.stack([precision, recall, f1])


def percent(figure: Mapping[str, Any]) -> str:
    """Return a figure with its interval in per cent.

    >>> percent({"mean": 0.5012, "interval": [0.45, 0.551]})
    '50.1 [45.0, 55.1]'
    """
    low, high = figure["interval"]
    return f"{figure['mean']:.1%} [{low:.1%}, {high:.1%}]".replace("%", "")
