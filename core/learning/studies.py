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

from core.audio.degrade import CONDITIONS
from core.audio.personal import STRENGTHS, baseline_shift, neutral_mean
from core.config import Copy
from core.corpus.base import Corpus
from core.learning.recipes import CopyUse, VoiceRecipe
from core.learning.runs import Fold, TrainingResult, plan_folds

CopyReader = Callable[[Copy], NDArray[np.float32]]
"""Called with a degraded copy, returns its features for all clips: (n, d)."""


def study_robustness(result: TrainingResult, corpus: Corpus, index: pd.DataFrame, read: CopyReader) -> pd.DataFrame:
    """Evaluate the networks of a training on degraded copies of the clips that they did not hear.

    Parameters
    ----------
    result : TrainingResult
        A finished training with the main protocol.
    corpus : Corpus
        Whose clips they are.
    index : pandas.DataFrame
        The distinct clips it was trained on.
    read : callable
        Called with a ``Copy``, returns features of the same clips.

    Returns
    -------
    pandas.DataFrame
        Predictions with a column ``condition`` in front: a name in ``core.audio.degrade.CONDITIONS``.
    """
    from core.learning.networks import build_network
    from core.learning.training import predict_fold, tabulate_fold

    folds = _study_folds(result.folds, corpus)
    networks = []
    for fold in folds:
        network = build_network(result.recipe, fold.task)
        network.load_weights(fold.weights_path)
        networks.append(network)
    tables = []
    for condition in CONDITIONS:
        X = read(Copy(condition, folds[0].seed))
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
    from core.learning.networks import build_network
    from core.learning.training import predict_fold, tabulate_fold

    is_neutral = ((index["emotion"] == "neutral") & (index["channel"] == "speech")).to_numpy()
    is_enrolled = is_neutral & (index["repetition"] == index["repetition"].min()).to_numpy()
    if not is_enrolled.any():
        return None
    speaker = index["speaker"].to_numpy(dtype=str)
    tables = []
    for fold in _study_folds(result.folds, corpus):
        network = build_network(result.recipe, fold.task)
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


def ablations(recipe: VoiceRecipe) -> dict[str, VoiceRecipe]:
    """Return variants of a recipe, each with one thing missing or changed, by what that is."""

    def with_copies(*copies: CopyUse) -> VoiceRecipe:
        return dataclasses.replace(recipe, copies=copies)

    return {
        "functionals alone": dataclasses.replace(recipe, views=("functionals",)),
        "random convolutions alone": dataclasses.replace(recipe, views=("kernels",)),
        "no degraded copies": with_copies(),
        "no copies at another speed": with_copies(*(use for use in recipe.copies if use.name != "speed")),
        "copies not counted as clips": with_copies(
            *(CopyUse(use.name, share=0, variation=3 * use.variation) for use in recipe.copies)
        ),
        "copies' differences not counted": with_copies(
            *(dataclasses.replace(use, variation=0) for use in recipe.copies)
        ),
        "one centre a class": with_copies(*(dataclasses.replace(use, own_centres=False) for use in recipe.copies)),
        "speech and song in one class": dataclasses.replace(recipe, by_channel=False),
        "trained on speech alone": dataclasses.replace(recipe, channels=("speech",)),
    }


def study_ablations(
    result: TrainingResult, corpus: Corpus, index: pd.DataFrame, X: NDArray[np.float32], folder: Path, n_jobs: int
) -> pd.DataFrame:
    """Train and evaluate the variants of a recipe.

    Parameters
    ----------
    result : TrainingResult
        A finished training of a ``VoiceRecipe``.
    corpus : Corpus
        Whose clips they are.
    index : pandas.DataFrame
        The distinct clips it was trained on.
    X : np.ndarray [shape=(n, 1 + copies, d), dtype=float32]
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

    assert isinstance(result.recipe, VoiceRecipe)  # noqa: S101 - a caller's mistake
    names = [use.name for use in result.recipe.copies]
    seed = _study_folds(result.folds, corpus)[0].seed
    tables = []
    for variant, recipe in ablations(result.recipe).items():
        columns = [0, *(1 + names.index(use.name) for use in recipe.copies)]
        folds = plan_folds(corpus, index, [corpus.main_protocol], [seed], folder / variant.replace(" ", "-"))
        reader = _Columns(X, columns)
        table = train(recipe, index, reader, folds, n_jobs=n_jobs).predictions()
        table.insert(0, "variant", variant)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


@dataclasses.dataclass(frozen=True, eq=False)
class _Columns:
    """Reads some of the versions of the clips, whatever the seed."""

    X: NDArray[np.float32]
    columns: list[int]

    def __call__(self, seed: int) -> NDArray[np.float32]:  # noqa: ARG002 - a FeatureReader
        return self.X[:, self.columns]


def _study_folds(folds: Sequence[Fold], corpus: Corpus) -> list[Fold]:
    """Return the folds of the main protocol with its first seed."""
    of_protocol = [fold for fold in folds if fold.protocol == corpus.main_protocol]
    return [fold for fold in of_protocol if fold.seed == of_protocol[0].seed]
