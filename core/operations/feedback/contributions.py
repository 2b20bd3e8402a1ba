"""Sounds that users let us keep, as training data besides the corpus.

They are of unknown people, so every fold trains on them and none is evaluated by them. A recording of a corpus that
somebody sent in would be evaluated by what trained on it: it is found by its sound and left out.
"""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from core.audio.assess import assess
from core.audio.decode import Waveform, decode
from core.audio.fingerprint import Fingerprint, fingerprint
from core.audio.gate import has_voice
from core.corpus.base import DEFAULTS, Corpus
from core.corpus.index import COLUMNS
from core.corpus.recordings import find_recordings
from core.errors import AudioError
from core.labels import UNKNOWN_SPEAKER
from core.operations.feedback.entries import Feedback, list_kept
from core.work.progress import Report, ignore

DURATIONS: Final = (1.0, 30.0)
"""Shortest and longest sound that can have one emotion and be told from the corpus, in seconds."""


@dataclasses.dataclass(frozen=True, eq=False)
class Contributions:
    """What can be trained on of what users sent."""

    clips: pd.DataFrame
    """Rows as of ``core.corpus.index.scan``; paths are relative to ``feedback_folder``."""
    left_out: Mapping[str, int]
    """Why sounds are left out, and how many."""

    def __str__(self) -> str:
        """Say how many train and why others do not."""
        reasons = "".join(f", {number:,} left out ({why})" for why, number in self.left_out.items())
        return f"sounds from feedback: {len(self.clips):,} used{reasons}"


def collect_contributions(
    corpus: Corpus,
    compared: Sequence[tuple[pd.DataFrame, Path]],
    *,
    n_jobs: int = 2,
    report: Report = ignore,
) -> Contributions:
    """Return the sounds that users let us keep and that can be trained on, with the newest word on each.

    Parameters
    ----------
    corpus : Corpus
        The corpus; sounds with other labels than its own are left out.
    compared : sequence of (pandas.DataFrame, path)
        All distinct clips of this corpus, and of each other one of the training, with their folders.
    n_jobs : int
        Processes that read the corpora.
    report : callable
        Called with the clips that are compared with them, corpus by corpus.

    Returns
    -------
    Contributions
    """
    newest: dict[str, Feedback] = {}
    for entry in list_kept():
        newest.setdefault(entry.clip, entry)
    left_out: collections.Counter[str] = collections.Counter()
    rows: list[dict[str, Any]] = []
    sounds: list[Fingerprint] = []
    for _, entry in sorted(newest.items()):
        path = entry.path
        assert path is not None  # noqa: S101 - what list_kept promises
        try:
            waveform = decode(path)
        except AudioError:
            left_out["not readable"] += 1
            continue
        if objection := _object(waveform) if entry.label in corpus.labels else "of other emotions":
            left_out[objection] += 1
            continue
        rows.append(_row(entry, path.name, waveform))
        sounds.append(fingerprint(waveform.y, waveform.sr))
    usable = rows
    if sounds:
        known = [find_recordings(sounds, *of_corpus, n_jobs=n_jobs, report=report) for of_corpus in compared]
        usable = [row for row, clips in zip(rows, zip(*known, strict=True), strict=True) if not any(clips)]
    if len(usable) < len(rows):
        left_out["recordings of a corpus"] = len(rows) - len(usable)
    found = pd.DataFrame(usable, columns=list(compared[0][0].columns))
    own = [c for c in found.columns if c not in COLUMNS]  # fields of the corpus alone
    return Contributions(found.assign(**dict.fromkeys(own, "")), dict(left_out))


def _object(waveform: Waveform) -> str:
    """Return why a sound cannot be trained on; empty where it can."""
    shortest, longest = DURATIONS
    if not shortest <= waveform.duration <= longest:
        return f"shorter than {shortest:g} or longer than {longest:g} s"
    is_heard = assess(waveform).refusal is None and has_voice(waveform.y, waveform.sr)
    return "" if is_heard else "without a voice"


def _row(entry: Feedback, file: str, waveform: Waveform) -> dict[str, Any]:
    """Return what an index says of a clip; the name tells label and sound, so that a digest of names tells both."""
    return {
        "clip": f"feedback-{entry.label}-{entry.clip[:16]}",
        "path": file,
        "corpus": "feedback",
        "emotion": entry.label,
        "speaker": UNKNOWN_SPEAKER,
        **DEFAULTS,
        "duration": waveform.duration,
        "rate": waveform.file_rate,
        "channels": waveform.channels,
        "digest": entry.clip,
        "error": "",
        "duplicate_of": "",
        "size": entry.size,
        "modified": 0,
    }
