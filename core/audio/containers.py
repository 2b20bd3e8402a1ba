"""Files of sound: opening any container and codec, once, block by block, to the end of what is there.

libsndfile reads uncompressed sound and FLAC. FFmpeg (by PyAV, no system tools) reads what libsndfile refuses, and all
whose length libsndfile only estimates: MP3, Ogg, FLAC of unknown length. FFmpeg may open the formats of ``DEMUXERS``
alone and no protocol at all, so that a playlist or another text format cannot make it open further files or addresses.

A recorder that died leaves a header that promises nothing, or too little: what is there is read, and said in a note.
A file that ends before what its own header promises is cut off, and that is said too; formats without such a promise
are never called cut off.
"""

import dataclasses
import io
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import av
import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from core.audio.headers import repair
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

_MPEG_SAMPLES: Final = 1_152
_OPTIONS: Final = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "none"}
_SOUNDFILE_MAGIC: Final = (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"fLaC", b"caff", b"riff")
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
        if n == 0:
            raise AudioError("The file holds no sound: it has a header but no samples. Record or export it again.")
        if n < self.promised - END_TOLERANCE:
            self.notes.append(cut_off(self.promised / self.rate, n / self.rate))


def cut_off(promised: float, found: float) -> str:
    """Return the note on a file that ends before it should; both in seconds."""
    return f"the file is cut off: it promises {promised:.1f} s of sound, {found:.1f} s are there"


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
    if _is_for_soundfile(data):
        repaired, notes = repair(data)
        file = _try_soundfile(repaired)
        if file is not None:
            with file:
                yield _soundfile_track(file, repaired, notes, limits)
                return
        data = repaired
    else:
        notes = []
    try:
        with _opened_pyav(data, limits, track) as found:
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
    if _is_for_soundfile(data):
        file = _try_soundfile(repair(data)[0])
        if file is not None:
            with file:
                return float(file.frames / file.samplerate)
    try:
        with av.open(io.BytesIO(data), options=_OPTIONS, metadata_errors="replace") as container:
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
    blocks = _soundfile_blocks(file, data, limits)
    return Track(rate, channels, coding, 1, blocks, 0 if notes else file.frames, notes)


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
        with _opened_pyav(data, limits, 0) as track:
            for block in track.blocks:
                skipped, n = min(n, block.shape[1]), max(n - block.shape[1], 0)
                if skipped < block.shape[1]:
                    yield block[:, skipped:]
    except AudioError:
        return


@contextmanager
def _opened_pyav(data: bytes, limits: DecodeLimits, track: int) -> Iterator[Track]:
    """Open by FFmpeg; where it knows no container, libsndfile has the last word."""
    forced = "aac" if _holds_adts(data) else None
    try:
        file = av.open(io.BytesIO(data), format=forced, options=_OPTIONS, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        late = _try_soundfile(data)
        if late is not None and late.format not in ("RAW", "MP3", "OGG"):
            with late:
                yield _soundfile_track(late, data, [], limits)
                return
        raise AudioError(
            "The file is not a sound that can be read, or its beginning is damaged. "
            "Use WAV, MP3, M4A, OGG, FLAC or WebM."
        ) from error
    with file:
        yield _pyav_track(file, data, limits, track)


def _holds_adts(data: bytes) -> bool:
    """Tell whether AAC frames stand at the beginning or behind an ID3 tag, which FFmpeg takes for a sign of MP3."""
    start = 10 + _syncsafe(data[6:10]) if data[:3] == b"ID3" and len(data) > 10 else 0
    # Twelve sync bits, then layer bits 00, which no MPEG audio layer uses.
    return len(data) > start + 1 and data[start] == 0xFF and data[start + 1] & 0xF6 == 0xF0


def _syncsafe(size: bytes) -> int:
    """Return a number written in seven bits a byte."""
    number = 0
    for byte in size:
        number = number << 7 | byte & 0x7F
    return number


def _pyav_track(file: av.container.InputContainer, data: bytes, limits: DecodeLimits, track: int) -> Track:
    streams = list(file.streams.audio)[:MAX_TRACKS]
    if track >= len(streams) or streams[track].codec_context is None:
        raise AudioError("The file holds no audio track that can be read. Choose a recording with sound.")
    stream = streams[track]
    notes: list[str] = []
    frames = _decoded(file, stream, data, notes)
    first = next(frames, None)
    if first is None:
        raise AudioError(
            "The recording is damaged or cut off: nothing of its sound can be decoded. Record or export it again."
        )
    rate, channels = int(first.sample_rate), int(first.layout.nb_channels)
    check_format(rate, channels, limits)
    coding = f"{file.format.name.split(',')[0].upper()} {stream.codec_context.name}"
    return Track(rate, channels, coding, len(streams), _pyav_blocks(first, frames), _promised(file, data), notes)


def _decoded(
    file: av.container.InputContainer, stream: av.AudioStream, data: bytes, notes: list[str]
) -> Iterator[av.AudioFrame]:
    """Yield the frames of a track; packets that cannot be decoded are left out, as players do."""
    packets = file.demux(stream)
    if file.format.name in ("wav", "w64") and stream.codec_context.name == "aac":
        # These containers do not keep frames apart, and cut them anywhere.
        yield from _unframed(stream, b"".join(map(bytes, packets)))
        return
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
            continue
        yield from frames
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


def _promised(file: av.container.InputContainer, data: bytes) -> int:
    """Return the samples that an MP3's Xing header counts; 0 for all else: other durations are estimates."""
    if file.format.name != "mp3":
        return 0
    position = max(data[:65_536].find(b"Xing"), data[:65_536].find(b"Info"))
    if position < 0 or position + 12 > len(data) or not data[position + 7] & 1:
        return 0
    rate = file.streams.audio[0].rate or 0
    return int(struct.unpack_from(">I", data, position + 8)[0]) * (_MPEG_SAMPLES if rate >= 32_000 else 576)


def _pyav_blocks(first: av.AudioFrame, frames: Iterable[av.AudioFrame]) -> Iterator[NDArray[np.float32]]:
    """Yield decoded blocks of shape (channels, n) at the rate and layout of the first frame, whatever later ones have.

    Joined recordings change their rate or channels midway.
    """
    n_channels, rate = first.layout.nb_channels, first.sample_rate
    kind, resampler = None, av.AudioResampler(format="fltp")
    for frame in _with_first(first, frames):
        if (frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate) != kind:
            if kind is not None:
                yield from _planes(resampler.resample(None), n_channels)
            kind = frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate
            changed = frame.layout.nb_channels != n_channels
            resampler = av.AudioResampler(format="fltp", layout=first.layout.name if changed else None, rate=rate)
        frame.pts = None  # gaps between joined parts are no silence
        yield from _planes(resampler.resample(frame), n_channels)
    yield from _planes(resampler.resample(None), n_channels)


def _with_first(first: av.AudioFrame, frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    yield first
    yield from frames


def _planes(frames: Iterable[av.AudioFrame], n_channels: int) -> Iterator[NDArray[np.float32]]:
    """Yield the samples of frames, (channels, n).

    Not by ``to_ndarray``: of eight channels, it reads a ninth that is not there, and the process ends.
    """
    for frame in frames:
        if frame.samples and frame.layout.nb_channels == n_channels:
            yield np.stack([np.frombuffer(plane, np.float32, frame.samples) for plane in frame.planes[:n_channels]])


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
