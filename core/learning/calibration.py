"""Calibration of discriminants: how their views are pooled, and when an answer gets flatter.

Pooling weights, and the rise of the temperature with the out-of-distribution score, minimise the log loss of clips that
inner folds held out, and of other corpora that were left out; see ``core.learning.discriminant``.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import scipy.optimize
import scipy.special
from numpy.typing import NDArray

from core.learning.recipes.voice import VoiceRecipe, version_shares

AUGMENTED_SHARE: Final = 0.5
"""What the augmentations of a clip count together in calibration; the clip counts 1."""

USUAL_PERCENTILES: Final = (50, 75, 90, 95)
"""Percentiles of the clips from which a sound may count as unlike them."""


@dataclasses.dataclass(frozen=True, eq=False)
class HeldOut:
    """What inner folds say of clips, augmented and as they are, that they did not train on."""

    log_proba: NDArray[np.float64]
    """Shape (views, n, 1 + augmentations, classes)."""
    log_outside: NDArray[np.float64]
    """Shape (views, n, 1 + augmentations)."""

    def usual(self, percentile: float = 50) -> float:
        """Return the mean over views of ``log_outside`` of the clip at a percentile, by default the median one."""
        return float(np.percentile(self.log_outside[:, :, 0].mean(axis=0), percentile))

    def score(self, usual: float) -> NDArray[np.float64]:
        """Return the out-of-distribution score: how unlike the training clips each sound is, shape (n, versions)."""
        return np.asarray(np.maximum(self.log_outside.mean(axis=0) - usual, 0))


@dataclasses.dataclass(frozen=True)
class Calibration:
    """When and how fast the answer gets flatter."""

    usual: float
    """Mean over views of ``log_outside`` from which a sound is unlike the training clips."""
    slope: float
    """Rise of the temperature's logarithm with what lies above."""


def pool(
    log_proba: NDArray[np.float64], score: NDArray[np.float64], pooling: NDArray[np.float64], slope: float
) -> NDArray[np.float64]:
    """Return probabilities of emotions from (views, ..., classes) log probabilities."""
    n_labels = log_proba.shape[-1] // pooling.shape[1]
    by_class = np.repeat(pooling, n_labels, axis=1)
    pooled = np.einsum("vc,v...c->...c", by_class, log_proba)
    y_proba = scipy.special.softmax(pooled * np.exp(-slope * score)[..., None], axis=-1)
    return np.asarray(y_proba.reshape(*y_proba.shape[:-1], -1, n_labels).sum(axis=-2))


def version_weights(recipe: VoiceRecipe) -> NDArray[np.float64]:
    """Return what each version of a clip counts in calibration: 1, and ``AUGMENTED_SHARE`` in all where augmented."""
    shares = version_shares(recipe)[1:].astype(np.float64) + 1e-3
    return np.append(1.0, AUGMENTED_SHARE * shares / shares.sum()) if len(shares) else np.ones(1)


def log_loss(y_proba: NDArray[np.float64], emotion: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean log loss of each version of the clips, shape (1 + augmentations,)."""
    of_truth = np.take_along_axis(y_proba, emotion[:, None, None], axis=-1)[..., 0]
    return np.asarray(-np.log(of_truth + 1e-12).mean(axis=0))


def fit_pooling(
    held_out: HeldOut,
    emotion: NDArray[np.intp],
    calibration: Calibration,
    weight: NDArray[np.float64],
    n_channels: int,
) -> NDArray[np.float64]:
    """Return the weights of (views, channels) that minimise the log loss, versions of the clips counting ``weight``."""
    shape = (len(held_out.log_proba), n_channels)
    score, slope = held_out.score(calibration.usual), calibration.slope

    def loss(pooling: NDArray[np.float64]) -> float:
        return float(weight @ log_loss(pool(held_out.log_proba, score, pooling.reshape(shape), slope), emotion))

    start = np.full(shape[0] * shape[1], 0.5)
    best = scipy.optimize.minimize(loss, start, bounds=[(0.02, 5.0)] * len(start), method="L-BFGS-B").x
    return np.asarray(best.reshape(shape))


def fit_slope(held_out: HeldOut, emotion: NDArray[np.intp], n_channels: int) -> float:
    """Return the temperature slope that minimises the log loss on augmented clips, by discriminants that know none."""
    n_augmentations = held_out.log_proba.shape[2] - 1
    if not n_augmentations:
        return 0.0
    usual = held_out.usual()
    weight = np.append(1.0, np.zeros(n_augmentations))
    pooling = fit_pooling(held_out, emotion, Calibration(usual, 0.0), weight, n_channels)
    log_proba, score = held_out.log_proba[:, :, 1:], held_out.score(usual)[:, 1:]

    def loss(slope: float) -> float:
        return float(log_loss(pool(log_proba, score, pooling, slope), emotion).mean())

    return float(scipy.optimize.minimize_scalar(loss, bounds=(0.0, 5.0), method="bounded").x)


def fit_caution(
    answers: Sequence[tuple[HeldOut, NDArray[np.intp], NDArray[np.float64]]], pooling: NDArray[np.float64]
) -> Calibration:
    """Return the calibration that minimises the log loss on held-out clips and on corpora that were not met.

    Parameters
    ----------
    answers : sequence of tuple
        Of the corpus itself, then of each other one: what discriminants say that did not meet the clips, the emotions,
        and what each version of the clips counts. The other corpora together count as much as the corpus itself.
    pooling : np.ndarray [shape=(views, channels)]
        Weights of the views.

    Returns
    -------
    Calibration
    """
    own, *others = answers

    def loss(slope: float, usual: float) -> float:
        losses = [
            float(weight @ log_loss(pool(h.log_proba, h.score(usual), pooling, slope), emotion) / weight.sum())
            for h, emotion, weight in answers
        ]
        return losses[0] + sum(losses[1:]) / len(others)

    candidates = []
    for percentile in USUAL_PERCENTILES:
        usual = own[0].usual(percentile)
        best = scipy.optimize.minimize_scalar(lambda s, u=usual: loss(s, u), bounds=(0.0, 10.0), method="bounded")
        candidates.append((float(best.fun), Calibration(usual, float(best.x))))
    return min(candidates, key=lambda pair: pair[0])[1]
