"""A generated corpus of RAVDESS' shape: names, folders and quirks are real, the voices are harmonic tones.

Emotions differ in pitch, level and vibrato, actors in pitch, so that
a network can learn something, and nothing can be concluded from it about people.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import soundfile as sf
from numpy.typing import NDArray

from core.corpus.base import Clip
from core.corpus.ravdess import RAVDESS, expected_clips, parse_name
from core.labels import EMOTIONS, EVALUATION_FIELDS

RATE: Final = 48_000
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
    """
    chosen = set(actors)
    paths = []
    for name in expected_clips():
        clip = parse_name(name)
        if int(clip["speaker"]) in chosen:
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
    rank = EMOTIONS.index(clip["emotion"]) / (len(EMOTIONS) - 1)
    t = np.arange(int(duration * RATE)) / RATE
    f0 = _PITCH[clip["gender"]] * (1 + 0.01 * int(clip["speaker"])) * (1 + 0.6 * rank)
    phase = 2 * np.pi * f0 * t + (3 + 10 * rank) * np.sin(2 * np.pi * (4 + 3 * rank) * t)
    harmonics = sum(np.sin(k * phase + rng.uniform(0, 2 * np.pi)) / k for k in range(1, 8))
    level = 0.05 * (1 + rank) * (2 if clip["intensity"] == "strong" else 1)
    fade = np.minimum(1, 20 * np.minimum(t, t[::-1]))
    return np.asarray(level * fade * harmonics + rng.normal(0, 1e-4, t.shape), dtype=np.float32)


def _paths(root: Path, clip: Clip, layout: str) -> list[Path]:
    """Return where the files of a clip stand in a layout."""
    file, actor = f"{clip['clip']}.wav", f"Actor_{clip['speaker']}"
    archive = ARCHIVES[clip["channel"]]
    if layout == "flat":
        return [root / file]
    if layout == "zenodo":
        return [root / archive / actor / file]
    return [root / archive / actor / file, root / archive / archive.lower() / actor / file]


def release_index() -> pd.DataFrame:
    """Return an index of all clips of the release, without sounds."""
    rows = [{"corpus": RAVDESS.name, "path": name, "duplicate_of": "", **parse_name(name)} for name in expected_clips()]
    return pd.DataFrame(rows)


def with_fields(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return predictions of clips of RAVDESS with the columns that tell what the clips are."""
    known = release_index().astype(str).set_index("clip")[list(EVALUATION_FIELDS)]
    return predictions.join(known, on="clip")
