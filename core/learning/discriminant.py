"""Linear discriminants that do not hear what changes a recording but not its emotion.

Fisher's discriminant looks for directions in which classes differ much and the clips of a class little. Here, what
degraded copies of a clip differ by counts as differing within a class, so directions that noise, rooms, telephones or
another speed move are avoided, not relearned. It is solved in one step; nothing is iterated.

For each view of the features, with class means m_c, within-class covariance S and covariance of the copies'
differences N_k weighted by w_k:

    A = (1 - s) (S + sum_k w_k N_k) d / trace + s I,    score_c(x) = m_c' A^-1 x - 1/2 m_c' A^-1 m_c

Classes are pairs of channel and emotion. The views' log probabilities are pooled with weights for speech and song; an
emotion's probability is the sum over channels. The weights, and how fast confidence falls where a sound is unlike the
training clips, minimise the log loss on clips and copies that inner folds held out.

References
----------
Fisher RA (1936). The use of multiple measurements in taxonomic problems. Annals of Eugenics 7: 179-188.
Hatch AO, Kajarekar S, Stolcke A (2006). Within-class covariance normalization for SVM-based speaker recognition.
Interspeech 2006 (for the covariance of what is to be ignored).
Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal of
Multivariate Analysis 88: 365-411 (for shrinkage towards the identity).
"""

import dataclasses
import json
from typing import Final

import keras
import numpy as np
import pandas as pd
import scipy.linalg
import scipy.optimize
import scipy.special
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from core.audio.voice import view_slices
from core.files import write_atomically
from core.labels import CHANNELS, EMOTIONS, gender_of
from core.learning.networks import ABSENT, N_CLASSES, SCORE_SCALE, VALUE_LIMIT, build_voice
from core.learning.recipes import VoiceRecipe
from core.learning.runs import HISTORY_COLUMNS, Fold

N_INNER: Final = 8
"""Inner folds that calibrate."""
COPIES_SHARE: Final = 0.5
"""What the copies of a clip count together in calibration; the clip counts 1."""

Array = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class _Scores:
    """Linear scores of one view."""

    weights: Array
    """Shape (d, classes)."""
    bias: Array
    """Shape (classes,)."""


def fit_discriminant(recipe: VoiceRecipe, X: Array, index: pd.DataFrame, fold: Fold) -> keras.Model:
    """Fit the discriminants of a fold, and keep weights, scaler and history in the fold's folder.

    Parameters
    ----------
    recipe : VoiceRecipe
        What to train.
    X : np.ndarray [shape=(n, 1 + copies, d), dtype=float32]
        Features of the clips and of their copies, unscaled.
    index : pandas.DataFrame
        The same clips, with columns ``emotion``, ``channel`` and ``actor``.
    fold : Fold
        Rows, seed and folder. Clips that choose an epoch elsewhere are training clips here, unless they are judged.

    Returns
    -------
    keras.Model
        As from ``core.learning.networks.build_voice``, with the fitted weights.
    """
    split = fold.split
    rows = np.union1d(split.train, np.setdiff1d(split.validation, split.test))
    rows = rows[index["channel"].iloc[rows].isin(recipe.channels)]
    clips = index.iloc[rows]
    clean = X[rows, 0]
    mean, scale = clean.mean(axis=0, dtype=np.float64), clean.std(axis=0, dtype=np.float64) + 1e-6
    write_atomically(fold.scaler_path, json.dumps({"mean": mean.tolist(), "scale": scale.tolist()}).encode())
    Z = np.clip((X[rows] - mean.astype(np.float32)) / scale.astype(np.float32), -VALUE_LIMIT, VALUE_LIMIT)

    emotion = np.searchsorted(EMOTIONS, clips["emotion"].to_numpy(dtype=str))
    channel = np.searchsorted(CHANNELS, clips["channel"].to_numpy(dtype=str)) if recipe.by_channel else 0
    classes = emotion + len(EMOTIONS) * channel
    inner = _inner_folds(clips, index.iloc[split.test], fold.seed)
    final, held_out = [], []
    columns = view_slices(recipe.features)
    for view in recipe.views:
        scores, log_proba = _fit_view(recipe, Z[..., columns[view]], classes, inner)
        final.append(scores)
        held_out.append(log_proba)

    usual = float(np.median(_atypicality(Z[:, 0])))
    strangeness = np.maximum(np.log(_atypicality(Z) / usual), 0)
    log_proba = np.stack(held_out)
    pooling, caution = _calibrate(recipe, log_proba, strangeness, emotion)
    network = build_voice(recipe)
    _set_weights(network, final, pooling, caution, usual)
    network.save_weights(fold.weights_path)

    inner_proba = _pool(log_proba[:, :, 0], strangeness[:, 0], pooling, caution)
    fitted = network.predict(Z[:, 0], batch_size=256, verbose=0)
    _write_history(fold, emotion, fitted, inner_proba)
    return network


