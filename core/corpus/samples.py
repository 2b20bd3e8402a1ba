"""Sounds to try without a recording of one's own: clips of known corpora, one an emotion, and synthesized voices."""

import dataclasses
from pathlib import Path, PurePath
from typing import Final

from core.corpus.known import known_corpora

SAMPLE_FOLDER: Final = Path(__file__).parent / "sample_audio"
SYNTHESIZED: Final = {
    "synthesized-plain": "Synthesized voice, plain",
    "synthesized-lively": "Synthesized voice, high and fast",
    "synthesized-slow": "Synthesized voice, low and slow",
}


@dataclasses.dataclass(frozen=True)
class Sample:
    """A sound to try."""

    title: str
    """What it is, for people."""
    path: Path
    is_real: bool
    """Whether a person made it."""


def list_samples() -> list[Sample]:
    """Return the sounds that can be tried: those of a person first, then the synthesized ones."""
    return [*_acted(), *list_synthesized()]


def list_synthesized() -> list[Sample]:
    """Return the synthesized voices."""
    return [Sample(title, SAMPLE_FOLDER / f"{name}.flac", is_real=False) for name, title in SYNTHESIZED.items()]


def _acted() -> list[Sample]:
    samples = []
    for corpus in known_corpora().values():
        for name in corpus.samples:
            path = SAMPLE_FOLDER / f"{name}.ogg"
            clip = corpus.parse(PurePath(path.name).with_suffix(".flac"))
            if clip is None:
                continue
            speaker = corpus.speaker_title(clip["speaker"])
            title = f"{clip['emotion'].capitalize()}, acted by {corpus.title} {speaker.lower()}"
            samples.append(Sample(title, path, is_real=True))
    return samples
