"""What a finished training is tried on besides its protocols: degraded sound, parts missing, personal baselines.

All evaluate by the folds of ``STUDY_PROTOCOL``, the first seed, so nobody is evaluated by a model that has heard them.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.audio.augmentation import CONDITIONS
from core.audio.personal import STRENGTHS, baseline_shift, neutral_mean
from core.config import Augmentation
from core.learning.evaluation import STUDY_PROTOCOL
from core.learning.runs import Fold, TrainingResult, plan_folds

AugmentedReader = Callable[[Augmentation], NDArray[np.float32]]
"""Called with an augmentation or condition, returns the features of all clips in it: (n, d)."""


def study_robustness(result: TrainingResult, index: pd.DataFrame, read: AugmentedReader) -> pd.DataFrame:
    """Evaluate the networks of a training on clips that they did not hear, in noise, rooms and telephones.

    Parameters
    ----------
    result : TrainingResult
        A finished training with ``STUDY_PROTOCOL``.
    index : pandas.DataFrame
        The distinct clips it was trained on.
    read : callable
        Called with an ``Augmentation``, returns features of the same clips.

    Returns
    -------
    pandas.DataFrame
        Predictions with a column ``condition`` in front: a name in ``core.audio.augmentation.CONDITIONS``.
    """
    from core.learning.training import predict_fold, tabulate

    folds = _study_folds(result.folds)
    networks = []
    for fold in folds:
        network = result.recipe.network()
        network.load_weights(fold.weights_path)
        networks.append(network)
    tables = []
    for condition in CONDITIONS:
        X = read(Augmentation(condition, folds[0].seed))
        for fold, network in zip(folds, networks, strict=True):
            test = fold.split.test
            table = tabulate(fold, index.iloc[test], predict_fold(network, fold, X[test]))
            table.insert(0, "condition", condition)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def study_baseline(result: TrainingResult, index: pd.DataFrame, X: NDArray[np.float32]) -> pd.DataFrame:
    """Evaluate the networks of a training on unseen speakers, with a personal baseline and without.

    Each actor is enrolled with neutral clips of speech, the first repetition of each sentence. These are evaluated in
    no case, so that all cases stand on the same clips. The features are taken to the mean of the training clips, which
    every stored model knows, or to that of the neutral ones among them.

    Parameters
    ----------
    result : TrainingResult
        A finished training with ``STUDY_PROTOCOL``.
    index : pandas.DataFrame
        The distinct clips it was trained on.
    X : np.ndarray [shape=(n, ...), dtype=float32]
        Features of the same clips with the first seed, unscaled.

    Returns
    -------
    pandas.DataFrame
        Predictions with a column ``baseline`` in front.
    """
    from core.learning.training import predict_fold, tabulate

    is_neutral = ((index["emotion"] == "neutral") & (index["channel"] == "speech")).to_numpy()
    is_enrolled = is_neutral & (index["repetition"] == index["repetition"].min()).to_numpy()
    actor = index["actor"].to_numpy()
    tables = []
    for fold in _study_folds(result.folds):
        network = result.recipe.network()
        network.load_weights(fold.weights_path)
        train, test = fold.split.train, fold.split.test
        targets = {
            "to the mean": np.asarray(json.loads(fold.scaler_path.read_text())["mean"]),
            "to the neutral mean": neutral_mean(X[train[is_neutral[train]]]),
        }
        evaluated = test[~is_enrolled[test] & np.isin(actor[test], actor[is_enrolled])]
        own = {a: neutral_mean(X[test[(actor[test] == a) & is_enrolled[test]]]) for a in np.unique(actor[evaluated])}
        cases = {"none": np.zeros_like(X[evaluated])} | {
            f"{name}, strength {strength:g}": np.stack(
                [baseline_shift(usual, own[a], strength) for a in actor[evaluated]]
            ).reshape(len(evaluated), *[1] * (X.ndim - 2), -1)
            for name, usual in targets.items()
            for strength in STRENGTHS
        }
        for name, shift in cases.items():
            table = tabulate(fold, index.iloc[evaluated], predict_fold(network, fold, X[evaluated] + shift))
            table.insert(0, "baseline", name)
            tables.append(table)
    order = {name: k for k, name in enumerate(cases)}
    return pd.concat(tables, ignore_index=True).sort_values("baseline", key=lambda c: c.map(order), kind="stable")


def study_ablations(
    result: TrainingResult, index: pd.DataFrame, X: NDArray[np.float32], folder: Path, n_jobs: int
) -> pd.DataFrame:
    """Train and evaluate the variants of a recipe.

    Parameters
    ----------
    result : TrainingResult
        A finished training of a recipe with variants.
    index : pandas.DataFrame
        The distinct clips it was trained on.
    X : np.ndarray [shape=(n, ...), dtype=float32]
        What it read with its first seed.
    folder : path
        Where the variants' folds are kept; goes on where it was stopped.
    n_jobs : int
        Folds trained side by side.

    Returns
    -------
    pandas.DataFrame
        Predictions with a column ``variant`` in front.
    """
    from core.learning.training import train

    seed = _study_folds(result.folds)[0].seed
    read = [None, *result.recipe.augmentations(seed)]
    versions = X if len(read) > 1 else X[:, None]
    tables = []
    for variant, recipe in result.recipe.variants().items():
        columns = [read.index(version) for version in (None, *recipe.augmentations(seed))]
        folds = plan_folds(index, [STUDY_PROTOCOL], [seed], folder / variant.replace(" ", "-"))
        reader = _Columns(versions, columns)
        table = train(recipe, index, reader, folds, n_jobs=n_jobs).predictions()
        table.insert(0, "variant", variant)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


@dataclasses.dataclass(frozen=True, eq=False)
class _Columns:
    """Reads some of the versions of the clips, whatever the seed."""

    versions: NDArray[np.float32]
    columns: list[int]

    def __call__(self, seed: int) -> NDArray[np.float32]:  # noqa: ARG002 - a FeatureReader
        return self.versions[:, self.columns] if len(self.columns) > 1 else self.versions[:, 0]


def _study_folds(folds: Sequence[Fold]) -> list[Fold]:
    """Return the folds of the studies' protocol with its first seed."""
    of_protocol = [fold for fold in folds if fold.protocol == STUDY_PROTOCOL]
    return [fold for fold in of_protocol if fold.seed == of_protocol[0].seed]
