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
song; an emotion's probability is the sum over channels, and the temperature flattens these sums: doubt changes how sure
an answer is, never the answer.

Clips of other corpora, if there are any and the recipe says so, do not move the centres of the corpus itself: their
differences from the common centres count as variation within the class, so that directions in which rooms, languages
and ways to act differ are avoided, and each class gets one more centre, part of the way to its mean over these.

Calibration (``core.learning.calibration``) uses clips, augmented and as they are, that inner folds held out. How fast
the temperature rises with a sound's out-of-distribution score, the temperature slope, is learned from discriminants
that met no augmentation, on augmented clips: sounds of a kind that training did not have. With other corpora, each view
also has the direction A^-1 (their mean - the corpus's). A sound is foreign where it is beyond nearly all held-out clips
along it, or outside the familiar directions as nearly none of them is. How much hotter a foreign sound's answer is, is
learned from answers for each other corpus by discriminants that met none of it: as much as the corpus asks for that
asks for most, and as much again, since what the next one would ask for is not known. The pooling weights then minimise
the log loss of the discriminants in use.

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
from collections.abc import Sequence
from typing import Final

import keras
import numpy as np
import pandas as pd
import scipy.linalg
import scipy.special
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.extmath import randomized_range_finder

from core.corpus.splits import by_gender
from core.learning.calibration import (
    FOREIGN_RANGE,
    Calibration,
    HeldOut,
    fit_caution,
    fit_pooling,
    fit_slope,
    pool,
    version_weights,
)
from core.learning.networks import (
    ABSENT,
    SCORE_SCALE,
    VALUE_LIMIT,
    build_voice,
    n_familiar,
    n_kinds,
)
from core.learning.recipes.voice import AugmentationUse, VoiceRecipe, version_shares
from core.learning.runs import Fold, write_scaler, write_solved_history

N_INNER: Final = 8
"""Inner folds that calibrate."""
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
    foreign: Array
    """Direction in which other corpora differ, shape (d,): 1 along it is as far as they are; 0 where none are known."""
    foreign_bias: float
    """What is added, so that the corpus itself is at 0."""
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

    def towards_others(self, Z: Array) -> NDArray[np.float64]:
        """Return how far on the way from the corpus to others, shape (...)."""
        return np.asarray(Z @ self.foreign + self.foreign_bias, dtype=np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class OtherClips:
    """Clips of one other corpus, as they are, and what follows from them."""

    Z: Array
    """Standardised features, shape (n, 1, d)."""
    classes: NDArray[np.intp]
    """Shape (n,)."""

    def counts(self, n_classes: int) -> Array:
        """Return the clips in each class, shape (classes,)."""
        return np.bincount(self.classes, minlength=n_classes).astype(np.float32)

    def means(self, n_classes: int) -> Array:
        """Return the mean of each class, shape (classes, d); 0 for one that it lacks."""
        sums = np.eye(n_classes, dtype=np.float32)[self.classes].T @ self.Z[:, 0]
        return np.asarray(sums / np.maximum(self.counts(n_classes), 1)[:, None])

    def scatter_around(self, centres: Array) -> Array:
        """Return the scatter of the clips around centres of (classes, d), shape (d, d)."""
        difference = self.Z[:, 0] - centres[self.classes]
        return np.asarray(difference.T @ difference)


def fit_discriminant(recipe: VoiceRecipe, X: Array, index: pd.DataFrame, fold: Fold) -> keras.Model:
    """Fit the discriminants of a fold, and keep weights, scaler and history in the fold's folder.

    Parameters
    ----------
    recipe : VoiceRecipe
        What to train.
    X : np.ndarray [shape=(n, 1 + augmentations, d), dtype=float32]
        Features of the clips, as they are and augmented, unscaled.
    index : pandas.DataFrame
        The same clips, with columns ``corpus``, ``emotion``, ``channel``, ``speaker`` and ``gender``.
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
    is_other = index["corpus"].iloc[rows].isin(fold.task.others).to_numpy() & (recipe.elsewhere is not None)
    rows, other_rows = rows[~is_other], rows[is_other]
    clips = index.iloc[rows]
    clean = X[rows, 0]
    mean, scale = clean.mean(axis=0, dtype=np.float64), clean.std(axis=0, dtype=np.float64) + 1e-6
    write_scaler(fold, mean, scale)

    def standardise(values: Array) -> Array:
        scaled = (values - mean.astype(np.float32)) / scale.astype(np.float32)
        return np.asarray(np.clip(scaled, -VALUE_LIMIT, VALUE_LIMIT))

    Z, task = standardise(X[rows]), fold.task
    emotion, classes = task.encode(clips["emotion"]), _classes(recipe, fold, clips)
    others = [
        OtherClips(standardise(X[of_corpus, :1]), _classes(recipe, fold, index.iloc[of_corpus]))
        for of_corpus in _by_corpus(recipe, fold, index, other_rows, classes)
    ]
    inner = inner_folds(clips, index.iloc[fold.split.test], fold.seed)
    unprepared = dataclasses.replace(
        recipe, copies=tuple(AugmentationUse(use.name, share=0, variation=0) for use in recipe.copies)
    )
    n_channels, weight = len(task.channels), version_weights(recipe)
    slope = fit_slope(_fit_views(unprepared, Z, classes, task.n_classes, inner)[1], emotion, n_channels)
    fitted, held_out, left_out = _fit_views(recipe, Z, classes, task.n_classes, inner, others)
    calibration = Calibration(held_out.usual(), slope)
    pooling = fit_pooling(held_out, emotion, calibration, weight, n_channels)
    if recipe.elsewhere is not None and others:
        unmet = [(answers, o.classes % len(task.labels)) for answers, o in zip(left_out, others, strict=True)]
        calibration = fit_caution(calibration, held_out, unmet, pooling, recipe.elsewhere.margin)
        pooling = fit_pooling(held_out, emotion, calibration, weight, n_channels)
    network = build_voice(recipe, task)
    _set_weights(recipe, network, fitted, pooling, calibration)
    network.save_weights(fold.weights_path)

    inner_proba = pool(held_out.log_proba, calibration.sharpness(held_out), pooling)[:, 0]
    write_solved_history(fold, emotion, network.predict(Z[:, 0], batch_size=256, verbose=0), inner_proba)
    return network


def _classes(recipe: VoiceRecipe, fold: Fold, clips: pd.DataFrame) -> NDArray[np.intp]:
    """Return the class of each clip: its emotion, and its channel where channels have classes of their own."""
    task = fold.task
    channel = np.searchsorted(task.channels, clips["channel"].to_numpy(dtype=str)) if recipe.by_channel else 0
    return np.asarray(task.encode(clips["emotion"]) + len(task.labels) * channel)


def _by_corpus(
    recipe: VoiceRecipe, fold: Fold, index: pd.DataFrame, rows: NDArray[np.intp], known: NDArray[np.intp]
) -> list[NDArray[np.intp]]:
    """Return the rows of each other corpus whose classes the corpus itself has."""
    clips = index.iloc[rows]
    is_known = np.isin(_classes(recipe, fold, clips), known)
    corpus = clips["corpus"].to_numpy(dtype=str)
    found = (rows[is_known & (corpus == name)] for name in fold.task.others)
    return [of_corpus for of_corpus in found if len(of_corpus)]


def inner_folds(clips: pd.DataFrame, evaluated: pd.DataFrame, seed: int) -> NDArray[np.intp]:
    """Return the inner fold of each training clip.

    By speaker, unless the evaluated clips are of the same speakers, or there is one alone.
    """
    rng = np.random.default_rng([seed, N_INNER])
    speakers = _people(clips)
    if np.isin(_people(evaluated), speakers).any() or len(np.unique(speakers)) < 2:
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
    recipe: VoiceRecipe,
    Z: Array,
    classes: NDArray[np.intp],
    n_classes: int,
    inner: NDArray[np.intp],
    others: Sequence[OtherClips] = (),
) -> tuple[list[Discriminant], HeldOut, list[HeldOut]]:
    """Return each view's discriminant fitted on all clips, and what others say of clips that they did not meet.

    Those of inner folds answer the clips held out; each other corpus is answered by discriminants without it.
    """
    columns = recipe.features.views
    held_out, *left_out = (_no_answers(len(recipe.views), z.shape[:2], n_classes) for z in (Z, *(o.Z for o in others)))
    fitted = []
    for v, view in enumerate(recipe.views):
        part = Z[..., columns[view]]
        of_view = [OtherClips(other.Z[..., columns[view]], other.classes) for other in others]
        moments = [Moments.of(recipe, part[inner == k], classes[inner == k], n_classes) for k in range(N_INNER)]
        everything = Moments.total(moments)
        for k, of_fold in enumerate(moments):
            rows = inner == k
            _write_answers(held_out, v, rows, (everything - of_fold).solve(recipe, of_view), part[rows])
        fitted.append(everything.solve(recipe, of_view))
        for k, (other, answers) in enumerate(zip(of_view, left_out, strict=True)):
            rest = [*of_view[:k], *of_view[k + 1 :]]
            _write_answers(answers, v, slice(None), everything.solve(recipe, rest), other.Z)
            if not rest:  # nothing else tells how others differ
                answers.towards_others[v] = fitted[-1].towards_others(other.Z)
    return fitted, held_out, left_out


def _no_answers(n_views: int, shape: tuple[int, ...], n_classes: int) -> HeldOut:
    return HeldOut(np.zeros((n_views, *shape, n_classes)), np.zeros((n_views, *shape)), np.zeros((n_views, *shape)))


def _write_answers(
    answers: HeldOut, view: int, rows: NDArray[np.bool_] | slice, discriminant: Discriminant, Z: Array
) -> None:
    answers.log_proba[view, rows] = discriminant.log_proba(Z)
    answers.log_outside[view, rows] = discriminant.log_outside(Z)
    answers.towards_others[view, rows] = discriminant.towards_others(Z)


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
        of_clean, scatter = 1.0, np.zeros((clean.shape[1],) * 2, dtype=np.float32)
        for k, use in enumerate(recipe.copies, start=1):
            weight = use.share + use.variation
            if weight:  # of a a' and (a - c)(a - c)' together: one product, with the square completed
                part = use.variation / weight
                mixed = Z[:, k] - np.float32(part) * clean
                scatter += np.float32(weight) * (mixed.T @ mixed)
                of_clean += use.share * part
        scatter += np.float32(of_clean) * (clean.T @ clean)
        member = np.eye(n_classes, dtype=np.float32)[classes]
        sums = np.stack([member.T @ Z[:, k] for k in range(1 + len(recipe.copies))])
        return cls(scatter, sums, member.sum(axis=0))

    @classmethod
    def total(cls, parts: list["Moments"]) -> "Moments":
        """Return the sums over the clips of all parts."""
        return cls(*(np.sum([getattr(p, field.name) for p in parts], axis=0) for field in dataclasses.fields(cls)))

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(self.scatter - other.scatter, self.sums - other.sums, self.counts - other.counts)

    def solve(self, recipe: VoiceRecipe, others: Sequence[OtherClips] = ()) -> Discriminant:
        """Return the discriminant; a class without clips gets a score that never wins."""
        present, n_classes = self.counts > 0, len(self.counts)
        counts = self.counts[present, None]
        means = self.sums[:, present] / counts
        covariance = self.scatter.copy()
        for share, mean in zip(version_shares(recipe), means, strict=True):
            if share:
                covariance -= np.float32(share) * (mean * counts).T @ mean
        common = np.zeros((n_classes, len(covariance)), dtype=np.float32)
        common[present] = np.average(means, axis=0, weights=version_shares(recipe))
        if recipe.elsewhere is not None:
            for other in others:
                covariance += np.float32(recipe.elsewhere.variation) * other.scatter_around(common)
        covariance *= (1 - recipe.shrinkage) * len(covariance) / np.trace(covariance)
        size = n_familiar(recipe, len(covariance))
        familiar = randomized_range_finder(covariance, size=size, n_iter=4, random_state=0)
        covariance[np.diag_indices_from(covariance)] += recipe.shrinkage

        centres = class_centres(recipe, means)
        if recipe.elsewhere is not None and others:
            centres = np.concatenate(
                [centres, centres_elsewhere(recipe.elsewhere.shift, common, others)[None, present]]
            )
        way = way_to_others(common, others) if others else np.zeros((2, len(covariance)), dtype=np.float32)
        sides = np.concatenate([centres.reshape(-1, len(covariance)), way[1:] - way[:1]]).T
        *solved, foreign = scipy.linalg.solve(covariance, sides, assume_a="pos").T
        foreign /= max(float(foreign @ (way[1] - way[0])), keras.config.epsilon())
        weights = np.zeros((len(covariance), n_kinds(recipe), n_classes), dtype=np.float32)
        bias = np.full((n_kinds(recipe), n_classes), ABSENT, dtype=np.float32)
        by_centre = np.reshape(solved, centres.shape)
        weights[:, : len(centres), present] = SCORE_SCALE * np.moveaxis(by_centre, -1, 0)
        bias[: len(centres), present] = -0.5 * SCORE_SCALE * np.einsum("kcd,kcd->kc", centres, by_centre)
        return Discriminant(
            weights.reshape(len(covariance), -1),
            bias.ravel(),
            familiar.astype(np.float32),
            foreign.astype(np.float32),
            -float(foreign @ way[0]),
            n_classes,
        )


def way_to_others(common: Array, others: Sequence[OtherClips]) -> Array:
    """Return where the corpus is and where others are, shape (2, d): means over the classes that they have.

    Each corpus counts alike, and each class that it has, so that neither its emotions nor its channels tell it apart.
    """
    n_classes, here, there = len(common), [], []
    for other in others:
        occurs = other.counts(n_classes) > 0
        here.append(common[occurs].mean(axis=0))
        there.append(other.means(n_classes)[occurs].mean(axis=0))
    return np.stack([np.mean(here, axis=0), np.mean(there, axis=0)])


def centres_elsewhere(shift: float, common: Array, others: Sequence[OtherClips]) -> Array:
    """Return each class's centre in other corpora, shape (classes, d).

    Each corpus counts alike, however many clips it has. A class that none of them has is moved as the others are on
    average: it is not counted against it that it is lacking.
    """
    n_classes = len(common)
    total, n_corpora = np.zeros_like(common), np.zeros((n_classes, 1), dtype=np.float32)
    for other in others:
        total += other.means(n_classes)
        n_corpora += other.counts(n_classes)[:, None] > 0
    occurs = n_corpora[:, 0] > 0
    moved = total[occurs] / n_corpora[occurs] - common[occurs]
    offset = np.tile(moved.mean(axis=0), (n_classes, 1))
    offset[occurs] = moved
    return np.asarray(common + np.float32(shift) * offset)


def class_centres(recipe: VoiceRecipe, means: Array) -> Array:
    """Return the classes' centres in each kind of sound, (kinds, classes, d), from the means of each version."""
    shares = version_shares(recipe)
    own = [k for k, use in enumerate(recipe.copies, start=1) if use.own_centres]
    usual = [k for k in range(len(means)) if k not in own]
    common = np.average(means, axis=0, weights=shares)
    by_kind = np.stack([np.average(means[usual], axis=0, weights=shares[usual]), *means[own]])
    if len(by_kind) == 1:
        return np.asarray(common[None], dtype=np.float32)
    return np.asarray(common + recipe.own_centres_shift * (by_kind - common), dtype=np.float32)


def _set_weights(
    recipe: VoiceRecipe,
    network: keras.Model,
    fitted: list[Discriminant],
    pooling: NDArray[np.float64],
    calibration: Calibration,
) -> None:
    for k, view in enumerate(fitted):
        network.get_layer(f"scores_{k}").set_weights([view.weights, view.bias])
        network.get_layer(f"familiar_{k}").set_weights([view.familiar])
        if recipe.elsewhere is not None:
            network.get_layer(f"foreign_{k}").set_weights([view.foreign[:, None], np.array([view.foreign_bias])])
    n_labels = network.output_shape[-1]
    by_class = np.repeat(pooling, n_labels, axis=1)
    network.get_layer("pooling").set_weights([np.concatenate([np.diag(weights) for weights in by_class])])
    average = np.full((len(fitted), 1), 1 / len(fitted))
    network.get_layer("out_of_distribution").set_weights([average, np.array([-calibration.usual])])
    slopes = [-calibration.slope]
    if recipe.elsewhere is not None:
        for name, least in (("foreign", calibration.own), ("far", calibration.far)):
            network.get_layer(name).set_weights([average / FOREIGN_RANGE, np.array([-least / FOREIGN_RANGE])])
        slopes.append(-calibration.foreign_slope)
    network.get_layer("temperature_slope").set_weights([np.array(slopes)[:, None]])
