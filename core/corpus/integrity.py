"""What is wrong with a corpus folder: missing, unreadable, stereo, odd rates, doubled clips."""

import dataclasses

import pandas as pd

from core.corpus.base import Corpus


@dataclasses.dataclass(frozen=True)
class Integrity:
    """Findings about an index; each list names clips or paths in order."""

    n_files: int
    """All files with a clip's name."""
    n_clips: int
    """Distinct clip names with a readable file."""
    missing: tuple[str, ...]
    """Clips of the release without a readable file."""
    unreadable: tuple[str, ...]
    """Paths that cannot be decoded."""
    stereo: tuple[str, ...]
    """Clips with more than one channel."""
    odd_rate: tuple[str, ...]
    """Clips at another rate than that of the release, or than most where it has none."""
    doubled: tuple[str, ...]
    """Clips that have several files, as in Kaggle's archives."""
    same_recording: tuple[tuple[str, str], ...]
    """Pairs of differently named clips that hold the same sound."""

    @property
    def is_complete(self) -> bool:
        """Whether all clips are there and readable."""
        return not self.missing


def check_integrity(index: pd.DataFrame, corpus: Corpus) -> Integrity:
    """Compare an index with the release.

    Parameters
    ----------
    index : pandas.DataFrame
        As from ``core.corpus.index.scan``.
    corpus : Corpus
        Whose clips they are.

    Returns
    -------
    Integrity
        What is missing, unreadable, stereo, at an odd rate or doubled.
    """
    readable = index[index["error"] == ""]
    clips = readable.drop_duplicates("clip")
    names_by_path = dict(zip(readable["path"], readable["clip"], strict=True))
    duplicates = readable[readable["duplicate_of"] != ""]
    pairs = {
        (names_by_path[first], clip) for first, clip in zip(duplicates["duplicate_of"], duplicates["clip"], strict=True)
    }
    expected = corpus.expected() if corpus.expected is not None else []
    rate = corpus.rate or clips["rate"].mode().max()
    return Integrity(
        n_files=len(index),
        n_clips=len(clips),
        missing=tuple(sorted(set(expected) - set(clips["clip"]))),
        unreadable=tuple(index.loc[index["error"] != "", "path"]),
        stereo=tuple(clips.loc[clips["channels"] > 1, "clip"]),
        odd_rate=tuple(clips.loc[clips["rate"] != rate, "clip"]),
        doubled=tuple(sorted(set(readable.loc[readable.duplicated("clip"), "clip"]))),
        same_recording=tuple(sorted(pair for pair in pairs if pair[0] != pair[1])),
    )
