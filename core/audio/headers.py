"""Headers of sound files that say something else about the sound's length than their bytes do.

A recorder that died leaves a size of nothing, or of what it had written when it last thought of it: what is there is
read to the end. A file that was cut off promises more than it holds. Both are said in a note.
"""

import struct
from collections.abc import Iterator
from typing import Final

from core.errors import AudioError

UNKNOWN_SIZE: Final = 0x7FFFF000
"""Sizes from here on are what recorders write that do not know the length, in place of a size."""
UNKNOWN_LONG_SIZE: Final = 2**62
"""The same of sizes of 64 bits."""
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
        The same bytes, but for the sizes in the header of a WAV (RF64 and W64 among them), AIFF, AU or CAF file; of a
        WAV whose sound stands in several chunks, one chunk.
    list of str
        That the file is cut off, or was never finished; empty where the header was right.
    """
    kind, form = data[:4], data[8:12]
    if kind in (b"RIFF", b"RF64", b"BW64") and form == b"WAVE":
        return _repair_wav(data)
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        return _repair_aiff(data)
    others = {b"riff": _repair_w64, b"caff": _repair_caf, b".snd": _repair_au}
    return others[kind](data) if kind in others else (data, [])


def refuse_broken(data: bytes) -> None:
    """Refuse a file whose header says something else about its length than its bytes do.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    AudioError
        If a WAV, AIFF, AU or CAF file is cut off or was never finished.
    """
    notes = repair(data)[1]
    if notes:
        raise AudioError(f"{notes[0][0].upper()}{notes[0][1:]}. Copy or export it again.")


def _repair_wav(data: bytes) -> tuple[bytes, list[str]]:
    is_long, long_size, unknown = data[:4] != b"RIFF", 0, UNKNOWN_SIZE
    for name, position, size in _chunks(data, "<"):
        if is_long and name == b"ds64" and position + 24 <= len(data):
            long_size = int(struct.unpack_from("<Q", data, position + 16)[0])
        if name != b"data":
            continue
        there = len(data) - position - 8
        # Within the limits on a file's size, what RF64 adds to WAV is not needed.
        riff = int.from_bytes(b"RIFF", "little")
        whole = (position + 4, "<I", there), (4, "<I", len(data) - 8), (0, "<I", riff)
        if is_long and size == 0xFFFFFFFF:
            size, unknown = long_size, UNKNOWN_LONG_SIZE  # noqa: PLW2901
        if size >= unknown:
            return _with_sizes(data, *whole), [DIED] if is_long and there else []
        if size > there + HEADER_SLACK:
            return _with_sizes(data, *whole), [_cut_off_bytes(size, there)]
        if (size == 0 and there > 8) or not _is_chain(data, position + 8 + size + size % 2):
            return _with_sizes(data, *whole), [DIED] if there else []
        return _with_one_chunk(data, position + 8 + size), []
    return data, []


def _with_one_chunk(data: bytes, end: int) -> bytes:
    """Return a WAV file in which the sound of further chunks stands in the first one, which ends at ``end``."""
    further = [
        (position, size) for name, position, size in _chunks(data, "<") if name == b"data" and position >= end and size
    ]
    if not further:
        return data
    sound = b"".join([data[:end], *(data[position + 8 : position + 8 + size] for position, size in further)])
    first = next(position for name, position, _ in _chunks(data, "<") if name == b"data")
    return _with_sizes(sound, (first + 4, "<I", len(sound) - first - 8), (4, "<I", len(sound) - 8))


def _repair_w64(data: bytes) -> tuple[bytes, list[str]]:
    position = 40
    while position + 24 <= len(data):
        size = int(struct.unpack_from("<Q", data, position + 16)[0])
        if data[position : position + 4] == b"data":
            there = len(data) - position - 24
            whole = (position + 16, "<Q", there + 24), (16, "<Q", len(data))
            return _repaired_long(data, size - 24, there, *whole)
        position += max(size + -size % 8, 24)
    return data, []


def _repair_caf(data: bytes) -> tuple[bytes, list[str]]:
    position = 8
    while position + 12 <= len(data):
        size = int(struct.unpack_from(">q", data, position + 4)[0])
        if data[position : position + 4] == b"data":
            there = len(data) - position - 12
            if size == -1:  # by the standard: up to the end of the file
                return data, []
            return _repaired_long(data, size - 4, there - 4, (position + 4, ">q", there))
        position += 12 + max(size, 0)
    return data, []


def _repaired_long(data: bytes, size: int, there: int, *whole: tuple[int, str, int]) -> tuple[bytes, list[str]]:
    """Return a file with sizes of 64 bits repaired where the bytes of sound that it promises are not those there."""
    if there > 0 and (size <= 0 or size >= UNKNOWN_LONG_SIZE):
        return _with_sizes(data, *whole), [DIED]
    if size > there + HEADER_SLACK:
        return _with_sizes(data, *whole), [_cut_off_bytes(size, there)]
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


def _repair_au(data: bytes) -> tuple[bytes, list[str]]:
    if len(data) <= 24:
        return data, []
    offset, size = struct.unpack_from(">II", data, 4)
    there = len(data) - offset
    if size >= UNKNOWN_SIZE or there <= 0:
        return data, []
    if not size:
        return _with_sizes(data, (8, ">I", there)), [DIED]
    if size > there + HEADER_SLACK:
        return _with_sizes(data, (8, ">I", there)), [_cut_off_bytes(size, there)]
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


def behind_tag(data: bytes) -> int:
    """Return where what follows ID3 tags begins, in bytes; 0 where there are none."""
    position = 0
    while data[position : position + 3] == b"ID3" and len(data) > position + 10:
        size = 0
        for byte in data[position + 6 : position + 10]:
            size = size << 7 | byte & 0x7F
        position += 10 + size + (10 if data[position + 5] & 0x10 else 0)
    return position


def promised_frames(data: bytes) -> int:
    """Return how many frames an MP3 file has that is cut off.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    int
        Frames that the Xing header in its first frame counts; 0 where there is none, or the bytes that it counts are
        all there.
    """
    start = behind_tag(data)
    for position in sorted(data.find(name, start, start + 65_536) for name in (b"Xing", b"Info")):
        if position < 0 or position + 16 > len(data):
            continue
        begin = _frame_before(data, position)
        if begin < start or not data[position + 7] & 1:
            continue
        frames, size = struct.unpack_from(">II", data, position + 8)
        if frames == 0xFFFFFFFF or (data[position + 7] & 2 and size <= len(data) - begin):
            return 0
        return int(frames)
    return 0


def _frame_before(data: bytes, position: int) -> int:
    """Return where the MPEG frame begins whose Xing header stands at a position; -1 where there is none."""
    for distance in (36, 21, 13):
        header = data[max(position - distance, 0) : position]
        if len(header) == distance and header[0] == 0xFF and header[1] & 0xE6 == 0xE2:
            is_first_version, is_mono = header[1] & 0x18 == 0x18, header[3] >> 6 == 3
            if distance == {(True, False): 36, (False, True): 13}.get((is_first_version, is_mono), 21):
                return position - distance
    return -1


def lacks_index(data: bytes) -> bool:
    """Tell whether a file is an MP4 without the index that stands at its end."""
    if data[4:8] != b"ftyp":
        return False
    position = 0
    while position + 8 <= len(data):
        size, name = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if name == b"moov":
            return False
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        if size < 8:
            break
        position += size
    return True
