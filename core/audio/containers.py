"""Files of sound: opening any container and codec, once, block by block, to the end of what is there.

libsndfile reads uncompressed sound and FLAC. FFmpeg (by PyAV, no system tools) reads what libsndfile refuses, and all
whose length libsndfile only estimates: MP3, Ogg, FLAC of unknown length. FFmpeg may open the formats of ``DEMUXERS``
alone and no protocol at all, so that a playlist or another text format cannot make it open further files or addresses.

A recorder that died leaves a header that promises nothing, or too little: what is there is read, and said in a note.
A file that ends before what its own header promises is cut off, and that is said too; formats without such a promise
are never called cut off. Recordings that were joined to one file are read as one, at the rate of the first.
"""

import dataclasses
import functools
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import av
import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from core.audio.frames import blocks_of
from core.audio.headers import behind_tag, lacks_index, promised_frames, repair
from core.audio.joined import split
from core.config import DecodeLimits
from core.errors import AudioError

DEMUXERS: Final = (
    "aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dts", "eac3", "flac", "flv", "loas", "matroska",
    "webm", "mov", "mp4", "m4a", "3gp", "mp3", "mpeg", "mpegts", "nut", "ogg", "qcp", "rm", "tta", "voc", "w64", "wav",
    "wv",
)  # fmt: skip
"""FFmpeg's names of the containers that it may open."""
MAX_TRACKS: Final = 8
BLOCK_FRAMES: Final = 65_536
END_TOLERANCE: Final = 2_304
"""Samples that may be missing at the end: an MP3 header can count two frames more than a decoder gives."""

UNDECODABLE: Final = (
    "The recording is damaged or cut off: nothing of its sound can be decoded. Record or export it again."
)

LOST_DURATION: Final = 0.25
"""Sound that could not be decoded from which that is said, in seconds."""
_MPEG_SAMPLES: Final = 1_152
_OPTIONS: Final = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "none"}
_SOUNDFILE_MAGIC: Final = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b".snd", b"fLaC", b"caff", b"riff")
CONTAINER_NAMES: Final = {"WAVEX": "WAV", "OGG": "Ogg", "MATROSKA": "WebM", "MOV": "MP4", "MPEG": "MP3"}
"""What people call containers, where the decoder calls them otherwise."""
CODEC_NAMES: Final = {
    "PCM_U8": "8 bit",
    "PCM_S8": "8 bit",
    "PCM_16": "16 bit",
    "PCM_S16LE": "16 bit",
    "PCM_24": "24 bit",
    "PCM_S24LE": "24 bit",
    "PCM_32": "32 bit",
    "FLOAT": "32-bit float",
    "DOUBLE": "64-bit float",
    "MPEG_LAYER_III": "MP3",
    "MP3FLOAT": "MP3",
    "VORBIS": "Vorbis",
    "OPUS": "Opus",
}
"""The same of codecs."""


