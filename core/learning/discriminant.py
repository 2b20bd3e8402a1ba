"""Linear discriminants that learn from augmented clips what to ignore, and when to doubt.

Fisher's discriminant looks for directions in which classes differ much and the clips of a class little. Here, augmented
clips count as clips of their class, and what they differ by from their clip counts as differing within the class, so
directions that noise, rooms, telephones or another speed move are avoided. It is solved in one step; nothing is
iterated.

For each view of the features, with classes c, versions k of a clip (itself and augmented) of share w_k, class means
m_kc, within-class scatter S_k, scatter of the differences between augmented clip and clip N_k weighted by v_k:

    A = (1 - s) (sum_k w_k S_k + sum_k v_k N_k) d / trace + s I,    score_c(x) = m_c' A^-1 x - 1/2 m_c' A^-1 m_c

In some kinds of sound (with noise, through a telephone) a class has a centre of its own, part of the way from the
class's mean over all versions to that over this kind; the others share one. A class's probability is the sum over
kinds. Classes are pairs of channel and emotion. The views' log probabilities are pooled with weights for speech and
song; an emotion's probability is the sum over channels.

Calibration uses clips, augmented and as they are, that inner folds held out. How fast the temperature rises with a
sound's out-of-distribution score, the temperature slope, is learned from discriminants that met no augmentation, on
augmented clips: sounds of a kind that training did not have. The pooling weights then minimise the log loss of the
discriminants in use.

References
----------
Fisher RA (1936). The use of multiple measurements in taxonomic problems. Annals of Eugenics 7: 179-188.
Hastie T, Tibshirani R (1996). Discriminant analysis by Gaussian mixtures. Journal of the Royal Statistical Society B
58: 155-176 (for classes of several centres).
Hatch AO, Kajarekar S, Stolcke A (2006). Within-class covariance normalization for SVM-based speaker recognition.
Interspeech 2006 (for the covariance of what is to be ignored).
Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal of
Multivariate Analysis 88: 365-411 (for shrinkage towards the identity).
Moghaddam B, Pentland A (1997). Probabilistic visual learning for object representation. IEEE Transactions on Pattern
Analysis and Machine Intelligence 19: 696-710 (for the distance from a subspace as an out-of-distribution score).
"""

import dataclasses
from typing import Final

import keras
import numpy as np
import pandas as pd
import scipy.linalg
import scipy.optimize
import scipy.special
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.extmath import randomized_range_finder

from core.corpus.splits import by_gender
from core.learning.networks import (
    ABSENT,
    SCORE_SCALE,
    VALUE_LIMIT,
    build_voice,
    n_familiar,
)
from core.learning.recipes.voice import AugmentationUse, VoiceRecipe
from core.learning.runs import Fold, write_scaler, write_solved_history

N_INNER: Final = 8
"""Inner folds that calibrate."""
AUGMENTED_SHARE: Final = 0.5
"""What the augmentations of a clip count together in calibration; the clip counts 1."""

