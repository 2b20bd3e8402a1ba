"""Calibration of discriminants: how their views are pooled, and when an answer gets flatter.

Pooling weights, and the rise of the temperature with what makes a sound strange, minimise the log loss of clips that
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

OWN_PERCENTILE: Final = 97
"""Percentile of the held-out clips, augmented and as they are, from which on a sound counts as foreign."""
FOREIGN_RANGE: Final = 0.25
"""What lies above it until a sound is wholly foreign: a share of the way to other corpora, or of ``log_outside``."""


@dataclasses.dataclass(frozen=True, eq=False)
class HeldOut:
    """What discriminants say of clips that they did not train on: inner folds, or those that met none of a corpus."""

    log_proba: NDArray[np.float64]
    """Shape (views, n, 1 + augmentations, classes)."""
    log_outside: NDArray[np.float64]
    """Shape (views, n, 1 + augmentations)."""
    towards_others: NDArray[np.float64]
    """How far each is on the way to other corpora, of the same shape; 0 where none are known.

    Of a corpus that is the only other one, by a discriminant that met it: nothing else tells the way.
    """

    def usual(self) -> float:
        """Return the mean over views of ``log_outside`` of the median clip."""
        return float(np.median(self.log_outside[:, :, 0].mean(axis=0)))


@dataclasses.dataclass(frozen=True)
class Calibration:
    """When and how fast the answer gets flatter."""

    usual: float
    """Mean over views of ``log_outside`` from which a sound is unlike the training clips."""
    slope: float
    """Rise of the temperature's logarithm with what lies above."""
    own: float = 0.0
    """Mean over views of ``towards_others`` from which a sound is foreign."""
    far: float = 0.0
    """Mean over views of ``log_outside`` from which it is, wherever it lies."""
    foreign_slope: float = 0.0
    """The temperature's logarithm where it wholly is."""

    def sharpness(self, answers: HeldOut) -> NDArray[np.float64]:
        """Return the inverse of the temperature of each answer, shape (n, versions)."""
        outside, towards = answers.log_outside.mean(axis=0), answers.towards_others.mean(axis=0)
        score = np.maximum(outside - self.usual, 0)
        foreign = np.clip(np.maximum(towards - self.own, outside - self.far) / FOREIGN_RANGE, 0, 1)
        return np.asarray(np.exp(-self.slope * score - self.foreign_slope * foreign))


def pool(
    log_proba: NDArray[np.float64], sharpness: NDArray[np.float64], pooling: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return probabilities of emotions from (views, ..., classes) log probabilities, flatter where less sharp.

    The order of the emotions does not depend on the sharpness.
    """
    n_labels = log_proba.shape[-1] // pooling.shape[1]
    by_class = np.repeat(pooling, n_labels, axis=1)
    pooled = np.einsum("vc,v...c->...c", by_class, log_proba)
    by_channel = scipy.special.log_softmax(pooled, axis=-1).reshape(*pooled.shape[:-1], -1, n_labels)
    return np.asarray(
        scipy.special.softmax(scipy.special.logsumexp(by_channel, axis=-2) * sharpness[..., None], axis=-1)
    )


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
    sharpness = calibration.sharpness(held_out)

    def loss(pooling: NDArray[np.float64]) -> float:
        return float(weight @ log_loss(pool(held_out.log_proba, sharpness, pooling.reshape(shape)), emotion))

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
    log_proba = held_out.log_proba[:, :, 1:]

    def loss(slope: float) -> float:
        sharpness = Calibration(usual, slope).sharpness(held_out)[:, 1:]
        return float(log_loss(pool(log_proba, sharpness, pooling), emotion).mean())

    return float(scipy.optimize.minimize_scalar(loss, bounds=(0.0, 5.0), method="bounded").x)


def fit_caution(
    calibration: Calibration,
    held_out: HeldOut,
    others: Sequence[tuple[HeldOut, NDArray[np.intp]]],
    pooling: NDArray[np.float64],
    margin: float,
) -> Calibration:
    """Return a calibration with the caution of the other corpus that asks for most, by its log loss, and more.

    Parameters
    ----------
    calibration : Calibration
        Of the corpus alone.
    held_out : HeldOut
        What inner folds say of its clips.
    others : sequence of tuple
        Of each other corpus: what discriminants say that did not meet it, and the emotions.
    pooling : np.ndarray [shape=(views, channels)]
        Weights of the views.
    margin : float
        Factor of the foreign slope: what yet another corpus would ask for is not known.

    Returns
    -------
    Calibration
    """
    cautious = dataclasses.replace(
        calibration,
        own=float(np.percentile(held_out.towards_others.mean(axis=0), OWN_PERCENTILE)),
        far=float(np.percentile(held_out.log_outside.mean(axis=0), OWN_PERCENTILE)),
    )

    def loss(foreign_slope: float, answers: HeldOut, emotion: NDArray[np.intp]) -> float:
        sharpness = dataclasses.replace(cautious, foreign_slope=foreign_slope).sharpness(answers)
        return float(log_loss(pool(answers.log_proba, sharpness, pooling), emotion).mean())

    asked = [
        float(scipy.optimize.minimize_scalar(loss, bounds=(0.0, 10.0), method="bounded", args=of_corpus).x)
        for of_corpus in others
    ]
    return dataclasses.replace(cautious, foreign_slope=margin * max(asked))
