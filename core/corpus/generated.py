"""A generated corpus of RAVDESS' shape: names, folders and quirks are real, the voices are harmonic tones.

For tests and first steps without the real one. Emotions differ in pitch, level and vibrato, actors in pitch, so that
a network can learn something, and nothing can be concluded from it about people.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from core.corpus.names import Clip, expected_clips, parse_clip
from core.errors import CorpusError
from core.labels import EMOTIONS

RATE: Final = 48_000
LAYOUTS: Final = ("zenodo", "kaggle", "flat")
ARCHIVES: Final = {"speech": "Audio_Speech_Actors_01-24", "song": "Audio_Song_Actors_01-24"}

_PITCH: Final = {"male": 110.0, "female": 200.0}


def generate_corpus(
    root: Path, *, actors: Iterable[int] = range(1, 25), duration: float = 1.2, layout: str = "zenodo"
) -> list[Path]:
    """Write generated clips for all names of the release by some actors.

    Parameters
    ----------
    root : path
        Folder to write into; made where it is missing.
    actors : iterable of int
        Numbers of the actors.
    duration : float
        Length of a clip, in seconds.
    layout : str
        ``zenodo`` (archive, actor), ``kaggle`` (the same, and each clip again in a folder inside) or ``flat``.

    Returns
    -------
    list of path
        The files written, as 16-bit WAV at 48 kHz.

    Raises
    ------
    CorpusError
        If the layout is unknown.
    """
    if layout not in LAYOUTS:
        raise CorpusError(f"There is no layout {layout!r}; choose from {', '.join(LAYOUTS)}.")
    chosen = set(actors)
    paths = []
    for name in expected_clips():
        clip = parse_clip(name)
        if clip.actor in chosen:
            y = generate_voice(clip, duration, np.random.default_rng([int(field) for field in name.split("-")]))
            for path in _paths(root, clip, layout):
                path.parent.mkdir(parents=True, exist_ok=True)
                sf.write(path, y, RATE, subtype="PCM_16")
                paths.append(path)
    return paths


def generate_voice(clip: Clip, duration: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a harmonic tone whose pitch, level and vibrato follow from the clip's fields.

    Parameters
    ----------
    clip : Clip
        Fields of the name.
    duration : float
        Length, in seconds.
    rng : np.random.Generator
        Source of phase and noise.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        Samples at 48 kHz.
    """
    rank = EMOTIONS.index(clip.emotion) / (len(EMOTIONS) - 1)
    t = np.arange(int(duration * RATE)) / RATE
    f0 = _PITCH[clip.gender] * (1 + 0.01 * clip.actor) * (1 + 0.6 * rank)
    phase = 2 * np.pi * f0 * t + (3 + 10 * rank) * np.sin(2 * np.pi * (4 + 3 * rank) * t)
    harmonics = sum(np.sin(k * phase + rng.uniform(0, 2 * np.pi)) / k for k in range(1, 8))
    level = 0.05 * (1 + rank) * (2 if clip.intensity == "strong" else 1)
    fade = np.minimum(1, 20 * np.minimum(t, t[::-1]))
    return np.asarray(level * fade * harmonics + rng.normal(0, 1e-4, t.shape), dtype=np.float32)


def _paths(root: Path, clip: Clip, layout: str) -> list[Path]:
    """Return where the files of a clip stand in a layout."""
    file, actor = f"{clip.name}.wav", f"Actor_{clip.actor:02d}"
    archive = ARCHIVES[clip.channel]
    if layout == "flat":
        return [root / file]
    if layout == "zenodo":
        return [root / archive / actor / file]
    return [root / archive / actor / file, root / archive / archive.lower() / actor / file]
