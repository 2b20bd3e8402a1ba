"""Protocols: who is trained on, who chooses the epoch, who is evaluated.

``reference`` repeats the reference project: every clip twice, a random split, and the clips that choose the epoch are
those of the report. It leaks by design. In the other three, the clips that choose the epoch (``validation``) are taken
from the training side, and no clip is evaluated by a network that saw it. In the ``speaker`` protocols the same holds
for actors.

Sounds of unknown people (``UNKNOWN_ACTOR``), which come from elsewhere, train in every split and are evaluated in none.

References
----------
Luna-Jimenez C et al. (2021). Multimodal emotion recognition on RAVDESS dataset using transfer learning.
Sensors 21(22): 7665 (five folds of actors).
Ma Z et al. (2024). EmoBox: Multilingual multi-corpus speech emotion recognition toolkit and benchmark.
Interspeech 2024, arXiv:2406.07162 (six folds of actors).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from core.errors import CorpusError
from core.labels import gender_of

LUNA_FOLDS: Final = ((2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22))
EMOBOX_FOLDS: Final = (
    (1, 11, 20, 21),
    (4, 10, 12, 14),
    (8, 9, 19, 23),
    (3, 5, 7, 24),
    (2, 15, 16, 18),
    (6, 13, 17, 22),
)

TEST_SHARE: Final = 0.2
REFERENCE_SPLIT_SEED: Final = 42
VALIDATION_SHARE: Final = 0.1
"""Share of the training clips that choose the epoch in ``random``; in ``speaker`` one actor of each gender does."""

UNKNOWN_ACTOR: Final = 0
"""In place of an actor's number: a person who is in no corpus."""