def _inner_folds(clips: pd.DataFrame, judged: pd.DataFrame, seed: int) -> NDArray[np.intp]:
    """Return the inner fold of each training clip: by actor, unless the judged clips are of the same actors."""
    rng = np.random.default_rng([seed, N_INNER])
    actors = clips["actor"].to_numpy()
    if np.isin(judged["actor"], actors).any():
        inner = np.empty(len(clips), dtype=np.intp)
        splitter = StratifiedKFold(N_INNER, shuffle=True, random_state=seed)
        for k, (_, held_out) in enumerate(splitter.split(actors, clips["emotion"])):
            inner[held_out] = k
        return inner
    fold_of: dict[int, int] = {}
    for gender in ("male", "female"):
        of_gender = rng.permutation([actor for actor in np.unique(actors) if gender_of(int(actor)) == gender])
        fold_of |= {int(actor): (len(fold_of) + k) % N_INNER for k, actor in enumerate(of_gender)}
    return np.array([fold_of[int(actor)] for actor in actors])


def _fit_view(
    recipe: VoiceRecipe, Z: Array, classes: NDArray[np.intp], inner: NDArray[np.intp]
) -> tuple[_Scores, NDArray[np.float64]]:
    """Return the scores fitted on all clips, and held-out log probabilities of (n, 1 + copies, classes)."""
    moments = [_Moments.of(recipe, Z[inner == k], classes[inner == k]) for k in range(N_INNER)]
    everything = _Moments.total(moments)
    log_proba = np.zeros((*Z.shape[:2], N_CLASSES))
    for k, held_out in enumerate(moments):
        scores = (everything - held_out).solve(recipe.shrinkage)
        log_proba[inner == k] = scipy.special.log_softmax(Z[inner == k] @ scores.weights + scores.bias, axis=-1)
    return everything.solve(recipe.shrinkage), log_proba


@dataclasses.dataclass(frozen=True, eq=False)
class _Moments:
    """Sums over clips from which a discriminant follows; those of disjoint clips add."""

    scatter: Array
    """Sum of z z' and of the copies' differences, shape (d, d)."""
    sums: Array
    """Sum of z in each class, shape (classes, d)."""
    counts: Array
    """Clips in each class, shape (classes,)."""

    @classmethod
    def of(cls, recipe: VoiceRecipe, Z: Array, classes: NDArray[np.intp]) -> "_Moments":
        clean = np.ascontiguousarray(Z[:, 0])
        scatter = clean.T @ clean
        for k, (_, weight) in enumerate(recipe.copies):
            if weight > 0:
                difference = Z[:, k + 1] - clean
                scatter += np.float32(weight) * (difference.T @ difference)
        member = np.eye(N_CLASSES, dtype=np.float32)[classes]
        return cls(scatter, member.T @ clean, member.sum(axis=0))

    @classmethod
    def total(cls, parts: list["_Moments"]) -> "_Moments":
        return cls(*(np.sum([getattr(p, field.name) for p in parts], axis=0) for field in dataclasses.fields(cls)))

    def __sub__(self, other: "_Moments") -> "_Moments":
        return _Moments(self.scatter - other.scatter, self.sums - other.sums, self.counts - other.counts)

    def solve(self, shrinkage: float) -> _Scores:
        """Return the scores; a class without clips gets one that never wins."""
        present = self.counts > 0
        means = self.sums[present] / self.counts[present, None]
        covariance = self.scatter - (means * self.counts[present, None]).T @ means
        covariance *= (1 - shrinkage) * len(covariance) / np.trace(covariance)
        covariance[np.diag_indices_from(covariance)] += shrinkage
        solved = scipy.linalg.solve(covariance, means.T, assume_a="pos", overwrite_a=True)
        weights = np.zeros((len(covariance), len(present)), dtype=np.float32)
        bias = np.full(len(present), ABSENT, dtype=np.float32)
        weights[:, present] = SCORE_SCALE * solved
        bias[present] = -0.5 * SCORE_SCALE * np.einsum("cd,dc->c", means, solved)
        return _Scores(weights, bias)


