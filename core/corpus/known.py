"""The corpora that the code knows, by name; loaded when they are asked for."""

from core.corpus.base import Corpus
from core.errors import CorpusError
from core.parts import CORPORA, load_part


def load_corpus(name: str) -> Corpus:
    """Return a corpus that the code knows.

    Raises
    ------
    CorpusError
        If it knows none of this name.
    """
    if name not in CORPORA:
        raise CorpusError(f"There is no corpus {name!r}; known are {', '.join(CORPORA)}.")
    corpus: Corpus = load_part(CORPORA[name])
    return corpus


def known_corpora() -> dict[str, Corpus]:
    """Return the corpora that the code knows, by name, the default one first."""
    return {name: load_corpus(name) for name in CORPORA}


def default_corpus() -> Corpus:
    """Return the corpus that is meant where none is named."""
    return load_corpus(next(iter(CORPORA)))