Rows = NDArray[np.intp]


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Positions of rows of an index of distinct clips."""

    fold: int
    """Number within the protocol."""
    train: Rows
    """Rows that fit weights and scaler, shape (n,); a row stands twice where the protocol doubles it."""
    validation: Rows
    """Rows that choose the epoch, shape (m,)."""
    test: Rows
    """Rows that are evaluated, shape (k,)."""

    @property
    def twin_share(self) -> float:
        """Share of the evaluated rows that also stand in training: 0 in an honest split."""
        return float(np.isin(self.test, self.train).mean())


SplitFunction = Callable[[pd.DataFrame, int], list[Split]]


def split_reference(index: pd.DataFrame, seed: int = 0) -> list[Split]:
    """Split as the reference project did: each clip twice, 80 % and 20 % at random, stratified by emotion.

    Files stand in the order of Kaggle's archives: speech before song, in each the actors' folders and then the same
    folders again.

    Parameters
    ----------
    index : pandas.DataFrame
        Distinct clips, with columns ``clip``, ``channel``, ``actor`` and ``emotion``.
    seed : int
        Not used: the reference fixed the seed of its split at 42.

    Returns
    -------
    list of Split
        One split; ``validation`` is ``test``.
    """
    del seed
    in_folders = index.reset_index(drop=True).sort_values(["actor", "clip"])
    archives = [in_folders.index[in_folders["channel"] == channel].to_numpy() for channel in ("speech", "song")]
    rows = np.concatenate([np.tile(archive, 2) for archive in archives])
    train, test = train_test_split(
        rows,
        test_size=TEST_SHARE,
        stratify=index["emotion"].to_numpy()[rows],
        random_state=REFERENCE_SPLIT_SEED,
    )
    return [Split(fold=0, train=train, validation=test, test=test)]


def split_random(index: pd.DataFrame, seed: int = 0) -> list[Split]:
    """Split as ``split_reference`` does, but each clip once: the one difference that counts.

    A recording that stands under two names is kept on one side.

    Parameters
    ----------
    index : pandas.DataFrame
        Distinct clips, with columns ``path``, ``emotion`` and ``duplicate_of``.
    seed : int
        Draws the split: other seeds evaluate other clips.

    Returns
    -------
    list of Split
        One split; 80 % train and choose the epoch, 20 % are evaluated, stratified by emotion.
    """
    emotions = index["emotion"].to_numpy()
    splitter = StratifiedKFold(round(1 / TEST_SHARE), shuffle=True, random_state=seed)
    is_test = np.zeros(len(index), dtype=bool)
    is_test[next(splitter.split(emotions, emotions))[1]] = True
    side = np.where(is_test, "test", "train").astype("<U10")
    _keep_together(side, index)
    rest = np.flatnonzero(side == "train")
    _, validation = train_test_split(rest, test_size=VALIDATION_SHARE, stratify=emotions[rest], random_state=seed)
    side[validation] = "validation"
    _keep_together(side, index)
    return [Split(0, *(np.flatnonzero(side == name) for name in ("train", "validation", "test")))]


def _keep_together(side: NDArray[np.str_], index: pd.DataFrame) -> None:
    """Put every repeated recording on the side of its first."""
    row_of = {path: row for row, path in enumerate(index["path"])}
    for row, original in enumerate(index["duplicate_of"]):
        if original in row_of:
            side[row] = side[row_of[original]]


def split_speaker_luna(index: pd.DataFrame, seed: int = 0) -> list[Split]:
    """Split by actor into the five folds of Luna-Jimenez et al.; see ``split_by_actor``."""
    return split_by_actor(index, LUNA_FOLDS, seed)


def split_speaker_emobox(index: pd.DataFrame, seed: int = 0) -> list[Split]:
    """Split by actor into the six folds of EmoBox; see ``split_by_actor``."""
    return split_by_actor(index, EMOBOX_FOLDS, seed)


def split_by_actor(index: pd.DataFrame, folds: Sequence[Sequence[int]], seed: int = 0) -> list[Split]:
    """Split so that no actor stands on two sides.

    Parameters
    ----------
    index : pandas.DataFrame
        Distinct clips, with a column ``actor``.
    folds : sequence of sequences of int
        Test actors of each fold.
    seed : int
        Seed of the choice of the validation actors, one of each gender where the fold's training side has both.

    Returns
    -------
    list of Split
        One split a fold; folds without a test clip in the index are left out.

    Raises
    ------
    CorpusError
        If a fold would have fewer than three training actors.
    """
    actors = index["actor"].to_numpy()
    splits = []
    for fold, test_actors in enumerate(folds):
        test = np.isin(actors, test_actors)
        if not test.any():
            continue
        others = np.unique(actors[~test])
        if len(others) < 3:
            raise CorpusError(f"Only {len(others)} actors remain to train on; speaker protocols need at least three.")
        validation = np.isin(actors, _validation_actors(others, np.random.default_rng([seed, fold])))
        splits.append(
            Split(fold, np.flatnonzero(~test & ~validation), np.flatnonzero(validation), np.flatnonzero(test))
        )
    return splits


def _validation_actors(actors: NDArray[np.int_], rng: np.random.Generator) -> list[int]:
    """Draw one actor of each gender."""
    by_gender = [[a for a in actors if gender_of(int(a)) == gender] for gender in ("male", "female")]
    return [int(rng.choice(group)) for group in by_gender if group]


PROTOCOLS: Final[dict[str, SplitFunction]] = {
    "reference": split_reference,
    "random": split_random,
    "speaker-luna": split_speaker_luna,
    "speaker-emobox": split_speaker_emobox,
}
"""Names of the protocols, and the functions that split an index of distinct clips."""

DEPLOYMENT: Final = "all"
"""Name of the split that judges nobody: all clips train a model that is to be used."""


def split_all(index: pd.DataFrame, seed: int = 0) -> list[Split]:
    """Put every clip on the training side.

    Parameters
    ----------
    index : pandas.DataFrame
        Distinct clips.
    seed : int
        Not used.

    Returns
    -------
    list of Split
        One split without validation and test.
    """
    del seed
    nobody = np.empty(0, dtype=np.intp)
    return [Split(fold=0, train=np.arange(len(index)), validation=nobody, test=nobody)]


def split_clips(protocol: str, index: pd.DataFrame, seed: int = 0) -> list[Split]:
    """Split the clips of actors by a protocol, and add those of unknown people to every training side.

    Parameters
    ----------
    protocol : str
        A name in ``PROTOCOLS``, or ``DEPLOYMENT``.
    index : pandas.DataFrame
        Distinct clips.
    seed : int
        As the protocol's function takes it.

    Returns
    -------
    list of Split
        Positions of rows of the whole index.
    """
    is_unknown = (index["actor"] == UNKNOWN_ACTOR).to_numpy()
    known, unknown = np.flatnonzero(~is_unknown), np.flatnonzero(is_unknown)
    splits = (PROTOCOLS | {DEPLOYMENT: split_all})[protocol](index.iloc[known].reset_index(drop=True), seed)
    return [
        Split(split.fold, np.append(known[split.train], unknown), known[split.validation], known[split.test])
        for split in splits
    ]