def _atypicality(Z: Array) -> NDArray[np.float64]:
    """Return the mean square of the standardised features over the last axis."""
    return np.asarray(np.mean(np.square(Z), axis=-1, dtype=np.float64))


def _pool(
    log_proba: NDArray[np.float64], strangeness: NDArray[np.float64], pooling: NDArray[np.float64], caution: float
) -> NDArray[np.float64]:
    """Return probabilities of emotions from (views, ..., classes) log probabilities."""
    by_class = np.repeat(pooling, len(EMOTIONS), axis=1)
    pooled = np.einsum("vc,v...c->...c", by_class, log_proba)
    y_proba = scipy.special.softmax(pooled * np.exp(-caution * strangeness)[..., None], axis=-1)
    return np.asarray(y_proba.reshape(*y_proba.shape[:-1], len(CHANNELS), len(EMOTIONS)).sum(axis=-2))


def _calibrate(
    recipe: VoiceRecipe,
    log_proba: NDArray[np.float64],
    strangeness: NDArray[np.float64],
    emotion: NDArray[np.intp],
) -> tuple[NDArray[np.float64], float]:
    """Return weights of (views, channels) and the caution that minimise the held-out log loss.

    The copies of a clip count together ``COPIES_SHARE`` of the clip.
    """
    weight = np.array([1.0, *(max(w, 1e-3) for _, w in recipe.copies)])
    weight[1:] *= COPIES_SHARE / max(weight[1:].sum(), 1e-3)
    shape = (len(log_proba), len(CHANNELS))

    def loss(parameters: NDArray[np.float64]) -> float:
        y_proba = _pool(log_proba, strangeness, parameters[:-1].reshape(shape), parameters[-1])
        of_truth = np.take_along_axis(y_proba, emotion[:, None, None], axis=-1)[..., 0]
        return float(-(weight * np.log(of_truth + 1e-12)).sum(axis=1).mean())

    start = np.append(np.full(shape, 0.5), 0.2)
    bounds = [(0.02, 5.0)] * (len(start) - 1) + [(0.0, 5.0)]
    best = scipy.optimize.minimize(loss, start, bounds=bounds, method="L-BFGS-B").x
    return best[:-1].reshape(shape), float(best[-1])


def _set_weights(
    network: keras.Model, scores: list[_Scores], pooling: NDArray[np.float64], caution: float, usual: float
) -> None:
    for k, view in enumerate(scores):
        network.get_layer(f"scores_{k}").set_weights([view.weights, view.bias])
    by_class = np.repeat(pooling, len(EMOTIONS), axis=1)
    network.get_layer("pooling").set_weights([np.concatenate([np.diag(weights) for weights in by_class])])
    network.get_layer("strangeness").set_weights([np.ones((1, 1)), np.array([-np.log(usual)])])
    network.get_layer("caution").set_weights([np.array([[-caution]])])


def _write_history(
    fold: Fold, emotion: NDArray[np.intp], fitted: NDArray[np.floating], held_out: NDArray[np.floating]
) -> None:
    """Write the one row: accuracy and log loss on the training clips, and on the same held out by inner folds."""

    def measure(y_proba: NDArray[np.floating]) -> tuple[float, float]:
        right = float((y_proba.argmax(axis=1) == emotion).mean())
        return right, float(-np.log(y_proba[np.arange(len(emotion)), emotion] + 1e-12).mean())

    (accuracy, loss), (val_accuracy, val_loss) = measure(fitted), measure(held_out)
    values = (0, accuracy, (accuracy + val_accuracy) / 2, loss, val_accuracy, val_loss)
    table = pd.DataFrame([dict(zip(HISTORY_COLUMNS, values, strict=True))])
    write_atomically(fold.history_path, table.to_csv(index=False, lineterminator="\n").encode())
