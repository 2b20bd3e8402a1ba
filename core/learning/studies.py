"""What a finished training is tried on besides its protocols: degraded sound, parts missing, personal baselines.

All evaluate by the folds of the corpus's main protocol, the first seed, so nobody is evaluated by a model that has
heard them.
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
from core.corpus.base import Corpus
from core.learning.runs import Fold, TrainingResult

AugmentedReader = Callable[[Augmentation], NDArray[np.float32]]
"""Called with an augmentation or condition, returns the features of all clips in it: (n, d)."""


def study_robustness(
    result: TrainingResult, corpus: Corpus, index: pd.DataFrame, read: AugmentedReader
) -> pd.DataFrame:
    """Evaluate the networks of a training on clips that they did not hear, in noise, rooms and telephones.

    Parameters
    ----------
    result : TrainingResult
        A finished training with the main protocol.
    corpus : Corpus
        Whose clips they are.
    index : pandas.DataFrame
        The distinct clips it was trained on.
    read : callable
        Called with an ``Augmentation``, returns features of the same clips.

    Returns
    -------
    pandas.DataFrame
        Predictions with a column ``condition`` in front: a name in ``core.audio.augmentation.CONDITIONS``.
    """
    from core.learning.training import predict_fold, tabulate_fold

    folds = _study_folds(result.folds, corpus)
    networks = []
    for fold in folds:
        network = result.recipe.network(fold.task)
        network.load_weights(fold.weights_path)
        networks.append(network)
    tables = []
    for condition in CONDITIONS:
        X = read(Augmentation(condition, folds[0].seed))
        for fold, network in zip(folds, networks, strict=True):
            test = fold.split.test
            table = tabulate_fold(fold, index.iloc[test], predict_fold(network, fold, X[test]))
            table.insert(0, "condition", condition)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def study_baseline(
    result: TrainingResult, corpus: Corpus, index: pd.DataFrame, X: NDArray[np.float32]
) -> pd.DataFrame | None:
    """Evaluate the networks of a training on unseen speakers, with a personal baseline and without.

    Each speaker is enrolled with neutral clips of speech, the first repetition of each sentence. These are evaluated in
    no case, so that all cases stand on the same clips. The features are taken to the mean of the training clips, which
    every stored model knows, or to that of the neutral ones among them.

    Parameters
    ----------
    result : TrainingResult
        A finished training with the main protocol.
    corpus : Corpus
        Whose clips they are.
    index : pandas.DataFrame
        The distinct clips it was trained on.
    X : np.ndarray [shape=(n, ...), dtype=float32]
        Features of the same clips with the first seed, unscaled.

    Returns
    -------
    pandas.DataFrame or None
        Predictions with a column ``baseline`` in front; None where nobody spoke neutrally.
    """
    from core.learning.training import predict_fold, tabulate_fold

    is_neutral = ((index["emotion"] == "neutral") & (index["channel"] == "speech")).to_numpy()
    is_enrolled = is_neutral & (index["repetition"] == index["repetition"].min()).to_numpy()
    if not is_enrolled.any():
        return None
    speaker = index["speaker"].to_numpy(dtype=str)
    tables = []
    for fold in _study_folds(result.folds, corpus):
        network = result.recipe.network(fold.task)
        network.load_weights(fold.weights_path)
        train, test = fold.split.train, fold.split.test
        targets = {
            "to the mean": np.asarray(json.loads(fold.scaler_path.read_text())["mean"]),
            "to the neutral mean": neutral_mean(X[train[is_neutral[train]]]),
        }
        evaluated = test[~is_enrolled[test] & np.isin(speaker[test], speaker[is_enrolled])]
        own = {
            s: neutral_mean(X[test[(speaker[test] == s) & is_enrolled[test]]]) for s in np.unique(speaker[evaluated])
        }
        cases = {"none": np.zeros_like(X[evaluated])} | {
            f"{name}, strength {strength:g}": np.stack(
                [baseline_shift(usual, own[s], strength) for s in speaker[evaluated]]
            ).reshape(len(evaluated), *[1] * (X.ndim - 2), -1)
            for name, usual in targets.items()
            for strength in STRENGTHS
        }
        for name, shift in cases.items():
            table = tabulate_fold(fold, index.iloc[evaluated], predict_fold(network, fold, X[evaluated] + shift))
            table.insert(0, "baseline", name)
            tables.append(table)
    order = {name: k for k, name in enumerate(cases)}
    return pd.concat(tables, ignore_index=True).sort_values("baseline", key=lambda c: c.map(order), kind="stable")


def study_ablations(
    result: TrainingResult, corpus: Corpus, index: pd.DataFrame, X: NDArray[np.float32], folder: Path, n_jobs: int
) -> pd.DataFrame:
    """Train and evaluate the variants of a recipe.

    Parameters
    ----------
    result : TrainingResult
        A finished training of a recipe with variants.
    corpus : Corpus
        Whose clips they are.
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

    evaluated = _study_folds(result.folds, corpus)
    seed = evaluated[0].seed
    read = [None, *result.recipe.augmentations(seed)]
    versions = X if len(read) > 1 else X[:, None]
    tables = []
    for variant, recipe in result.recipe.variants().items():
        columns = [read.index(version) for version in (None, *recipe.augmentations(seed))]
        place = folder / variant.replace(" ", "-")
        folds = [dataclasses.replace(fold, folder=place / f"fold-{fold.split.fold}") for fold in evaluated]
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


def _study_folds(folds: Sequence[Fold], corpus: Corpus) -> list[Fold]:
    """Return the folds of the main protocol with its first seed."""
    of_protocol = [fold for fold in folds if fold.protocol == corpus.main_protocol]
    return [fold for fold in of_protocol if fold.seed == of_protocol[0].seed]
