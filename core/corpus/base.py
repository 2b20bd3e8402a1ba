"""What a corpus is: names and fields of its clips, its folds, where it comes from, and how it is spoken of.

A corpus is one ``Corpus``, in a module of its own, with a line in ``core.parts.CORPORA``. Everything else works on the
columns of ``core.corpus.index.scan``.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from core.corpus.sources import LooseFiles, Source
from core.errors import CorpusError
from core.labels import RESERVED
from core.parts import root_variable

NAME_PATTERN: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LABEL_PATTERN: Final = re.compile(r"[^\W\d_][\w -]{0,39}")
DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {"gender": "", "channel": "speech", "intensity": "", "statement": "", "repetition": 1, "language": ""}
)
"""Columns besides clip, speaker and emotion that every index has, and what stands there where a corpus says nothing."""

Clip: TypeAlias = Mapping[str, Any]
"""Fields of a clip: ``clip`` (its name, unique in the corpus), ``speaker``, ``emotion``, and any others."""


def is_label_set(labels: tuple[str, ...]) -> bool:
    """Tell whether labels can be those of a model: two or more words, sorted, each once, none with another meaning.

    >>> is_label_set(("happy", "sad")), is_label_set(("sad", "happy")), is_label_set(("clip", "sad"))
    (True, False, False)
    """
    is_plain = all(LABEL_PATTERN.fullmatch(label) and label not in RESERVED for label in labels)
    return is_plain and tuple(sorted(set(labels))) == labels and len(labels) > 1


@dataclasses.dataclass(frozen=True)
class Field:
    """A column that clips are told apart by on screens."""

    name: str
    """Name of the column."""
    title: str
    """What people call it."""
    values: tuple[Any, ...] = ()
    """Its values in the order in which they are shown; those that occur, sorted, where none are given."""


@dataclasses.dataclass(frozen=True)
class Listeners:
    """How often people chose the intended emotion."""

    accuracy: float
    """Share of the clips."""
    channel: str
    """Channel of the clips that they heard."""
    source: str
    """Address of the publication."""
    title: str
    """Authors and year."""


@dataclasses.dataclass(frozen=True)
class Texts:
    """How a corpus is spoken of on screens and in cards."""

    about: str = "A folder of recordings with a table of what they are."
    """What it holds, in a sentence or two."""
    citation: str = ""
    """Authors and year."""
    link: str = ""
    """Address of its record."""
    domain: str = ""
    """Whose voices a model of it knows, as the end of "made to study emotion recognition on ..."."""
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What must be known to read a finding of ``core.corpus.integrity`` (by its name), or why a clip is missing
    (``gaps``)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """A collection of clips whose emotions are known."""

    name: str
    """Short, in small letters; the environment names its folder by it, see ``root_variable``."""
    title: str
    """What people call it."""
    labels: tuple[str, ...]
    """Its emotions, sorted."""
    parse: Callable[[PurePath], Clip | None]
    """Called with a file's path relative to the corpus folder; returns what it says, None where it is no clip."""
    fields: tuple[Field, ...] = ()
    """Fields that screens tell clips apart by, besides the emotion."""
    folds: Mapping[str, tuple[tuple[str, ...], ...]] = dataclasses.field(default_factory=dict)
    """Evaluated speakers of each fold, by protocol, the main one last; dealt automatically without them."""
    protocol_texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What people must know of the protocols of ``folds``."""
    source: Source | LooseFiles | None = None
    """Where it can be fetched."""
    texts: Texts = dataclasses.field(default_factory=Texts)
    """How it is spoken of."""
    licence: str = "not stated"
    """Name of its licence."""
    licence_link: str = ""
    """Address of its licence."""
    rate: int | None = None
    """Sampling rate of its clips, in Hz, where it has one."""
    expected: Callable[[], list[str]] | None = None
    """Returns the names of all clips of the release, sorted, where they are known."""
    samples: tuple[str, ...] = ()
    """Clips to try, one an emotion."""
    listeners: Listeners | None = None
    """How well people do on it."""

    def __post_init__(self) -> None:
        problem = ""
        if NAME_PATTERN.fullmatch(self.name) is None:
            problem = "its name needs small letters, digits and hyphens"
        elif not is_label_set(self.labels):
            problem = f"its labels must be two or more words, sorted, each once: {list(self.labels)}"
        if problem:
            raise CorpusError(f"The corpus {self.name!r} cannot be used: {problem}. Correct it where it is defined.")

    @property
    def root_variable(self) -> str:
        """Environment variable that names its folder."""
        return root_variable(self.name)

    @property
    def main_protocol(self) -> str:
        """Name of the protocol whose figures count: whole speakers apart."""
        return [*self.folds][-1] if self.folds else AUTOMATIC

    def field(self, name: str) -> Field:
        """Return a field by name; one of its own title where the corpus does not list it."""
        return self._fields.get(name) or Field(name, name.replace("_", " ").capitalize())

    def speaker_title(self, speaker: str) -> str:
        """Return a speaker in words."""
        return f"{self.field('speaker').title} {speaker}"

    @functools.cached_property
    def _fields(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}


CORPUS_PREFIX: Final = "corpus-"
"""First part of the names of protocols that evaluate another corpus."""
AUTOMATIC: Final = "speaker"
"""Protocol of corpora without folds of their own: speakers are dealt into folds."""


PROTOCOL_TEXTS: Final = {
    "reference": "each clip twice, random split: clips stand on both sides",
    "random": "each clip once, random split: voices stand on both sides",
    AUTOMATIC: "unseen speakers, dealt into folds",
}
"""What people must know of the protocols that every corpus has."""


def protocol_texts(corpus: Corpus, others: Sequence[str] = ()) -> dict[str, str]:
    """Return what people must know of each protocol of a corpus, and of those that leave other corpora out."""
    known = PROTOCOL_TEXTS | dict(corpus.protocol_texts)
    names = ("reference", "random", *(corpus.folds or (AUTOMATIC,)))
    own = {name: known.get(name, "unseen speakers, by published folds") for name in names}
    left_out = {corpus_protocol(name): f"another corpus, {name}, none of which was trained on" for name in others}
    return own | left_out


def corpus_protocol(name: str) -> str:
    """Return the protocol that evaluates a whole other corpus.

    >>> corpus_protocol("emovo")
    'corpus-emovo'
    """
    return f"{CORPUS_PREFIX}{name}"


def describe(clip: Clip, corpus: Corpus) -> str:
    """Return a clip's fields in words, on one line: speaker, emotion, and what else is known.

    Parameters
    ----------
    clip : mapping
        A row of an index.
    corpus : Corpus
        Its corpus.

    Returns
    -------
    str
    """
    words = [corpus.speaker_title(str(clip["speaker"])), str(clip["emotion"])]
    words += [str(clip[name]) for name in ("intensity", "channel", "language") if clip.get(name)]
    if clip.get("statement"):
        words.append(f'"{clip["statement"]}"')
    if corpus.field("repetition") in corpus.fields:
        words.append(f"take {clip['repetition']}")
    return ", ".join(words)
