"""Files in which several recordings stand one behind the other, each with a header of its own.

Decoders take the first header for all that follows, or stop where the first recording ends.
"""

import itertools
import struct
from collections.abc import Iterator
from typing import Final

_STREAMINFO: Final = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
"""A FLAC file begins with its magic and the header of STREAMINFO, 34 bytes long."""
_BEGINS: Final = 2
"""Flag of an Ogg page with which a stream begins."""
_OGG_CODECS: Final = (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   ")
"""How the first page of a stream of sound goes on behind its header."""
MAX_SPLITS: Final = 200
"""Where more recordings are joined, what is behind these is taken for one: each costs time to open."""


def split(data: bytes) -> list[bytes]:
    """Return the recordings of a file, each as a file of its own.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    list of bytes
        One for each link of a chained Ogg file, and for each of joined FLAC or WAV files; else the file as it is.
    """
    find = {b"OggS": _ogg_links, b"fLaC": _flac_files, b"RIFF": _wav_files}.get(data[:4])
    begins = [0, *itertools.islice(find(data), MAX_SPLITS)] if find else [0]
    if len(begins) == 1:
        return [data]
    return [data[first:last] for first, last in itertools.pairwise([*begins, len(data)])]


def _ogg_links(data: bytes) -> Iterator[int]:
    """Yield where further links begin; the streams of a link begin together."""
    position, was_beginning = 0, True
    while position >= 0 and position + 27 <= len(data):
        content = position + 27 + data[position + 26]
        is_beginning = bool(data[position + 5] & _BEGINS)
        if is_beginning and not was_beginning and data.startswith(_OGG_CODECS, content):
            yield position
        was_beginning = is_beginning
        position = content + sum(data[position + 27 : content])
        if data[position : position + 4] != b"OggS":
            position = data.find(b"OggS", position)  # damaged


def _flac_files(data: bytes) -> Iterator[int]:
    position = 0
    while (position := data.find(b"fLaC", position + 4)) > 0:
        if data.startswith(_STREAMINFO, position):
            yield position


def _wav_files(data: bytes) -> Iterator[int]:
    position = 0
    while position + 8 <= len(data):
        size = struct.unpack_from("<I", data, position + 4)[0]
        position += 8 + size + size % 2
        if data[position : position + 4] != b"RIFF" or data[position + 8 : position + 12] != b"WAVE":
            return
        yield position