@dataclasses.dataclass(eq=False)
class Track:
    """One track of a file that is open for decoding, once."""

    rate: int
    """Sampling rate of the file, in Hz."""
    channels: int
    """Channels of the track."""
    coding: str
    """Container and coding, such as ``WAV PCM_16``."""
    n_tracks: int
    """Tracks of sound in the file."""
    blocks: Iterable[NDArray[np.float32]]
    """Decoded blocks of shape (channels, n)."""
    promised: int = 0
    """Samples of a channel that the header promises; 0 where it says nothing, or what is not to be relied on."""
    reaches_end: Callable[[], bool] = lambda: False
    """Tells, where samples are missing, whether the end is there all the same."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """What is wrong with the file; complete when all blocks were read."""

    def read(self, limits: DecodeLimits) -> Iterator[NDArray[np.float32]]:
        """Yield the blocks, (channels, n), stopping at the length limit.

        Raises
        ------
        AudioError
            If there is no sound, it is too long, or holds samples that are not numbers.
        """
        allowed = min(int(limits.max_duration * self.rate), limits.max_samples)
        n = 0
        for block in self.blocks:
            n += block.shape[1]
            if n > allowed:
                raise AudioError(f"The sound is longer than {allowed / self.rate / 60:.3g} minutes. Cut it into parts.")
            if not np.isfinite(block).all():
                raise AudioError("The file holds samples that are not numbers (NaN or infinite). Export it again.")
            yield block
        if n == 0 and self.promised:
            raise AudioError(UNDECODABLE)
        if n == 0:
            raise AudioError("The file holds no sound: it has a header but no samples. Record or export it again.")
        if n < self.promised - END_TOLERANCE:
            tell = damaged if self.reaches_end() else cut_off
            self.notes.append(tell(self.promised / self.rate, n / self.rate))


def cut_off(promised: float, found: float) -> str:
    """Return the note on a file that ends before it should; both in seconds."""
    return f"the file is cut off: it promises {promised:.1f} s of sound, {found:.1f} s are there"


def damaged(promised: float, found: float) -> str:
    """Return the note on a file that lacks something, but not its end; both in seconds."""
    return f"the file is damaged: of {promised:.1f} s of sound, {found:.1f} s can be read"


@contextmanager
def opened(data: bytes, limits: DecodeLimits, track: int = 0) -> Iterator[Track]:
    """Open a track of a file's bytes; errors of the libraries on the way become ``AudioError``.

    Parameters
    ----------
    data : bytes
        The encoded sound.
    limits : DecodeLimits
        Bounds on channels and rate; those on length are enforced by ``Track.read``.
    track : int
        Which track of sound, from 0.

    Yields
    ------
    Track

    Raises
    ------
    AudioError
        If the file is not a sound, damaged beyond reading, or beyond the limits.
    """
    first, *others = split(data)
    notes: list[str] = []
    if _is_for_soundfile(first):
        first, notes = repair(first)
        file = None if others else _try_soundfile(first)
        if file is not None:
            with file:
                yield _soundfile_track(file, first, notes, limits)
                return
    try:
        with _opened_pyav(first, others, limits, track) as found:
            found.notes[:0] = notes
            yield found
    except av.FFmpegError as error:  # while the blocks are read
        raise AudioError(f"The recording is damaged ({error.strerror}). Record or export it again.") from error


def describe_coding(coding: str) -> str:
    """Return container and codec of a file in the words that people have for them.

    >>> describe_coding("WAV PCM_16"), describe_coding("MATROSKA opus"), describe_coding("MP3 MPEG_LAYER_III")
    ('WAV, 16 bit', 'WebM, Opus', 'MP3')
    """
    container, _, codec = coding.partition(" ")
    name = CONTAINER_NAMES.get(container, container)
    words = CODEC_NAMES.get(codec.upper(), codec.upper())
    return name if not words or words == name else f"{name}, {words}"


def duration_of(data: bytes) -> float:
    """Return the length of a sound without decoding it, in seconds: what is there, not what a header estimates.

    Parameters
    ----------
    data : bytes
        The encoded sound.

    Returns
    -------
    float
        A hint, since a hostile file can say what it likes; 0 where the file cannot be read.
    """
    return sum(map(_duration_of_one, split(data)))


def _duration_of_one(data: bytes) -> float:
    if _is_for_soundfile(data):
        file = _try_soundfile(repair(data)[0])
        if file is not None:
            with file:
                return float(file.frames / file.samplerate)
    try:
        with _open_pyav(data) as container:
            stream = container.streams.audio[0]
            lasting = sum(packet.duration or 0 for packet in container.demux(stream))
            return float((lasting or stream.duration or 0) * (stream.time_base or 0))
    except (av.FFmpegError, ValueError, IndexError):
        return 0.0


def _is_for_soundfile(data: bytes) -> bool:
    """Tell whether libsndfile knows how long the sound is."""
    if data[:4] == b"fLaC":
        # STREAMINFO: the last 36 bits of bytes 18 to 25 count the samples; 0 is "unknown".
        return len(data) > 26 and int.from_bytes(data[21:26], "big") & 0xFFFFFFFFF != 0
    return data[:4] in _SOUNDFILE_MAGIC


def _try_soundfile(data: bytes) -> sf.SoundFile | None:
    try:
        return sf.SoundFile(io.BytesIO(data))
    except sf.LibsndfileError:
        return None


def _soundfile_track(file: sf.SoundFile, data: bytes, notes: list[str], limits: DecodeLimits) -> Track:
    rate, channels = int(file.samplerate), int(file.channels)
    check_format(rate, channels, limits)
    coding = f"{file.format} {file.subtype}"
    blocks, frames = _soundfile_blocks(file, data, limits), int(file.frames)
    reaches_end = functools.partial(_reaches, data, (frames - END_TOLERANCE) / rate)
    return Track(rate, channels, coding, 1, blocks, 0 if notes else frames, reaches_end, notes)


def _reaches(data: bytes, end: float) -> bool:
    """Tell whether what stands at a time, in seconds, is in a file, by the times that its packets have."""
    try:
        with _open_pyav(data) as file:
            packets = file.demux(file.streams.audio[0])
            return any((p.pts or 0) + (p.duration or 0) >= end / p.time_base for p in packets if p.size)
    except (av.FFmpegError, ValueError, IndexError):
        return False


def _soundfile_blocks(file: sf.SoundFile, data: bytes, limits: DecodeLimits) -> Iterator[NDArray[np.float32]]:
    """Yield decoded blocks of shape (channels, n) until the stream ends; where it breaks, FFmpeg reads on.

    Not ``SoundFile.blocks``: where a stream is shorter than its header says, that one fills up with whatever lay in
    memory, another person's sound among it.
    """
    n = 0
    try:
        while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            n += len(block)
            yield block.T
    except sf.LibsndfileError:
        yield from _from_sample(n, data, limits)


def _from_sample(n: int, data: bytes, limits: DecodeLimits) -> Iterator[NDArray[np.float32]]:
    """Yield what FFmpeg decodes from a sample on; nothing where it knows no more either."""
    try:
        with _open_pyav(data) as file:
            for block in _pyav_track(file, data, [], limits, 0).blocks:
                skipped, n = min(n, block.shape[1]), max(n - block.shape[1], 0)
                if skipped < block.shape[1]:
                    yield block[:, skipped:]
    except (AudioError, av.FFmpegError, ValueError):
        return


def _open_pyav(data: bytes) -> av.container.InputContainer:
    """Open by FFmpeg; raises ``av.FFmpegError`` or ``ValueError`` where it knows no such container."""
    forced = "aac" if _holds_adts(data) else None
    return av.open(io.BytesIO(data), format=forced, options=_OPTIONS, metadata_errors="replace")


@contextmanager
def _opened_pyav(data: bytes, others: Sequence[bytes], limits: DecodeLimits, track: int) -> Iterator[Track]:
    """Open by FFmpeg; where it knows no container, libsndfile has the last word."""
    try:
        file = _open_pyav(data)
    except (av.FFmpegError, ValueError) as error:
        late = _try_soundfile(data)
        if late is not None and late.format not in ("RAW", "MP3", "OGG"):
            with late:
                yield _soundfile_track(late, data, [], limits)
                return
        if lacks_index(data):
            raise AudioError(
                "The recording was never finished: the index that says where its sound is (moov) is missing, as when a "
                "phone dies or a copy is cut off. Copy it again, or let the app that recorded it repair it."
            ) from error
        raise AudioError(
            "The file is not a sound that can be read, or its beginning is damaged. "
            "Use WAV, MP3, M4A, OGG, FLAC or WebM."
        ) from error
    with file:
        yield _pyav_track(file, data, others, limits, track)


def _holds_adts(data: bytes) -> bool:
    """Tell whether AAC frames stand at the beginning or behind an ID3 tag, which FFmpeg takes for a sign of MP3."""
    start = behind_tag(data)
    # Twelve sync bits, then layer bits 00, which no MPEG audio layer uses.
    return len(data) > start + 1 and data[start] == 0xFF and data[start + 1] & 0xF6 == 0xF0


def _pyav_track(
    file: av.container.InputContainer, data: bytes, others: Sequence[bytes], limits: DecodeLimits, track: int
) -> Track:
    streams = list(file.streams.audio)[:MAX_TRACKS]
    if track >= len(streams) or streams[track].codec_context is None:
        raise AudioError("The file holds no audio track that can be read. Choose a recording with sound.")
    stream = streams[track]
    notes: list[str] = []
    frames = itertools.chain(_decoded(file, stream, data, notes), _decoded_others(others, track, notes))
    first = next(frames, None)
    if first is None:
        raise AudioError(UNDECODABLE)
    rate, channels = int(first.sample_rate), int(first.layout.nb_channels)
    check_format(rate, channels, limits)
    coding = f"{file.format.name.split(',')[0].upper()} {stream.codec_context.name}"
    promised = promised_frames(data) * (_MPEG_SAMPLES if rate >= 32_000 else 576) if file.format.name == "mp3" else 0
    return Track(rate, channels, coding, len(streams), blocks_of(first, frames), promised, notes=notes)


def _decoded_others(others: Iterable[bytes], track: int, notes: list[str]) -> Iterator[av.AudioFrame]:
    """Yield the frames of the recordings that are joined to the first one."""
    for data in others:
        try:
            repaired = repair(data)[0]
            with _open_pyav(repaired) as file:
                yield from _decoded(file, file.streams.audio[track], repaired, notes)
        except (av.FFmpegError, ValueError, IndexError):
            notes.append("another recording stands behind this one in the file and cannot be read")


def _decoded(
    file: av.container.InputContainer, stream: av.AudioStream, data: bytes, notes: list[str]
) -> Iterator[av.AudioFrame]:
    """Yield the frames of a track; packets that cannot be decoded are left out, as players do."""
    packets = file.demux(stream)
    if file.format.name in ("wav", "w64") and stream.codec_context.name == "aac":
        # These containers do not keep frames apart, and cut them anywhere.
        yield from _unframed(stream, b"".join(map(bytes, packets)))
        return
    lost = 0
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, IndexError):  # PyAV ends with an IndexError where a track began midway
            break
        if packet is None:
            break
        try:
            frames = packet.decode()
        except av.FFmpegError:
            lost += packet.duration or 0
            continue
        yield from frames
    if lost * (stream.time_base or 0) >= LOST_DURATION:
        notes.append("the file is damaged: some of its sound cannot be read")
    if file.format.name.startswith("mov") and stream.index_entries:
        last = max(entry.pos + entry.size for entry in stream.index_entries)
        if last > len(data) and stream.duration:
            found = sum(entry.pos + entry.size <= len(data) for entry in stream.index_entries)
            promised = float(stream.duration * stream.time_base)
            notes.append(cut_off(promised, promised * found / len(stream.index_entries)))


def _unframed(stream: av.AudioStream, data: bytes) -> Iterator[av.AudioFrame]:
    """Decode raw frames that stand one behind the other, in one piece."""
    codec = av.CodecContext.create(stream.codec_context.codec, "r")
    codec.extradata = stream.codec_context.extradata
    try:
        yield from codec.decode(av.Packet(data))
    except av.FFmpegError:
        return


def check_format(rate: int, channels: int, limits: DecodeLimits) -> None:
    """Refuse rates and channel counts outside the limits.

    Raises
    ------
    AudioError
        If they are.
    """
    if not limits.min_rate <= rate <= limits.max_rate:
        raise AudioError(
            f"The sampling rate is {rate:,} Hz; {limits.min_rate:,} to {limits.max_rate:,} Hz are supported. "
            "Export it at 44,100 or 48,000 Hz."
        )
    if not 1 <= channels <= limits.max_channels:
        raise AudioError(f"The file has {channels} channels; 1 to {limits.max_channels} are supported. Mix it down.")
