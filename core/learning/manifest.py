"""What a stored model is: its manifest, and how one of an earlier version is read."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from core.corpus.base import protocol_texts
from core.corpus.known import default_corpus
from core.values import check_kind, check_values

FORMAT: Final = 2
FIRST_FORMAT: Final = 1
"""Format of version 0.1.0, which knew one corpus and did not name it."""


@dataclasses.dataclass(frozen=True)
class CorpusRecord:
    """What a model was trained on and evaluated by."""

    name: str
    """Name of the corpus."""
    title: str
    """What people call it."""
    licence: str
    """Name of its licence."""
    digest: str
    """SHA-256 of the names and sounds of its clips, feedback included."""
    n_clips: int
    """Clips of the corpus."""
    n_speakers: int
    """Their speakers."""
    channels: tuple[str, ...]
    """Their channels, speech first."""
    main_protocol: str
    """Protocol whose figures count: it chose the threshold, and decides on promotions."""
    protocols: Mapping[str, str]
    """What people must know of each protocol of the corpus."""
    n_feedback: int = 0
    """Clips besides, from users."""
    others: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Clips besides, from other corpora, by name."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """The confidence below which a model is unsure, and what it is worth; see ``core.learning.evaluation``."""

    threshold: float | None
    """None where every answer is unsure."""
    precision: float
    """Wanted share of right answers."""
    answered: float = 0.0
    """Share of the clips that got an answer, each by a threshold that was chosen on other folds."""
    answered_precision: float = 0.0
    """Share of right ones among these; 0 where none was given."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a model is."""

    recipe: Mapping[str, Any]
    """Fields of its recipe, without the features."""
    features: Mapping[str, Any]
    """Fields of the configuration of its features."""
    features_hash: str
    """Hash of that configuration."""
    labels: tuple[str, ...]
    """Its emotions, in the order of its probabilities."""
    corpus: CorpusRecord
    """What it was trained on."""
    protocol: str
    """Protocol that trained the deployed network."""
    seed: int
    """Seed of the deployed network."""
    decision: Decision
    """When it is unsure."""
    format: int = FORMAT
    """Version of the manifest."""
    name: str = ""
    """Name of the model; empty before it is published, as what follows."""
    created: str = ""
    """When it was published, in UTC."""
    libraries: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Versions of the libraries that decide results."""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """SHA-256 of each file."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Manifest":
        """Return what ``to_json`` made, or a manifest of version 0.1.0.

        Parameters
        ----------
        fields : mapping
            Decoded JSON, from anywhere.

        Returns
        -------
        Manifest

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError, RecursionError
            If it is no manifest, or a number in it cannot be what it is called.
        """
        check_values(fields)
        if fields["format"] not in (FIRST_FORMAT, FORMAT):
            raise ValueError(f"format {fields['format']!r}")
        corpus = fields["corpus"] if fields["format"] == FORMAT else _first_corpus(fields["corpus"])
        channels, labels = tuple(corpus["channels"]), tuple(fields["labels"])
        record = CorpusRecord(**{**corpus, "channels": channels, "protocols": dict(corpus["protocols"])})
        decision = Decision(**fields["decision"])
        check_kind("recipe", fields["recipe"]["name"], str)
        known = {field.name for field in dataclasses.fields(cls)} - {"corpus", "decision", "labels"}
        plain = {name: value for name, value in fields.items() if name in known}
        manifest = cls(**plain, labels=labels, corpus=record, decision=decision)
        check_kind("manifest", manifest, cls)
        _check_numbers(manifest)
        return manifest


def _check_numbers(manifest: Manifest) -> None:
    """Refuse numbers that cannot be what they are called.

    Raises
    ------
    ValueError
        If a share is not from 0 to 1, or a count or seed is negative.
    """
    corpus = manifest.corpus
    for name, share in dataclasses.asdict(manifest.decision).items():
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f"{name} is {share!r:.40}, not a share from 0 to 1")
    counts = {"seed": manifest.seed, "n_clips": corpus.n_clips, "n_speakers": corpus.n_speakers}
    for name, count in (counts | {"n_feedback": corpus.n_feedback} | dict(corpus.others)).items():
        if count < 0:
            raise ValueError(f"{name} is {count!r:.40}")


def _first_corpus(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of the one corpus that version 0.1.0 knew."""
    corpus = default_corpus()
    kept = {name: fields[name] for name in ("digest", "n_clips", "channels")}
    return {
        **kept,
        "n_speakers": fields["n_actors"],
        "n_feedback": fields.get("n_feedback", 0),
        "name": corpus.name,
        "title": corpus.title,
        "licence": corpus.licence,
        "main_protocol": corpus.main_protocol,
        "protocols": protocol_texts(corpus),
    }
