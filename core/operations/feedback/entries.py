"""What users say that a sound was: label and probabilities always, the sound only with their consent.

Sounds lie in a folder that its owner alone can read, named by their SHA-256; a person who signed in can delete them.
"""

import dataclasses
import datetime
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from core.audio.decode import decode
from core.audio.sound import Sound
from core.config import STORED_NAME, DecodeLimits, data_folder
from core.corpus.base import LABEL_PATTERN
from core.errors import FeedbackError
from core.files import write_atomically
from core.operations.access import audit
from core.operations.access.sessions import require_admin
from core.operations.database import now, reading, writing
from core.operations.tables import feedback

if TYPE_CHECKING:
    import pandas as pd

CONTAINERS: Final = ("wav", "flac", "ogg", "mp3", "m4a", "webm")
MAX_ENTRIES: Final = 100_000
MAX_STORED: Final = 2**30
"""Most that kept sounds may take together, in bytes."""
MAX_HOURLY: Final = 1_000
MAX_HOURLY_STORED: Final = 2**27
"""Entries, and bytes of kept sounds, of an hour: nobody fills the room for all others in one go."""
SUM_TOLERANCE: Final = 1e-3
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Feedback:
    """What somebody said of an answer."""

    id: int
    """Number."""
    time: datetime.datetime
    """When, in UTC."""
    label: str
    """What the sound was."""
    answer: str
    """What the model said."""
    probabilities: dict[str, float]
    """Of the emotions."""
    model: str
    """Name of the model."""
    clip: str
    """SHA-256 of the sound's file, in hex."""
    container: str
    """Kind of file that is kept; empty where none is."""
    size: int
    """Its size, in bytes."""

    @property
    def confidence(self) -> float | None:
        """Probability of the answer; None where the row does not tell it."""
        try:
            return float(self.probabilities[self.answer])
        except (LookupError, TypeError, ValueError, OverflowError):
            return None

    @property
    def path(self) -> Path | None:
        """Where the sound is kept; None without consent."""
        check_place(self.clip, self.container)
        return feedback_folder() / f"{self.clip}.{self.container}" if self.container else None


def add(
    label: str,
    probabilities: Mapping[str, float],
    *,
    model: str,
    clip: str,
    consented: Sound | None = None,
    container: str = "",
) -> None:
    """Keep what a user says of an answer.

    Parameters
    ----------
    label : str
        One of the model's labels.
    probabilities : mapping of str to float
        The model's answer.
    model : str
        Name of the model.
    clip : str
        SHA-256 of the sound's file, in hex.
    consented : Sound, optional
        The sound itself, only where its sender ticked the consent.
    container : str
        Kind of the sound's file, one of ``CONTAINERS``.

    Raises
    ------
    FeedbackError
        If a value is not acceptable, or there is too much feedback.
    AudioError
        If the sound cannot be read.
    """
    values = check_entry(label, probabilities, model, clip)
    if consented is not None:
        _check_sound(consented, container, clip)
    with writing() as connection:
        kept = len(consented.data) if consented is not None else 0
        _check_room(connection, kept)
        if consented is not None:
            values |= {"container": container, "size": kept}
        connection.execute(sa.insert(feedback).values(time=now(), **values))
        if consented is not None:
            _store(consented, container)


def list_feedback(token: str, limit: int = 1_000) -> list[Feedback]:
    """Return the last feedback, the newest first.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    """
    require_admin(token, is_active=False)
    with reading() as connection:
        rows = connection.execute(sa.select(feedback).order_by(feedback.c.id.desc()).limit(limit))
        return [Feedback(**row._mapping) for row in rows]


def list_kept() -> list[Feedback]:
    """Return all feedback whose sound was kept, the newest first: for trainings, which administrators ask for."""
    with reading() as connection:
        rows = connection.execute(sa.select(feedback).where(feedback.c.container != "").order_by(feedback.c.id.desc()))
        return [Feedback(**row._mapping) for row in rows]


def delete(token: str, number: int) -> None:
    """Delete feedback, and its sound with what was computed from it, unless other feedback has the same.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    FeedbackError
        If there is none with this number, or its sound cannot be removed.
    """
    actor = require_admin(token)
    with writing() as connection:
        row = connection.execute(sa.select(feedback).where(feedback.c.id == number)).one_or_none()
        if row is None:
            raise FeedbackError(f"There is no feedback {number}.")
        connection.execute(sa.delete(feedback).where(feedback.c.id == number))
        same = (feedback.c.clip == row.clip) & (feedback.c.container == row.container)
        path = Feedback(**row._mapping).path
        if path is not None and not connection.scalar(sa.select(sa.func.count()).where(same)):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise FeedbackError(f"The sound cannot be removed: {error.strerror}.") from error
            shutil.rmtree(features_folder(), ignore_errors=True)
        audit.record(actor, "delete feedback", str(number), within=connection)


