"""Which corpora are there: those that the code knows, in the folders that the environment names, and other folders.

``<NAME>_ROOT`` names the folder of a known corpus (see ``Corpus.root_variable``); without it, the folder that it was
downloaded to counts. ``SOUNDWEB_CORPORA`` lists further folders, each with a table (``core.corpus.table``) or an
audformat database (``core.corpus.databases``).
"""

import dataclasses
import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from core.config import data_folder
from core.corpus.base import NAME_PATTERN, Corpus
from core.corpus.databases import is_database, open_database
from core.corpus.known import default_corpus, known_corpora, load_corpus
from core.corpus.table import is_table, open_table
from core.errors import CorpusError
from core.parts import CORPORA
from core.settings import PROGRAM, read_folder, read_text

FOLDERS_VARIABLE: Final = "SOUNDWEB_CORPORA"
KINDS: Final[tuple[tuple[Callable[[Path], bool], Callable[[Path, str], Corpus]], ...]] = (
    (is_table, open_table),
    (is_database, open_database),
)
"""Kinds of folders that describe themselves: how they are known, and how they are opened."""


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """A corpus and the folder that holds it."""

    corpus: Corpus
    """What it is."""
    root: Path
    """Its folder, which may not exist."""

    @property
    def index_path(self) -> Path:
        """Where its index is kept, so that files are read once."""
        return data_folder() / f"index-{self.corpus.name}.csv"


def download_folder(corpus: Corpus) -> Path:
    """Return the folder that a corpus is downloaded to: its name, in the data folder."""
    return data_folder() / corpus.name


def download_command(corpus: Corpus) -> str:
    """Return the command that fetches a corpus; the default one needs no name."""
    named = "" if corpus is default_corpus() else f" --corpus {corpus.name}"
    return f"{PROGRAM} download{named}"


def list_places() -> list[Place]:
    """Return all corpora that have a folder, the default one first.

    Raises
    ------
    CorpusError
        If a folder of ``SOUNDWEB_CORPORA`` is no corpus, or two have the same name.
    """
    places = [Place(corpus, root) for corpus in known_corpora().values() if (root := _root_of(corpus)) is not None]
    for folder in filter(None, (read_text(FOLDERS_VARIABLE) or "").split(os.pathsep)):
        place = open_folder(Path(folder))
        if place.corpus.name in {*CORPORA, *(other.corpus.name for other in places)}:
            raise CorpusError(f"{FOLDERS_VARIABLE}: two corpora are called {place.corpus.name!r}. Rename a folder.")
        places.append(place)
    return places


def find_place(name: str | None = None) -> Place:
    """Return a corpus that has a folder.

    Parameters
    ----------
    name : str, optional
        Name of the corpus; the first one by default.

    Returns
    -------
    Place

    Raises
    ------
    CorpusError
        If it has no folder.
    """
    places = list_places()
    for place in places:
        if name in (None, place.corpus.name):
            return place
    if name is None or name in CORPORA:
        corpus = default_corpus() if name is None else load_corpus(name)
        fetch = f"Fetch it by '{download_command(corpus)}', or set" if corpus.source else "Set"
        raise CorpusError(f"There is no corpus {corpus.title}. {fetch} {corpus.root_variable} to its folder.")
    names = ", ".join([*CORPORA, *(place.corpus.name for place in places if place.corpus.name not in CORPORA)])
    raise CorpusError(f"There is no corpus {name!r}; known are {names}. Name its folder in {FOLDERS_VARIABLE}.")


def find_corpus(name: str) -> Corpus:
    """Return a corpus by name, whether or not it has a folder.

    Raises
    ------
    CorpusError
        If there is none of this name.
    """
    return load_corpus(name) if name in CORPORA else find_place(name).corpus


def open_folder(root: Path) -> Place:
    """Return the corpus of a folder that describes itself, called after the folder.

    Raises
    ------
    CorpusError
        If the folder is missing, of no known kind, or has a name that cannot be used.
    """
    name = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-")
    if NAME_PATTERN.fullmatch(name) is None:
        raise CorpusError(f"The folder {str(root)!r} needs a name that begins with a letter from a to z.")
    for is_kind, open_kind in KINDS:
        if is_kind(root):
            return Place(_open_once(open_kind, root, name, _stamp(root)), root)
    raise CorpusError(f"{str(root)!r} is no corpus: it has neither manifest.csv nor db.yaml. Add a table of its files.")


@functools.lru_cache(maxsize=8)
def _open_once(open_kind: Callable[[Path, str], Corpus], root: Path, name: str, stamp: tuple[int, ...]) -> Corpus:
    """Open a folder, once for each state of its description."""
    del stamp
    return open_kind(root, name)


def _stamp(root: Path) -> tuple[int, ...]:
    """Return when the files that describe a folder were changed."""
    found = [*root.glob("*.csv"), *root.glob("*.yaml"), *root.glob("*.parquet")]
    return tuple(sorted(path.stat().st_mtime_ns for path in found))


def _root_of(corpus: Corpus) -> Path | None:
    """Return the folder of a known corpus, which may not exist where the environment names it; None without one."""
    root = read_folder(corpus.root_variable)
    if root is not None:
        return root
    # What is still being fetched lies in a hidden folder there.
    folder = download_folder(corpus)
    return folder if any(folder.glob("[!.]*")) else None
