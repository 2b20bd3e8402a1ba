"""Figures from out-of-fold probabilities.

Input is a table of predictions, see ``core.learning.predictions``. Several seeds are several answers for the same
clips: a figure is its mean over seeds. Intervals are percentiles of a bootstrap that draws speakers, since clips of one
speaker are not independent.

References
----------
Efron B, Tibshirani R (1993). An introduction to the bootstrap (percentile intervals).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.labels import labels_of, order_channels
from core.learning.manifest import Decision
from core.learning.metrics import (
    Counts,
    accuracy,
    class_figures,
    expected_calibration_error,
    unweighted_average_recall,
)

N_BOOTSTRAP: Final = 2_000
N_PERMUTATIONS: Final = 20_000
MIN_ANSWERS: Final = 30
"""Fewest answers on which a precision is stated."""
DECISION_PRECISION: Final = 0.8
"""Share of right answers that is wanted among those given to unseen speakers."""
ALL_CLIPS: Final = "all"
"""Name of the figures of all channels together."""
NO_SUBSETS: Final = ("seeds", "folds", "twin_share")
"""What the report of a protocol holds besides figures of clips."""


def choose_threshold(confidence: NDArray[np.float64], is_right: NDArray[np.bool_], precision: float) -> float | None:
    """Return the lowest confidence from which on the answers have a precision.

    Parameters
    ----------
    confidence, is_right : np.ndarray [shape=(n,)]
        As for ``expected_calibration_error``.
    precision : float
        Wanted share of right answers among those at or above the threshold.

    Returns
    -------
    float or None
        The threshold; None where no threshold with at least ``MIN_ANSWERS`` answers has the precision.

    Examples
    --------
    >>> confidence = np.linspace(0.01, 1, 100)
    >>> choose_threshold(confidence, confidence > 0.5, precision=0.9)
    0.46
    """
    order = np.argsort(-confidence, kind="stable")
    n = np.arange(1, len(order) + 1)
    reached = np.cumsum(is_right[order]) / n >= precision
    # Answers of equal confidence stand or fall together.
    last_of_ties = np.append(np.diff(confidence[order]) != 0, True)
    enough = np.flatnonzero(reached & last_of_ties & (n >= MIN_ANSWERS))
    return float(round(confidence[order][enough[-1]], 6)) if len(enough) else None


def evaluate(predictions: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Compute the figures of every protocol in a table of predictions.

    Parameters
    ----------
    predictions : pandas.DataFrame
        See the module.

    Returns
    -------
    dict
        For each protocol: ``seeds``, ``folds``, and for ``all`` and each channel the figures of ``summarize``.
    """
    report = {}
    for protocol, rows in predictions.groupby("protocol", sort=False):
        channels = order_channels(rows["channel"])
        subsets = {ALL_CLIPS: rows} | {name: rows[rows["channel"] == name] for name in channels}
        report[str(protocol)] = {
            "seeds": sorted(rows["seed"].unique().tolist()),
            "folds": sorted(rows["fold"].unique().tolist()),
        } | {name: summarize(subset) for name, subset in subsets.items()}
    return report


def subsets_of(report: Mapping[str, Any]) -> list[str]:
    """Return which clips the report of a protocol tells figures of: ``all``, then the channels.

    >>> subsets_of({"seeds": [0], "folds": [0], "all": {}, "speech": {}, "twin_share": 0.0})
    ['all', 'speech']
    """
    return [name for name in report if name not in NO_SUBSETS]


def summarize(predictions: pd.DataFrame) -> dict[str, Any]:
    """Compute the figures of one protocol.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of one protocol.

    Returns
    -------
    dict
        ``n_clips`` (evaluated, a seed), ``accuracy`` and ``unweighted_average_recall`` (each with ``mean``,
        ``interval`` of 95 % and ``by_seed``), ``expected_calibration_error``, ``mean_confidence``, ``confusion``
        (counts summed over seeds, true by predicted), ``per_class`` (precision, recall, F1 and number of clips).
    """
    answers = Answers(predictions)
    by_speaker = answers.confusion_by_seed_and_speaker()
    confusion = by_speaker.sum(axis=(0, 1))
    return {
        "n_clips": len(predictions) // len(by_speaker),
        "accuracy": with_interval(accuracy, by_speaker),
        "unweighted_average_recall": with_interval(unweighted_average_recall, by_speaker),
        "expected_calibration_error": expected_calibration_error(answers.confidence, answers.is_right),
        "mean_confidence": float(answers.confidence.mean()),
        "confusion": confusion.astype(int).tolist(),
        "per_class": _per_class(confusion, answers.labels, len(by_speaker)),
    }


