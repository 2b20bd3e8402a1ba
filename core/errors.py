"""Error classes: everything that can go wrong for a reason the user can act on.

A message is one sentence (two at most): the offending value, then the remedy. Anything that is not a
``SoundWebError`` is a bug and should look like one.
"""


class SoundWebError(Exception):
    """Root of all errors that this package raises on purpose."""


class AudioError(SoundWebError):
    """The sound can not be used: unreadable, empty, too long, too large, too short or silent."""


class CorpusError(SoundWebError):
    """The corpus can not be used: missing, incomplete for the task, or not RAVDESS."""


class ModelError(SoundWebError):
    """A stored model can not be used: missing, altered, or made for other features or labels."""


class TrainingError(SoundWebError):
    """A training can not be started or continued."""


class BusyError(SoundWebError):
    """As many people as the server is set up for are doing this already."""


class BaselineError(SoundWebError):
    """A personal baseline can not be made or used."""