def agreement(token: str) -> "pd.DataFrame":
    """Return how often users agree with each model, day by day.

    Parameters
    ----------
    token : str
        Of an administrator who is signed in.

    Returns
    -------
    pandas.DataFrame
        Columns ``day`` (UTC), ``model``, ``n`` and ``agreement``, the share of answers that users confirm.
    """
    import pandas as pd

    entries = list_feedback(token, MAX_ENTRIES)
    rows = [(entry.time.date(), entry.model, entry.label == entry.answer) for entry in entries]
    table = pd.DataFrame(rows, columns=["day", "model", "agrees"])
    return table.groupby(["day", "model"], as_index=False).agg(n=("agrees", "size"), agreement=("agrees", "mean"))


def check_place(clip: str, container: str) -> None:
    """Refuse what names no sound, or one outside the folder of the sounds.

    Raises
    ------
    FeedbackError
        If the clip is no SHA-256 in hex, or the container none of ``CONTAINERS`` and not empty.
    """
    if _DIGEST.fullmatch(clip) is None or container not in ("", *CONTAINERS):
        raise FeedbackError(f"{clip!r:.80} is not the SHA-256 of a sound, or {container!r:.20} not a kind of file.")


def check_entry(label: str, probabilities: Mapping[str, float], model: str, clip: str) -> dict[str, Any]:
    """Return the values to keep, after looking at each.

    Parameters
    ----------
    label, probabilities, model, clip
        As for ``add``.

    Returns
    -------
    dict
        These, and ``answer``, the emotion of the highest probability.

    Raises
    ------
    FeedbackError
        If a value is not acceptable.
    TypeError, AttributeError, ValueError
        If it is not of its kind.
    """
    if label not in probabilities:
        raise FeedbackError(f"{label!r} is not one of {', '.join(probabilities)}.")
    if not all(LABEL_PATTERN.fullmatch(name) and 0 <= float(p) <= 1 for name, p in probabilities.items()):
        raise FeedbackError("The probabilities are not one of each emotion from 0 to 1.")
    total = math.fsum(probabilities.values())
    if abs(total - 1) > SUM_TOLERANCE:
        raise FeedbackError(f"The probabilities sum to {total:.4f}, not to 1.")
    if STORED_NAME.fullmatch(model) is None:
        raise FeedbackError(f"{model!r} is not a model's name.")
    check_place(clip, "")
    ordered = {emotion: float(probabilities[emotion]) for emotion in sorted(probabilities)}
    answer = max(ordered, key=lambda emotion: ordered[emotion])
    return {"label": label, "answer": answer, "probabilities": ordered, "model": model, "clip": clip}


def _check_room(connection: sa.Connection, size: int) -> None:
    """Refuse an entry with a sound of some bytes where there is too much feedback, in all or of the last hour."""
    held = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(feedback.c.size), 0))
    n, stored = connection.execute(held).one()
    if n >= MAX_ENTRIES or stored + size > MAX_STORED:
        raise FeedbackError("There is no room for more feedback. An administrator can delete some.")
    n, stored = connection.execute(
        held.where(feedback.c.time.between(now() - datetime.timedelta(hours=1), now()))
    ).one()
    if n >= MAX_HOURLY or (size and stored + size > MAX_HOURLY_STORED):
        raise FeedbackError("Much feedback came in during the last hour. Try again later.")


def _check_sound(sound: Sound, container: str, clip: str) -> None:
    """Refuse what is not the sound that the answer was about."""
    if container not in CONTAINERS:
        raise FeedbackError(f"Sounds of kind {container!r} are not kept; only {', '.join(CONTAINERS)}.")
    if len(sound.data) > DecodeLimits().max_bytes:
        raise FeedbackError(f"The sound has {len(sound.data):,} bytes; {DecodeLimits().max_bytes:,} are the limit.")
    if sound.sha256 != clip:
        raise FeedbackError("The sound is not the one that the answer was about.")
    decode(sound.data)


def _store(sound: Sound, container: str) -> None:
    folder = feedback_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        path = folder / f"{sound.sha256}.{container}"
        if not path.is_file():
            write_atomically(path, sound.data, mode=0o600)
    except OSError as error:
        raise FeedbackError(f"The sound cannot be kept: {error.strerror}.") from error


def feedback_folder() -> Path:
    """Return where sounds are kept."""
    return data_folder() / "feedback"


def features_folder() -> Path:
    """Return where trainings keep the features of these sounds; they go with the sounds."""
    return feedback_folder() / "features"
