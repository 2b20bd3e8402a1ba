"""Whether a sound from elsewhere is a recording of the corpus: the guard against judging by clips that were trained on.

A copy that was played faster or slower by 5 % is not found.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from core.audio.decode import decode
from core.audio.fingerprint import Fingerprint, fingerprint, similarities
from core.work.parallel import File, map_blocks
from core.work.progress import Progress, Report, ignore

if TYPE_CHECKING:
    import pandas as pd

SAME_RECORDING: Final = 0.25
"""Similarity from which a sound counts as a recording of the corpus: rather too often than too rarely."""


def find_recordings(
    sounds: Sequence[Fingerprint], index: "pd.DataFrame", root: Path, *, n_jobs: int = 2, report: Report = ignore
) -> list[str]:
    """Return for each sound the clip that it is a recording of.

    Parameters
    ----------
    sounds : sequence of np.ndarray
        Fingerprints.
    index : pandas.DataFrame
        Distinct clips, with columns ``clip`` and ``path``.
    root : path
        Corpus folder.
    n_jobs : int
        Processes that read the corpus.
    report : callable
        Called with the clips that are compared.

    Returns
    -------
    list of str
        Name of the likest clip, or an empty string where none is alike.

    Raises
    ------
    AudioError
        If a clip cannot be decoded.
    """
    highest = np.full(len(sounds), SAME_RECORDING, dtype=np.float32)
    found, done = [""] * len(sounds), 0
    for block in map_blocks(fingerprint_clip, root, index["path"].tolist(), n_jobs):
        for k, sound in enumerate(sounds):
            values = similarities(sound, block)
            if values.max() >= highest[k]:
                highest[k] = values.max()
                found[k] = str(index["clip"].iloc[done + int(values.argmax())])
        done += len(block)
        report(Progress(done, len(index), "clips", "Reading the corpus", "compared with other sounds"))
    return found


def fingerprint_clip(clip: File) -> Fingerprint:
    """Return the fingerprint of a clip."""
    waveform = decode(clip)
    return fingerprint(waveform.y, waveform.sr)
