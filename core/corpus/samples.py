"""Sounds to try without a recording of one's own: synthesized ones that ship, real ones where the corpus is."""

import dataclasses
from pathlib import Path
from typing import Final

from core.corpus.names import AUDIO_SUFFIXES, parse_clip
from core.labels import EMOTION_CODES

SAMPLE_FOLDER: Final = Path(__file__).parent / "sample_audio"
SYNTHESIZED: Final = {
    "synthesized-plain": "Synthesized voice, plain",
    "synthesized-lively": "Synthesized voice, high and fast",
    "synthesized-slow": "Synthesized voice, low and slow",
}
SAMPLE_ACTOR: Final = 12


@dataclasses.dataclass(frozen=True)
class Sample:
    """A sound to try."""

    title: str
    """What it is, for people."""
    path: Path
    is_real: bool
    """Whether a person made it."""


def list_samples(root: Path | None = None) -> list[Sample]:
    """Return the sounds that can be tried.

    Parameters
    ----------
    root : path, optional
        Corpus folder.

    Returns
    -------
    list of Sample
        One clip of each emotion by one actor where the corpus holds them, then the synthesized voices.
    """
    synthesized = [Sample(title, SAMPLE_FOLDER / f"{name}.flac", is_real=False) for name, title in SYNTHESIZED.items()]
    if root is None:
        return synthesized
    names = [f"03-01-{code}-01-01-01-{SAMPLE_ACTOR:02d}" for code in EMOTION_CODES]
    found = {
        path.stem: path for path in root.rglob(f"03-01-*-{SAMPLE_ACTOR:02d}.*") if path.suffix.lower() in AUDIO_SUFFIXES
    }
    real = [
        Sample(f"RAVDESS actor {SAMPLE_ACTOR}, acting {parse_clip(name).emotion}", found[name], is_real=True)
        for name in names
        if name in found
    ]
    return real + synthesized
