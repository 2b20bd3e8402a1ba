"""The corpus on the screens: its index, its clips as sounds."""

import dataclasses
from pathlib import Path

import pandas as pd
import streamlit as st

from core.config import corpus_root, data_folder
from core.corpus.index import clip_path, distinct_clips
from pages.ui import cache


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """A corpus folder that was found, and what is in it."""

    root: Path
    index: pd.DataFrame
    """A row a file, as from ``core.corpus.index.scan``."""

    @property
    def clips(self) -> pd.DataFrame:
        """A row a clip, as from ``core.corpus.index.distinct_clips``."""
        return distinct_clips(self.index)

    def read(self, clip: str) -> bytes:
        """Return the file of a clip; its name may come from outside."""
        path = clip_path(self.index, self.root, clip)
        digest = self.index.loc[self.index["clip"] == clip, "digest"].iloc[0]
        return cache.st_clip(str(self.root.resolve()), str(path.relative_to(self.root.resolve())), digest)


def find_corpus() -> Corpus | None:
    """Return the corpus that ``RAVDESS_ROOT`` names, None where it is unset; its first reading shows progress."""
    root = corpus_root()
    if root is None:
        return None
    place = st.empty()

    def show(done: int, n: int) -> None:
        place.progress(done / n, text=f"Reading the corpus: {done:,} of {n:,} files")

    index = cache.st_index(str(root), str(data_folder())).read(show)
    place.empty()
    return Corpus(root, index)
