"""The statistics recipe: shrunk linear discriminants on statistics of the reference's descriptors, in one step.

The smallest recipe, and a model for new ones.

References
----------
Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal of
Multivariate Analysis 88: 365-411.
"""

import dataclasses
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import scipy.special
from numpy.typing import NDArray

from core.audio.features.statistics import StatisticsFeatures
from core.learning.manifest import Manifest
from core.learning.recipes.base import Recipe, describe_sound
from core.learning.task import Task

if TYPE_CHECKING:
    import keras

    from core.learning.runs import Fold

N_INNER: Final = 5
"""Inner folds, by speaker where there are several, whose held-out clips stand in the history."""
ABSENT: Final = -1e4
"""Score of an emotion that training did not have."""

Scores = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weights of linear scores, shape (d, emotions), and their bias, shape (emotions,)."""


@dataclasses.dataclass(frozen=True)
class StatisticsRecipe(Recipe):
    """Linear discriminants whose covariance is shrunk by Ledoit's and Wolf's rule; all emotions are equally likely."""

    name: str
    """Name, and first part of its models' names."""
    summary: str
    """One sentence for people."""
    features: StatisticsFeatures = dataclasses.field(default_factory=StatisticsFeatures)
    """What the discriminants read."""
    epochs: int = 1
    """Times that each training clip is seen: the solution has a closed form."""
    deployed_protocol: str = "all"
    """Protocol whose first split trains the model that is put in use: all speakers."""

    def network(self, task: Task) -> "keras.Model":
        """Build the form in which the discriminants answer: linear scores and a softmax."""
        import keras

        scores = keras.layers.Dense(len(task.labels), activation="softmax", name="scores")
        return keras.Sequential([keras.Input(self.features.shape), scores], name="statistics")

    def fit(self, X: NDArray[np.float32], index: pd.DataFrame, fold: "Fold") -> "keras.Model":
        """Solve for the discriminants of a fold, and keep weights, scaler and history in its folder."""
        from core.learning.runs import write_scaler, write_solved_history

        rows = fold.known_rows
        task = fold.task
        y_true = task.encode(index["emotion"].iloc[rows])
        mean, deviation = X[rows].mean(axis=0, dtype=np.float64), X[rows].std(axis=0, dtype=np.float64)
        scale = np.where(deviation > 0, deviation, 1)
        write_scaler(fold, mean, scale)
        Z = ((X[rows] - mean) / scale).astype(np.float32)
        weights, bias = _solve(Z, y_true, len(task.labels))
        network = self.network(task)
        network.get_layer("scores").set_weights([weights, bias])
        network.save_weights(fold.weights_path)
        held_out = _hold_out(Z, y_true, index["speaker"].iloc[rows].to_numpy(dtype=str), len(task.labels))
        write_solved_history(fold, y_true, scipy.special.softmax(Z @ weights + bias, axis=1), held_out)
        return network

    def describe(self, manifest: Manifest) -> str:
        """Return what a stored model reads and how it was trained, as Markdown list items."""
        features = manifest.features
        return f"""- Input: one vector of `{features["name"]}` features of {describe_sound(features)}.
- Training: solved in one step; shrinkage by the rule of Ledoit and Wolf; seed {manifest.seed}. The deployed model is
  trained on all speakers; the figures are those of models of the same recipe that had not heard the evaluated clips."""


def _solve(Z: NDArray[np.float32], y_true: NDArray[np.intp], n_labels: int) -> Scores:
    """Return the scores of the emotions; one without clips gets a score that never wins."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    present = np.unique(y_true)
    priors = np.full(len(present), 1 / len(present))
    fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=priors).fit(Z, y_true)
    coefficients, intercept = fitted.coef_, fitted.intercept_
    if len(present) == 2:  # scikit-learn gives the difference of two classes alone
        coefficients, intercept = np.vstack([0 * coefficients, coefficients]), np.append(0, intercept)
    weights = np.zeros((Z.shape[1], n_labels), dtype=np.float32)
    bias = np.full(n_labels, ABSENT, dtype=np.float32)
    weights[:, present], bias[present] = coefficients.T, intercept
    return weights, bias


def _hold_out(
    Z: NDArray[np.float32], y_true: NDArray[np.intp], speaker: NDArray[np.str_], n_labels: int
) -> NDArray[np.float64]:
    """Return probabilities of clips by discriminants of the other inner folds, shape (n, emotions)."""
    from sklearn.model_selection import GroupKFold

    groups = speaker if len(np.unique(speaker)) > 1 else np.arange(len(speaker))
    y_proba = np.empty((len(Z), n_labels))
    for train, test in GroupKFold(min(N_INNER, len(np.unique(groups)))).split(Z, groups=groups):
        weights, bias = _solve(Z[train], y_true[train], n_labels)
        y_proba[test] = scipy.special.softmax(Z[test] @ weights + bias, axis=1)
    return y_proba


RECIPE: Final = StatisticsRecipe(
    name="statistics",
    summary="Shrunk linear discriminants on means, deviations and percentiles over time of 62 librosa features.",
)