def evaluate_threshold(predictions: pd.DataFrame, precision: float) -> Decision:
    """Choose the confidence below which a model is unsure, and measure what the choice is worth.

    The threshold put in use is chosen on all rows. Its worth is measured fold by fold with a threshold chosen on the
    other folds, so that no clip is evaluated by a threshold that it helped to choose.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of one speaker-independent protocol.
    precision : float
        Wanted share of right answers among those given.

    Returns
    -------
    Decision
        The threshold, and what it was measured to be worth.
    """
    answers = Answers(predictions)
    fold = predictions["fold"].to_numpy()
    given = np.zeros(len(fold), dtype=bool)
    for k in np.unique(fold):
        others = fold != k
        threshold = choose_threshold(answers.confidence[others], answers.is_right[others], precision)
        given[~others] = threshold is not None and answers.confidence[~others] >= threshold
    return Decision(
        threshold=choose_threshold(answers.confidence, answers.is_right, precision),
        precision=precision,
        answered=float(given.mean()),
        answered_precision=float(answers.is_right[given].mean()) if given.any() else 0.0,
    )


def decide(predictions: pd.DataFrame, main_protocol: str, precision: float = DECISION_PRECISION) -> Decision:
    """Return the threshold of confidence and its worth; None where nobody unseen was evaluated: then all is unsure."""
    rows = predictions[predictions["protocol"] == main_protocol]
    if rows.empty:
        return Decision(threshold=None, precision=precision)
    return evaluate_threshold(rows, precision)


def accuracy_at_coverage(predictions: pd.DataFrame, coverage: float) -> float:
    """Return the accuracy on the share of the clips that a model is surest of, as the mean over seeds.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of one protocol.
    coverage : float
        Share of the clips, above 0.

    Returns
    -------
    float
    """
    by_seed = []
    for _, rows in predictions.groupby("seed"):
        answers = Answers(rows)
        surest = np.argsort(-answers.confidence, kind="stable")[: max(round(coverage * len(rows)), 1)]
        by_seed.append(answers.is_right[surest].mean())
    return float(np.mean(by_seed))


def compare(predictions: pd.DataFrame, others: pd.DataFrame) -> dict[str, Any]:
    """Compare two models on the same clips of one protocol, speaker by speaker.

    Parameters
    ----------
    predictions, others : pandas.DataFrame
        Rows of one protocol; each clip as often as the model has seeds.

    Returns
    -------
    dict
        ``difference`` in UAR (first minus second, means over seeds), its 95 % ``interval`` by a bootstrap that draws
        the same speakers for both, and ``p_value`` of a sign-flip test: the share of the assignments of a speaker's two
        results to the two models whose mean difference is at least as large.

    Raises
    ------
    ValueError
        If the tables evaluate different clips.
    """
    if set(predictions["clip"]) != set(others["clip"]):
        raise ValueError("the two models were evaluated on different clips")
    counts = [Answers(table).confusion_by_seed_and_speaker() for table in (predictions, others)]
    rng = np.random.default_rng(0)
    weights = _draw_speakers(counts[0].shape[1], rng)
    first, second = (
        unweighted_average_recall(np.einsum("ba,saij->bsij", weights, by_speaker)).mean(axis=1) for by_speaker in counts
    )
    whole = [unweighted_average_recall(by_speaker.sum(axis=1)).mean() for by_speaker in counts]
    by_speaker = [unweighted_average_recall(c).mean(axis=0) for c in counts]
    gain = by_speaker[0] - by_speaker[1]
    flips = rng.choice([-1, 1], size=(N_PERMUTATIONS, len(gain)))
    as_large = np.abs((flips * gain).mean(axis=1)) >= abs(gain.mean()) - 1e-12
    low, high = np.percentile(first - second, [2.5, 97.5])
    return {
        "difference": float(whole[0] - whole[1]),
        "interval": [float(low), float(high)],
        "p_value": float((as_large.sum() + 1) / (N_PERMUTATIONS + 1)),
    }


