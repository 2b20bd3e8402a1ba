"""The corpora on the screens: which there are, their indices, their clips as sounds."""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st

from core.audio.sound import Sound
from core.corpus.base import Corpus
from core.corpus.catalogue import Place, list_places
from core.corpus.known import default_corpus
from core.errors import CorpusError
from core.work.progress import Report, ignore
from pages.ui.shared import cache, links, state

if TYPE_CHECKING:
    import pandas as pd

_MARKS: Final = re.compile(r"([\\`*_{}\[\]()#+!|<>~$:@])")


@dataclasses.dataclass(frozen=True, eq=False)
class FoundCorpus:
    """A corpus whose folder was found, and what is in it."""

    corpus: Corpus
    """What it is."""
    root: Path
    index: "pd.DataFrame"
    """A row a file, as from ``core.corpus.index.scan``."""
    clips: "pd.DataFrame"
    """A row a clip, as from ``core.corpus.index.distinct_clips``."""
    digest: str
    """SHA-256 of names and sounds, as from ``core.corpus.index.corpus_digest``."""

    def read(self, clip: str) -> Sound:
        """Return the sound of a clip; its name may come from outside."""
        from core.corpus.index import clip_path

        path = clip_path(self.index, self.root, clip)
        digest = self.index.loc[self.index["clip"] == clip, "digest"].iloc[0]
        return cache.stored_sound(str(path), digest)

    def key(self, name: str) -> str:
        """Return the key of a widget whose choices are this corpus's own."""
        return name if self.corpus is default_corpus() else f"{self.corpus.name}-{name}"


def find_corpus(name: str | None = None) -> FoundCorpus | None:
    """Return a corpus by name, the first one by default, None where there is none; its first reading shows progress.

    The tables are shared by all sessions: read them, do not change them.
    """
    place = next((place for place in list_places() if name in (None, place.corpus.name)), None)
    return None if place is None else _open(place)


def address(corpus: FoundCorpus, clip: str, keys: state.SoundKeys = state.SOUND) -> dict[str, str]:
    """Return the parameters of a page's address that name a clip."""
    named = {} if corpus.corpus is default_corpus() else {keys.corpus: corpus.corpus.name}
    return named | {keys.linked: clip}


def choose_corpus(key: str = state.CORPUS) -> FoundCorpus | None:
    """Show a picker where there are several corpora, and return the chosen one, None where there is none."""
    places = {place.corpus.name: place for place in list_places()}
    if len(places) < 2:
        return find_corpus()
    told = links.news(key)
    if told is not None:
        st.session_state[key] = told[0]
    if st.session_state.get(key) not in places:
        st.session_state[key] = next(iter(places))
    name = st.selectbox(
        "Corpus",
        list(places),
        format_func=lambda name: places[name].corpus.title,
        key=key,
        width=240,
        persist_state="session",
        on_change=_tell,
        args=(key,),
    )
    return _open(places[name])


def describe_corpora() -> str:
    """Return the state of the corpora in a few words, from what is known without reading them."""
    try:
        places = list_places()
    except CorpusError:
        return "A corpus setting is wrong"
    if not places:
        return "No corpus"
    first, others = _describe(places[0]), places[1:]
    return f"{first} · {len(others)} more {'corpus' if len(others) == 1 else 'corpora'}" if others else first


def plain(text: str) -> str:
    r"""Return a text from outside as Markdown that shows it as it is.

    >>> print(plain("![x](y) 1*2"))
    \!\[x\]\(y\) 1\*2
    """
    return _MARKS.sub(r"\\\1", text)


def _tell(key: str) -> None:
    """Put the chosen corpus into the address, and take out clips of another one."""
    links.tell({key: [st.session_state[key]], state.CLIP: [], state.OTHER_CLIP: []})


def load_ahead() -> None:
    """Read the corpora whose indices are kept, for who will ask for them; others are read with a bar to watch."""
    for place in list_places():
        if place.index_path.is_file():
            _tables(place, ignore)


def _open(place: Place) -> FoundCorpus:
    bar = st.empty()
    corpus = _tables(place, lambda progress: bar.progress(progress.share, text=str(progress)))
    bar.empty()
    # The folder's description may have changed since its clips were read.
    return dataclasses.replace(corpus, corpus=place.corpus)


def _tables(place: Place, report: Report) -> FoundCorpus:
    """Return the tables of a corpus; whoever reads them first reports it."""

    def read(report: Report) -> FoundCorpus:
        from core.corpus.index import corpus_digest, distinct_clips, scan

        index = scan(place.root, place.corpus, cache=place.index_path, report=report)
        clips = distinct_clips(index)
        cache.st_corpus_sizes()[str(place.root)] = len(clips)
        return FoundCorpus(place.corpus, place.root, index, clips, corpus_digest(index))

    found: FoundCorpus = cache.st_corpus(str(place.root)).get(lambda: read(report), lambda: read(ignore))
    return found


def _describe(place: Place) -> str:
    n_clips, title = cache.st_corpus_sizes().get(str(place.root)), plain(place.corpus.title)
    if n_clips is None:
        return title if place.root.is_dir() else f"The folder of {title} is missing"
    return f"{title}, {n_clips:,} clips"
