"""Protocols: who is trained on, who chooses the epoch, who is evaluated.

``reference`` repeats the reference project: every clip twice, a random split, and the clips that choose the epoch are
those of the report. It leaks by design. In the others, the clips that choose the epoch (``validation``) are taken from
the training side, and no clip is evaluated by a network that saw it. In the protocols of speakers the same holds for
whole speakers: those of a corpus's own ``folds``, or ``speaker``, which deals speakers into folds.

Sounds of unknown people (``UNKNOWN_SPEAKER``) and of other corpora, which come from elsewhere, train in every split and
are evaluated in none but ``corpus-<name>``, which evaluates all of another corpus by a model that met none of it. What
is only tried trains nowhere.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from core.corpus.base import AUTOMATIC, CORPUS_PREFIX, Corpus
from core.errors import CorpusError
from core.labels import UNKNOWN_SPEAKER, order_channels

TEST_SHARE: Final = 0.2
REFERENCE_SPLIT_SEED: Final = 42
VALIDATION_SHARE: Final = 0.1
"""Share of the training clips that choose the epoch in ``random``; of speakers, one of each gender does."""
N_FOLDS: Final = 5
"""Folds that the speakers of a corpus without folds are dealt into, fewer where it has fewer speakers."""
MIN_SPEAKERS: Final = 3
"""Fewest speakers that must remain to train on."""
DEPLOYMENT: Final = "all"
"""Name of the split that evaluates nobody: all clips train a model that is to be used."""

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


def protocols_of(corpus: Corpus) -> dict[str, SplitFunction]:
    """Return the protocols of a corpus: names, and functions of an index of distinct clips and a seed."""
    protocols: dict[str, SplitFunction] = {"reference": split_reference, "random": split_random}
    for name, folds in corpus.folds.items():
        protocols[name] = functools.partial(split_by_speaker, folds=folds)
    return protocols if corpus.folds else protocols | {AUTOMATIC: split_dealt}


def split_reference(index: pd.DataFrame, seed: int = 0) -> list[Split]:
    """Split as the reference project did: each clip twice, 80 % and 20 % at random, stratified by emotion.

    Files stand in the order of the doubled archives: speech before song, in each the speakers' folders and then the
    same folders again.

    Parameters
    ----------
    index : pandas.DataFrame
        Distinct clips, with columns ``clip``, ``channel``, ``speaker`` and ``emotion``.
    seed : int
        Not used: the reference fixed the seed of its split at 42.

    Returns
    -------
    list of Split
        One split; ``validation`` is ``test``.
    """
    del seed
    in_folders = index.reset_index(drop=True).sort_values(["speaker", "clip"])
    channels = order_channels(in_folders["channel"])
    archives = [in_folders.index[in_folders["channel"] == channel].to_numpy() for channel in channels]
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
    share = max(VALIDATION_SHARE, len(np.unique(emotions[rest])) / len(rest))  # one of each emotion in a small corpus
    _, validation = train_test_split(rest, test_size=share, stratify=emotions[rest], random_state=seed)
    side[validation] = "validation"
    _keep_together(side, index)
    return [Split(0, *(np.flatnonzero(side == name) for name in ("train", "validation", "test")))]


def _keep_together(side: NDArray[np.str_], index: pd.DataFrame) -> None:
    """Put every repeated recording on the side of its first."""
    row_of = {path: row for row, path in enumerate(index["path"])}
    for row, original in enumerate(index["duplicate_of"]):
        if original in row_of:
            side[row] = side[row_of[original]]


def split_by_speaker(index: pd.DataFrame, seed: int = 0, *, folds: Sequence[Sequence[str]]) -> list[Split]:
    """Split so that no speaker stands on two sides.

    Parameters
    ----------
    index : pandas.DataFrame
        Distinct clips, with columns ``speaker`` and ``gender``.
    seed : int
        Seed of the choice of the validation speakers, one of each gender of the fold's training side.
    folds : sequence of sequences of str
        Evaluated speakers of each fold.

    Returns
    -------
    list of Split
        One split a fold; folds without a clip to evaluate in the index are left out.

    Raises
    ------
    CorpusError
        If fewer than three speakers are not evaluated in a fold, or all of them would choose the epoch.
    """
    speakers = index["speaker"].to_numpy(dtype=str)
    gender = dict(zip(speakers, index["gender"], strict=True))
    splits = []
    for fold, test_speakers in enumerate(folds):
        test = np.isin(speakers, test_speakers)
        if not test.any():
            continue
        others = np.unique(speakers[~test])
        chosen = _validation_speakers(others, gender, np.random.default_rng([seed, fold]))
        if len(others) < MIN_SPEAKERS or len(chosen) == len(others):
            raise CorpusError(
                f"Only {len(others)} speakers remain to train on and to choose by; protocols of speakers need "
                f"{max(MIN_SPEAKERS, len(chosen) + 1)}."
            )
        validation = np.isin(speakers, chosen)
        splits.append(
            Split(fold, np.flatnonzero(~test & ~validation), np.flatnonzero(validation), np.flatnonzero(test))
        )
    return splits


def split_dealt(index: pd.DataFrame, seed: int = 0) -> list[Split]:
    """Split by speaker into folds of nearly equal size, with each gender spread over them; see ``split_by_speaker``."""
    return split_by_speaker(index, seed, folds=deal_speakers(index))


def deal_speakers(index: pd.DataFrame) -> list[list[str]]:
    """Return the speakers of an index in ``N_FOLDS`` folds, gender by gender and in order of their names.

    >>> index = pd.DataFrame({"speaker": ["a", "b", "c", "d"], "gender": ["f", "m", "f", "m"]})
    >>> deal_speakers(index)
    [['a'], ['c'], ['b'], ['d']]
    """
    people = index[["gender", "speaker"]].drop_duplicates("speaker").sort_values(["gender", "speaker"])
    names = people["speaker"].tolist()
    n_folds = min(N_FOLDS, len(names))
    return [names[k::n_folds] for k in range(n_folds)]


def by_gender(speakers: Sequence[str] | NDArray[np.str_], gender: "dict[str, str]") -> list[list[str]]:
    """Return speakers in groups of one gender, male before female before unknown."""
    genders = sorted({gender[speaker] for speaker in speakers}, reverse=True)
    return [[str(speaker) for speaker in speakers if gender[speaker] == one] for one in genders]


def _validation_speakers(speakers: NDArray[np.str_], gender: dict[str, str], rng: np.random.Generator) -> list[str]:
    """Draw one speaker of each gender."""
    return [str(rng.choice(group)) for group in by_gender(speakers, gender)]


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


def other_corpora(corpus: Corpus, index: pd.DataFrame) -> list[str]:
    """Return the names of the other corpora in an index, in their order; sounds of unknown people are of none."""
    known = index.loc[index["speaker"] != UNKNOWN_SPEAKER, "corpus"]
    return [str(name) for name in known.unique() if name != corpus.name]


def split_clips(
    corpus: Corpus, protocol: str, index: pd.DataFrame, seed: int = 0, *, tried: Sequence[str] = ()
) -> list[Split]:
    """Split the clips of a corpus by a protocol, and add those from elsewhere to every training side.

    Parameters
    ----------
    corpus : Corpus
        Whose protocols count.
    protocol : str
        A name in ``protocols_of``, ``DEPLOYMENT``, or ``corpus-<name>`` for another corpus in the index.
    index : pandas.DataFrame
        Distinct clips, with a column ``corpus``.
    seed : int
        As the protocol's function takes it.
    tried : sequence of str
        Corpora in the index that train nowhere.

    Returns
    -------
    list of Split
        Positions of rows of the whole index.

    Raises
    ------
    CorpusError
        If there are too few clips or speakers.
    """
    of_corpus = index["corpus"].to_numpy(dtype=str)
    is_known = (of_corpus == corpus.name) & (index["speaker"] != UNKNOWN_SPEAKER).to_numpy()
    is_tried = np.isin(of_corpus, tried)
    if protocol.startswith(CORPUS_PREFIX):
        is_evaluated = of_corpus == protocol.removeprefix(CORPUS_PREFIX)
        nobody = np.empty(0, dtype=np.intp)
        return [Split(0, np.flatnonzero(~is_evaluated & ~is_tried), nobody, np.flatnonzero(is_evaluated))]
    known, others = np.flatnonzero(is_known), np.flatnonzero(~is_known & ~is_tried)
    split = (protocols_of(corpus) | {DEPLOYMENT: split_all})[protocol]
    try:
        splits = split(index.iloc[known].reset_index(drop=True), seed)
    except ValueError as error:
        raise CorpusError(f"{corpus.title} is too small for the protocol {protocol!r} ({error}).") from error
    return [
        Split(split.fold, np.append(known[split.train], others), known[split.validation], known[split.test])
        for split in splits
    ]
