"""Sounds to try without a recording of one's own: synthesized ones that ship, real ones where the corpus is."""

import dataclasses
from pathlib import Path
from typing import Final

from core.corpus.catalogue import Place
from core.corpus.index import find_clips

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


def list_samples(place: Place | None = None) -> list[Sample]:
    """Return the sounds that can be tried.

    Parameters
    ----------
    place : Place, optional
        A corpus whose clips can be tried too.

    Returns
    -------
    list of Sample
        Those clips that the corpus names for this, where its folder holds them, then the synthesized voices.
    """
    synthesized = [Sample(title, SAMPLE_FOLDER / f"{name}.flac", is_real=False) for name, title in SYNTHESIZED.items()]
    if place is None or not place.corpus.samples or not place.root.is_dir():
        return synthesized
    corpus, found = place.corpus, {}
    for path, clip in find_clips(place.root, place.corpus):
        if clip["clip"] in corpus.samples:
            title = f"{corpus.title} {corpus.speaker_title(clip['speaker']).lower()}, acting {clip['emotion']}"
            found[clip["clip"]] = Sample(title, path, is_real=True)
    return [found[name] for name in corpus.samples if name in found] + synthesized