def summarize_study(predictions: pd.DataFrame, key: str, whole: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the figures of each condition or variant, those of the whole recipe on clean clips first.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As from ``core.learning.studies``.
    key : str
        ``condition`` or ``variant``.
    whole : pandas.DataFrame
        Predictions of the model by its protocols.

    Returns
    -------
    dict
        For each, ``accuracy`` of all clips, the UAR of each channel under its name, and ``mean_confidence``.
    """
    clean = whole[
        whole["protocol"].isin(predictions["protocol"].unique()) & whole["seed"].isin(predictions["seed"].unique())
    ]
    tables: Mapping[str, pd.DataFrame] = {"": clean} | {
        str(name): rows for name, rows in predictions.groupby(key, sort=False)
    }
    return {name: _figures(rows) for name, rows in tables.items()}


def _figures(rows: pd.DataFrame) -> dict[str, float]:
    labels = list(labels_of(rows))
    figures = {
        "accuracy": float((rows[labels].idxmax(axis=1) == rows["y_true"]).mean()),
        "mean_confidence": float(rows[labels].max(axis=1).mean()),
    }
    for name in order_channels(rows["channel"]):
        figures[name] = summarize(rows[rows["channel"] == name])["unweighted_average_recall"]["mean"]
    return figures


class Answers:
    """Columns of a table of predictions as arrays."""

    def __init__(self, predictions: pd.DataFrame) -> None:
        self.labels = labels_of(predictions)
        y_proba = predictions[list(self.labels)].to_numpy(dtype=float)
        position = {label: k for k, label in enumerate(self.labels)}
        self.y_true = np.array([position[label] for label in predictions["y_true"]], dtype=np.intp)
        self.y_pred = y_proba.argmax(axis=1)
        self.confidence: NDArray[np.float64] = y_proba.max(axis=1)
        self.is_right: NDArray[np.bool_] = self.y_pred == self.y_true
        self.seed = predictions["seed"].to_numpy()
        self.speaker = predictions["speaker"].to_numpy(dtype=str)

    def confusion_by_seed_and_speaker(self) -> NDArray[np.float64]:
        """Return counts of shape (seeds, speakers, k, k), of the speakers that occur, sorted."""
        seeds, s = np.unique(self.seed, return_inverse=True)
        speakers, p = np.unique(self.speaker, return_inverse=True)
        counts = np.zeros((len(seeds), len(speakers), len(self.labels), len(self.labels)))
        np.add.at(counts, (s, p, self.y_true, self.y_pred), 1)
        return counts


def with_interval(metric: Callable[[Counts], NDArray[np.float64]], by_speaker: NDArray[np.float64]) -> dict[str, Any]:
    """Return the mean over seeds of a metric of (seeds, speakers, k, k) counts, and its interval over speakers."""
    weights = _draw_speakers(by_speaker.shape[1], np.random.default_rng(0))
    resampled = metric(np.einsum("ba,saij->bsij", weights, by_speaker)).mean(axis=1)
    by_seed = metric(by_speaker.sum(axis=1))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return {"mean": float(by_seed.mean()), "interval": [float(low), float(high)], "by_seed": by_seed.tolist()}


def _draw_speakers(n_speakers: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each speaker stands in each bootstrap sample, shape (samples, speakers)."""
    draws = rng.choice(n_speakers, size=(N_BOOTSTRAP, n_speakers))
    return np.stack([np.bincount(draw, minlength=n_speakers) for draw in draws]).astype(float)


def _per_class(confusion: NDArray[np.float64], labels: tuple[str, ...], n_seeds: int) -> dict[str, dict[str, float]]:
    precision, recall, f1 = class_figures(confusion)
    n_true = confusion.sum(axis=1)
    return {
        emotion: {"precision": float(p), "recall": float(r), "f1": float(f), "n_clips": int(n) // n_seeds}
        for emotion, p, r, f, n in zip(labels, precision, recall, f1, n_true, strict=True)
        if n > 0
    }
