"""Error classes: everything that can go wrong for a reason the user can act on.

A message is one sentence (two at most): the offending value, then the remedy. Anything that is not a
``SoundWebError`` is a bug: whoever meets it is told a number, under which the log has the rest.
"""

import logging
import re
import secrets
from typing import Final

logger = logging.getLogger(__name__)

PLACES: Final = (
    re.compile(r"(?<=')(?:/|[A-Za-z]:[/\\\\])[^']*?(?=[^'/\\\\]+')"),
    re.compile(r"(?<![\w/:'])/(?:[^\s/'\"]+/)+(?=[^\s/'\"]+)"),
)
"""Folders in a sentence, before the name of what lies in them: quoted, and as they are."""


class SoundWebError(Exception):
    """Root of all errors that this package raises on purpose."""

    @property
    def told(self) -> str:
        """What anybody may read: the sentence without the folders of this machine."""
        told = str(self)
        for place in PLACES:
            told = place.sub("…/", told)
        return told


class AudioError(SoundWebError):
    """The sound cannot be used: unreadable, empty, too long, too large, too short or silent."""


class CorpusError(SoundWebError):
    """The corpus cannot be used: missing, incomplete for the task, or of no known kind."""


class DownloadError(SoundWebError):
    """The corpus cannot be fetched: offline, damaged on the way, or no room for it."""


class ModelError(SoundWebError):
    """A stored model cannot be used: missing, altered, or made for other features or labels."""


class AnotherInUse(ModelError):  # noqa: N818 - a state, said as one
    """Which models are in use, or were before, was changed by somebody else since it was looked at."""


class ClusterError(SoundWebError):
    """The other machines cannot be given work: no scheduler, no workers, or others than this project's."""


class BatchError(SoundWebError):
    """Answers for a folder cannot be begun, gone on with, or written."""


class TrainingError(SoundWebError):
    """A training cannot be started or continued."""


class DatabaseError(SoundWebError):
    """The database cannot be reached or written.

    Parameters
    ----------
    message : str
        What is wrong, and where the database is: for the log and the console.
    reason : str
        What is wrong, in words that anybody may read; empty where they could tell where the database is.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def told(self) -> str:
        """What anybody may read: not where the database is."""
        why = f" ({self.reason})" if self.reason else ""
        return f"The database cannot be used just now{why}. Try again later."


class NotSignedIn(SoundWebError):  # noqa: N818 - a state, said as one
    """The action needs an administrator who is signed in."""


class KeyRefused(SoundWebError):  # noqa: N818 - a state, said as one
    """A program sent no key, or one that is unknown or was revoked."""


class TooManyRequests(SoundWebError):  # noqa: N818 - the name that HTTP gives it
    """A program asks for more than its key may.

    Parameters
    ----------
    message : str
        What the limit is.
    wait : int, optional
        Time after which it may ask again, in seconds; None where it never may.
    """

    def __init__(self, message: str, wait: int | None = None) -> None:
        super().__init__(message if wait is None else f"{message} Try again in {wait:,} s.")
        self.wait = wait


class SignInError(SoundWebError):
    """A password or an unlock code is wrong, comes too soon, or does not follow the rules."""


class JobError(SoundWebError):
    """A training job cannot be queued, cancelled or resumed."""


class FeedbackError(SoundWebError):
    """Feedback cannot be kept: a value is out of its range, or there is too much of it."""


class BusyError(SoundWebError):
    """As many people as the server is set up for are doing this already."""


class BackupError(SoundWebError):
    """A backup cannot be written, or what is given as one not be restored."""


class BaselineError(SoundWebError):
    """A personal baseline cannot be made or used."""


class SettingsError(SoundWebError):
    """A setting of the installation cannot be used."""


def log_unexpected(error: BaseException, where: str) -> str:
    """Write an error that nobody expected into the log, and return the number that it has there.

    Parameters
    ----------
    error : BaseException
        The error.
    where : str
        What was done when it happened.

    Returns
    -------
    str
        Eight hex digits, to be told to whoever met the error.
    """
    number = secrets.token_hex(4)
    logger.error("Error %s at %s", number, where, exc_info=error)
    return number
