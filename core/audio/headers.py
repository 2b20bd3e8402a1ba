"""Headers of WAV, AIFF and AU files that say something else about the sound's length than their bytes do.

A recorder that died leaves a size of nothing, or of what it had written when it last thought of it: what is there is
read to the end. A file that was cut off promises more than it holds. Both are said in a note.
"""

import struct
from collections.abc import Iterator
from typing import Final

from core.errors import AudioError

UNKNOWN_SIZE: Final = 0x7FFFF000
"""Sizes from here on are what recorders write that do not know the length, in place of a size."""
HEADER_SLACK: Final = 64
"""Bytes that may be missing at the end: careless writers count padding that they do not write."""
TAGS: Final = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
"""Beginnings of the tags that other programs put behind the chunks."""
DIED: Final = "the recording was never finished: its header does not say how long it is; all that is there was read"


def repair(data: bytes) -> tuple[bytes, list[str]]:
    """Return a file whose header says how much sound there is, and notes on what it said before.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    bytes
        The same bytes, but for the sizes in the header of a WAV, AIFF or AU file.
    list of str
        That the file is cut off, or was never finished; empty where the header was right.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _repair_wav(data)
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return _repair_aiff(data)
    if data[:4] == b".snd" and len(data) > 24:
        offset, size = struct.unpack_from(">II", data, 4)
        there = len(data) - offset
        if size >= UNKNOWN_SIZE or there <= 0:
            return data, []
        if not size:
            return _with_sizes(data, (8, ">I", there)), [DIED]
        if size > there + HEADER_SLACK:
            return _with_sizes(data, (8, ">I", there)), [_cut_off_bytes(size, there)]
    return data, []


def refuse_broken(data: bytes) -> None:
    """Refuse a file whose header says something else about its length than its bytes do.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    AudioError
        If a WAV, AIFF or AU file is cut off or was never finished.
    """
    notes = repair(data)[1]
    if notes:
        raise AudioError(f"{notes[0][0].upper()}{notes[0][1:]}. Copy or export it again.")


def _repair_wav(data: bytes) -> tuple[bytes, list[str]]:
    for name, position, size in _chunks(data, "<"):
        if name != b"data":
            continue
        there = len(data) - position - 8
        whole = (position + 4, "<I", there), (4, "<I", len(data) - 8)
        if size >= UNKNOWN_SIZE:
            return _with_sizes(data, *whole), []
        if size > there + HEADER_SLACK:
            return _with_sizes(data, *whole), [_cut_off_bytes(size, there)]
        if (size == 0 and there > 8) or not _is_chain(data, position + 8 + size + size % 2):
            return _with_sizes(data, *whole), [DIED] if there else []
        break
    return data, []


def _repair_aiff(data: bytes) -> tuple[bytes, list[str]]:
    chunks = {name: (position, size) for name, position, size in _chunks(data, ">")}
    if b"COMM" not in chunks or b"SSND" not in chunks or chunks[b"COMM"][0] + 16 > len(data):
        return data, []
    common, (sound, size) = chunks[b"COMM"][0] + 8, chunks[b"SSND"]
    channels, frames, bits = struct.unpack_from(">hIh", data, common)
    width = max(channels * ((bits + 7) // 8), 1)
    there = max(len(data) - sound - 16, 0)
    whole = (common + 2, ">I", there // width), (sound + 4, ">I", there + 8), (4, ">I", len(data) - 8)
    if size > there + 8 + HEADER_SLACK:
        return _with_sizes(data, *whole), [_cut_off_bytes(size, there + 8)]
    if there and (not frames or size <= 8):
        return _with_sizes(data, *whole), [DIED]
    return data, []


def _chunks(data: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, position and size of the chunks of a RIFF or IFF file."""
    position = 12
    while position + 8 <= len(data):
        size = int(struct.unpack_from(f"{order}I", data, position + 4)[0])
        yield data[position : position + 4], position, size
        position += 8 + size + size % 2


def _is_chain(data: bytes, position: int) -> bool:
    """Tell whether chunks, or nothing of weight, stand behind the sound: where they do not, the sound goes on."""
    while position + 8 <= len(data):
        name, size = data[position : position + 4], int(struct.unpack_from("<I", data, position + 4)[0])
        if not all(32 <= byte < 127 for byte in name):
            return data.startswith(TAGS, position) or not any(data[position:])
        position += 8 + size + size % 2
    return position <= len(data) + HEADER_SLACK


def _with_sizes(data: bytes, *sizes: tuple[int, str, int]) -> bytes:
    """Return a file with numbers written over its own: position, form, number."""
    changed = bytearray(data)
    for position, form, number in sizes:
        struct.pack_into(form, changed, position, min(number, 0xFFFFFFFF))
    return bytes(changed)


def _cut_off_bytes(promised: int, found: int) -> str:
    return f"the file is cut off: its header promises {promised:,} bytes of sound, {found:,} are there"
