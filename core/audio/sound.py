"""An encoded sound with the digest that names it: in caches, in feedback, in the keys of widgets."""

import dataclasses
import functools
import hashlib
from pathlib import Path
from typing import Final

ENDINGS: Final = (
    "wav", "mp3", "m4a", "mp4", "ogg", "oga", "opus", "webm", "flac", "aac", "aif", "aiff", "aifc", "amr", "3gp", "3g2",
    "caf", "wma", "mov", "mkv", "mka", "mp2", "ac3", "eac3", "au", "w64", "rf64", "wv", "tta", "ape", "avi", "flv",
    "ts", "voc", "spx", "asf", "m4b", "qcp",
)  # fmt: skip
"""Usual endings of the files that can be read; what a file is, its bytes tell."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sound:
    """A sound as somebody chose it: the bytes of its file; pass on the object, since it keeps its digest.

    Examples
    --------
    >>> Sound("empty.wav", b"").sha256[:8]
    'e3b0c442'
    """

    name: str
    """Name of the file, as its owner gave it: not to be trusted."""
    data: bytes
    """The encoded sound."""
    part: str = ""
    """Which channel or track somebody chose, a name in ``Waveform.parts``; empty for the one with the most voice."""

    @classmethod
    def read(cls, path: Path) -> "Sound":
        """Return the sound in a file."""
        return cls(path.name, path.read_bytes())

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes, in hex; computed when it is asked for first."""
        return hashlib.sha256(self.data).hexdigest()