Array = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Discriminant:
    """What is fitted of one view."""

    weights: Array
    """Of the linear scores, shape (d, kinds * classes)."""
    bias: Array
    """Of the linear scores, shape (kinds * classes,)."""
    familiar: Array
    """Orthonormal directions of large variation within classes, shape (d, familiar)."""
    n_classes: int
    """Number of classes."""

    def log_proba(self, Z: Array) -> NDArray[np.float64]:
        """Return log probabilities of the classes, shape (..., classes)."""
        scores = (Z @ self.weights + self.bias).reshape(*Z.shape[:-1], self.bias.size // self.n_classes, self.n_classes)
        return np.asarray(scipy.special.log_softmax(scipy.special.logsumexp(scores, axis=-2), axis=-1))

    def log_outside(self, Z: Array) -> NDArray[np.float64]:
        """Return the logarithm of the mean square outside the familiar directions, shape (...)."""
        squares = np.square(Z).sum(axis=-1) - np.square(Z @ self.familiar).sum(axis=-1)
        return np.asarray(np.log(np.maximum(squares / Z.shape[-1], keras.config.epsilon())), dtype=np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class HeldOut:
    """What inner folds say of clips, augmented and as they are, that they did not train on."""

    log_proba: NDArray[np.float64]
    """Shape (views, n, 1 + augmentations, classes)."""
    log_outside: NDArray[np.float64]
    """Shape (views, n, 1 + augmentations)."""

    @property
    def usual(self) -> float:
        """The mean over views of ``log_outside`` of the median clip."""
        return float(np.median(self.log_outside[:, :, 0].mean(axis=0)))

    @property
    def score(self) -> NDArray[np.float64]:
        """Out-of-distribution score: how unlike the training clips each sound is, shape (n, 1 + augmentations)."""
        return np.asarray(np.maximum(self.log_outside.mean(axis=0) - self.usual, 0))


def fit_discriminant(recipe: VoiceRecipe, X: Array, index: pd.DataFrame, fold: Fold) -> keras.Model:
    """Fit the discriminants of a fold, and keep weights, scaler and history in the fold's folder.

    Parameters
    ----------
    recipe : VoiceRecipe
        What to train.
    X : np.ndarray [shape=(n, 1 + augmentations, d), dtype=float32]
        Features of the clips, as they are and augmented, unscaled.
    index : pandas.DataFrame
        The same clips, with columns ``emotion``, ``channel``, ``speaker`` and ``gender``.
    fold : Fold
        Rows, seed and folder.

    Returns
    -------
    keras.Model
        As from ``core.learning.networks.build_voice``, with the fitted weights.
    """
    rows = fold.known_rows
    if recipe.channels:
        rows = rows[index["channel"].iloc[rows].isin(recipe.channels)]
    clips = index.iloc[rows]
    clean = X[rows, 0]
    mean, scale = clean.mean(axis=0, dtype=np.float64), clean.std(axis=0, dtype=np.float64) + 1e-6
    write_scaler(fold, mean, scale)
    Z = np.clip((X[rows] - mean.astype(np.float32)) / scale.astype(np.float32), -VALUE_LIMIT, VALUE_LIMIT)

    task = fold.task
    emotion = task.encode(clips["emotion"])
    channel = np.searchsorted(task.channels, clips["channel"].to_numpy(dtype=str)) if recipe.by_channel else 0
    classes = emotion + len(task.labels) * channel
    inner = inner_folds(clips, index.iloc[fold.split.test], fold.seed)
    unprepared = dataclasses.replace(
        recipe, copies=tuple(AugmentationUse(use.name, share=0, variation=0) for use in recipe.copies)
    )
    slope = fit_slope(_fit_views(unprepared, Z, classes, task.n_classes, inner)[1], emotion, len(task.channels))
    fitted, held_out = _fit_views(recipe, Z, classes, task.n_classes, inner)
    pooling = _fit_pooling(held_out, emotion, slope, _version_weights(recipe), len(task.channels))
    network = build_voice(recipe, task)
    _set_weights(network, fitted, pooling, slope, held_out.usual)
    network.save_weights(fold.weights_path)

    inner_proba = _pool(held_out.log_proba, held_out.score, pooling, slope)[:, 0]
    write_solved_history(fold, emotion, network.predict(Z[:, 0], batch_size=256, verbose=0), inner_proba)
    return network


def inner_folds(clips: pd.DataFrame, evaluated: pd.DataFrame, seed: int) -> NDArray[np.intp]:
    """Return the inner fold of each training clip: by speaker, unless the evaluated clips are of the same speakers."""
    rng = np.random.default_rng([seed, N_INNER])
    speakers = _people(clips)
    if np.isin(_people(evaluated), speakers).any():
        inner = np.empty(len(clips), dtype=np.intp)
        n_folds = min(N_INNER, max(int(clips["emotion"].value_counts().min()), 2))
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        for k, (_, held_out) in enumerate(splitter.split(speakers, clips["emotion"])):
            inner[held_out] = k
        return inner
    gender = dict(zip(speakers.tolist(), clips["gender"], strict=True))
    fold_of: dict[str, int] = {}
    for group in by_gender(np.unique(speakers), gender):
        drawn = rng.permutation(group).tolist()
        fold_of |= {speaker: (len(fold_of) + k) % N_INNER for k, speaker in enumerate(drawn)}
    return np.array([fold_of[speaker] for speaker in speakers.tolist()])


def _people(clips: pd.DataFrame) -> NDArray[np.str_]:
    """Return who speaks in each clip: corpora number their speakers alike."""
    return np.asarray(clips["corpus"].to_numpy(dtype=str) + "/" + clips["speaker"].to_numpy(dtype=str))


def _fit_views(
    recipe: VoiceRecipe, Z: Array, classes: NDArray[np.intp], n_classes: int, inner: NDArray[np.intp]
) -> tuple[list[Discriminant], HeldOut]:
    """Return each view's discriminant fitted on all clips, and what inner folds say of the clips held out."""
    columns = recipe.features.views
    log_proba = np.zeros((len(recipe.views), *Z.shape[:2], n_classes))
    log_outside = np.zeros(log_proba.shape[:-1])
    fitted = []
    for v, view in enumerate(recipe.views):
        part = Z[..., columns[view]]
        moments = [Moments.of(recipe, part[inner == k], classes[inner == k], n_classes) for k in range(N_INNER)]
        everything = Moments.total(moments)
        for k, of_fold in enumerate(moments):
            held_out = inner == k
            discriminant = (everything - of_fold).solve(recipe)
            log_proba[v, held_out] = discriminant.log_proba(part[held_out])
            log_outside[v, held_out] = discriminant.log_outside(part[held_out])
        fitted.append(everything.solve(recipe))
    return fitted, HeldOut(log_proba, log_outside)


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Sums over clips from which a discriminant follows; those of disjoint clips add."""

    scatter: Array
    """Sum of z z' over clips and augmented clips by their shares, and of the differences between them, shape (d, d)."""
    sums: Array
    """Sum of z in each version and class, shape (1 + augmentations, classes, d)."""
    counts: Array
    """Clips in each class, shape (classes,)."""

    @classmethod
    def of(cls, recipe: VoiceRecipe, Z: Array, classes: NDArray[np.intp], n_classes: int) -> "Moments":
        """Return the sums over clips, (n, versions, d), of classes, shape (n,)."""
        clean = np.ascontiguousarray(Z[:, 0])
        scatter = clean.T @ clean
        for k, use in enumerate(recipe.copies, start=1):
            if use.share:
                augmented = np.ascontiguousarray(Z[:, k])
                scatter += np.float32(use.share) * (augmented.T @ augmented)
            if use.variation:
                difference = Z[:, k] - clean
                scatter += np.float32(use.variation) * (difference.T @ difference)
        member = np.eye(n_classes, dtype=np.float32)[classes]
        sums = np.stack([member.T @ Z[:, k] for k in range(1 + len(recipe.copies))])
        return cls(scatter, sums, member.sum(axis=0))

    @classmethod
    def total(cls, parts: list["Moments"]) -> "Moments":
        """Return the sums over the clips of all parts."""
        return cls(*(np.sum([getattr(p, field.name) for p in parts], axis=0) for field in dataclasses.fields(cls)))

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(self.scatter - other.scatter, self.sums - other.sums, self.counts - other.counts)

    def solve(self, recipe: VoiceRecipe) -> Discriminant:
        """Return the discriminant; a class without clips gets a score that never wins."""
        present = self.counts > 0
        counts = self.counts[present, None]
        means = self.sums[:, present] / counts
        covariance = self.scatter.copy()
        for share, mean in zip(_shares(recipe), means, strict=True):
            if share:
                covariance -= np.float32(share) * (mean * counts).T @ mean
        covariance *= (1 - recipe.shrinkage) * len(covariance) / np.trace(covariance)
        size = n_familiar(recipe, len(covariance))
        familiar = randomized_range_finder(covariance, size=size, n_iter=4, random_state=0)
        covariance[np.diag_indices_from(covariance)] += recipe.shrinkage

        centres = class_centres(recipe, means)
        solved = scipy.linalg.solve(covariance, centres.reshape(-1, len(covariance)).T, assume_a="pos")
        weights = np.zeros((len(covariance), len(centres), len(present)), dtype=np.float32)
        bias = np.full((len(centres), len(present)), ABSENT, dtype=np.float32)
        solved = solved.reshape(len(covariance), *centres.shape[:2])
        weights[:, :, present] = SCORE_SCALE * solved
        bias[:, present] = -0.5 * SCORE_SCALE * np.einsum("kcd,dkc->kc", centres, solved)
        return Discriminant(
            weights.reshape(len(covariance), -1), bias.ravel(), familiar.astype(np.float32), len(present)
        )


def _shares(recipe: VoiceRecipe) -> NDArray[np.float32]:
    """Return what each version of a clip counts: the clip itself, then its augmentations."""
    return np.array([1, *(use.share for use in recipe.copies)], dtype=np.float32)


def class_centres(recipe: VoiceRecipe, means: Array) -> Array:
    """Return the classes' centres in each kind of sound, (kinds, classes, d), from the means of each version."""
    shares = _shares(recipe)
    own = [k for k, use in enumerate(recipe.copies, start=1) if use.own_centres]
    usual = [k for k in range(len(means)) if k not in own]
    common = np.average(means, axis=0, weights=shares)
    by_kind = np.stack([np.average(means[usual], axis=0, weights=shares[usual]), *means[own]])
    if len(by_kind) == 1:
        return np.asarray(common[None], dtype=np.float32)
    return np.asarray(common + recipe.own_centres_shift * (by_kind - common), dtype=np.float32)


def _pool(
    log_proba: NDArray[np.float64], score: NDArray[np.float64], pooling: NDArray[np.float64], slope: float
) -> NDArray[np.float64]:
    """Return probabilities of emotions from (views, ..., classes) log probabilities."""
    n_labels = log_proba.shape[-1] // pooling.shape[1]
    by_class = np.repeat(pooling, n_labels, axis=1)
    pooled = np.einsum("vc,v...c->...c", by_class, log_proba)
    y_proba = scipy.special.softmax(pooled * np.exp(-slope * score)[..., None], axis=-1)
    return np.asarray(y_proba.reshape(*y_proba.shape[:-1], -1, n_labels).sum(axis=-2))


def _version_weights(recipe: VoiceRecipe) -> NDArray[np.float64]:
    """Return what each version of a clip counts in calibration: 1, and ``AUGMENTED_SHARE`` in all where augmented."""
    shares = _shares(recipe)[1:].astype(np.float64) + 1e-3
    return np.append(1.0, AUGMENTED_SHARE * shares / shares.sum()) if len(shares) else np.ones(1)


def _log_loss(y_proba: NDArray[np.float64], emotion: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean log loss of each version of the clips, shape (1 + augmentations,)."""
    of_truth = np.take_along_axis(y_proba, emotion[:, None, None], axis=-1)[..., 0]
    return np.asarray(-np.log(of_truth + 1e-12).mean(axis=0))


def _fit_pooling(
    held_out: HeldOut, emotion: NDArray[np.intp], slope: float, weight: NDArray[np.float64], n_channels: int
) -> NDArray[np.float64]:
    """Return the weights of (views, channels) that minimise the log loss, versions of the clips counting ``weight``."""
    shape = (len(held_out.log_proba), n_channels)
    score = held_out.score

    def loss(pooling: NDArray[np.float64]) -> float:
        return float(weight @ _log_loss(_pool(held_out.log_proba, score, pooling.reshape(shape), slope), emotion))

    start = np.full(shape[0] * shape[1], 0.5)
    best = scipy.optimize.minimize(loss, start, bounds=[(0.02, 5.0)] * len(start), method="L-BFGS-B").x
    return np.asarray(best.reshape(shape))


def fit_slope(held_out: HeldOut, emotion: NDArray[np.intp], n_channels: int) -> float:
    """Return the temperature slope that minimises the log loss on augmented clips, by discriminants that know none."""
    n_augmentations = held_out.log_proba.shape[2] - 1
    if not n_augmentations:
        return 0.0
    pooling = _fit_pooling(held_out, emotion, 0.0, np.append(1.0, np.zeros(n_augmentations)), n_channels)
    log_proba, score = held_out.log_proba[:, :, 1:], held_out.score[:, 1:]

    def loss(slope: float) -> float:
        return float(_log_loss(_pool(log_proba, score, pooling, slope), emotion).mean())

    return float(scipy.optimize.minimize_scalar(loss, bounds=(0.0, 5.0), method="bounded").x)


def _set_weights(
    network: keras.Model, fitted: list[Discriminant], pooling: NDArray[np.float64], slope: float, usual: float
) -> None:
    for k, view in enumerate(fitted):
        network.get_layer(f"scores_{k}").set_weights([view.weights, view.bias])
        network.get_layer(f"familiar_{k}").set_weights([view.familiar])
    n_labels = network.output_shape[-1]
    by_class = np.repeat(pooling, n_labels, axis=1)
    network.get_layer("pooling").set_weights([np.concatenate([np.diag(weights) for weights in by_class])])
    average = np.full((len(fitted), 1), 1 / len(fitted))
    network.get_layer("out_of_distribution").set_weights([average, np.array([-usual])])
    network.get_layer("temperature_slope").set_weights([np.array([[-slope]])])
