"""The corpus on the screens: its index, its clips as sounds."""

import dataclasses
from pathlib import Path

import pandas as pd
import streamlit as st

from core.config import corpus_root
from core.corpus.index import clip_path
from core.work.progress import Progress
from pages.ui.shared import cache


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """A corpus folder that was found, and what is in it."""

    root: Path
    index: pd.DataFrame
    """A row a file, as from ``core.corpus.index.scan``."""
    clips: pd.DataFrame
    """A row a clip, as from ``core.corpus.index.distinct_clips``."""
    digest: str
    """SHA-256 of names and sounds, as from ``core.corpus.index.corpus_digest``."""

    def read(self, clip: str) -> bytes:
        """Return the file of a clip; its name may come from outside."""
        path = clip_path(self.index, self.root, clip)
        digest = self.index.loc[self.index["clip"] == clip, "digest"].iloc[0]
        return cache.st_clip(str(self.root.resolve()), str(path.relative_to(self.root.resolve())), digest)


def find_corpus() -> Corpus | None:
    """Return the corpus that ``RAVDESS_ROOT`` names or that was downloaded, or None; its first reading shows progress.

    The tables are shared by all sessions: read them, do not change them.
    """
    root = corpus_root()
    if root is None:
        return None
    place = st.empty()

    def show(progress: Progress) -> None:
        place.progress(progress.share, text=str(progress))

    tables = cache.corpus_tables(str(root), show)
    place.empty()
    return Corpus(root, tables.index, tables.clips, tables.digest)


def describe_corpus() -> str:
    """Return the state of the corpus in a few words, from what is known without reading it."""
    root = corpus_root()
    if root is None:
        return "No corpus"
    n_clips = cache.st_corpus_sizes().get(str(root))
    if n_clips is None:
        return "RAVDESS folder found" if root.is_dir() else "The corpus folder is missing"
    return f"RAVDESS, {n_clips:,} clips"
