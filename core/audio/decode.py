"""Bytes to waveform: one way in for every sound, with its limits enforced before they cost memory.

soundfile (libsndfile) reads WAV, FLAC, Ogg, MP3 and AIFF; PyAV reads what browsers and phones record (MP4, M4A, AAC,
WebM, Matroska, AMR, WMA) and needs no system ffmpeg. PyAV is told the container by its magic number and never
probes, so that a playlist or another text format cannot make ffmpeg open further files or addresses.

Conventions: waveforms are mono, float32, nominally within [-1, 1], at ``core.config.SAMPLE_RATE``.
"""

import dataclasses
import io
import itertools
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import av
import librosa
import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from core.config import OPENING_DURATION, SAMPLE_RATE, DecodeLimits
from core.errors import AudioError

AudioSource: TypeAlias = bytes | str | os.PathLike[str] | BinaryIO

BLOCK_FRAMES = 65_536

UNKNOWN_RIFF_SIZE = 0x7FFFF000
"""Sizes from here on are what recorders write that do not know the length, in place of a size."""

HEADER_SLACK = 64
"""Bytes that may be missing at the end: careless writers count padding that they do not write."""

END_TOLERANCE = 2_304
"""Samples that may be missing at the end: an MP3 header can count two frames more than a decoder gives."""

ISO_MEDIA = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")


@dataclasses.dataclass(frozen=True, eq=False)
class Waveform:
    """A decoded sound, and what its file was."""

    y: NDArray[np.float32]
    """Samples, mono, shape (n,)."""
    opening: NDArray[np.float32]
    """The first 4 s, cut before resampling: what ``librosa.load(duration=4)`` gives and the reference features need.
    It differs from the beginning of ``y`` in the last milliseconds alone, where the filter met the cut."""
    sr: int
    """Sampling rate of ``y``, in Hz."""
    file_rate: int
    """Sampling rate of the file, in Hz."""
    channels: int
    """Channels of the file."""
    container: str
    """Container and coding of the file, such as ``WAV PCM_16``."""

    @property
    def duration(self) -> float:
        """Length, in seconds."""
        return len(self.y) / self.sr

    @classmethod
    def of_samples(cls, y: NDArray[np.float32]) -> "Waveform":
        """Return samples at ``core.config.SAMPLE_RATE`` as ``decode`` gives a file of them."""
        opening = y[: int(OPENING_DURATION * SAMPLE_RATE)]
        return cls(y, opening, SAMPLE_RATE, file_rate=SAMPLE_RATE, channels=1, container="samples")


def decode(source: AudioSource, *, limits: DecodeLimits | None = None) -> Waveform:
    """Decode a sound file to a mono waveform at 22,050 Hz.

    Parameters
    ----------
    source : bytes, path or binary file
        The encoded sound. A binary file is read from where it stands and not closed.
    limits : DecodeLimits, optional
        Bounds on size, length, channels and rate.

    Returns
    -------
    Waveform
        The whole sound. Channels are averaged.

    Raises
    ------
    AudioError
        If the input is missing, empty, truncated, not a sound, without samples, non-finite, or beyond the limits.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> sf.write(buffer, np.zeros((48_000, 2)), 48_000, format="WAV")
    >>> waveform = decode(buffer.getvalue())
    >>> waveform.y.shape, waveform.file_rate, waveform.channels
    ((22050,), 48000, 2)
    """
    limits = limits or DecodeLimits()
    data = _read(source, limits)
    with opened(data, limits) as track:
        parts = list(track.mono(limits))
        rate, channels, coding = track.rate, track.channels, track.coding
    mono = np.concatenate(parts)
    y = librosa.resample(mono, orig_sr=rate, target_sr=SAMPLE_RATE)
    head = mono[: int(OPENING_DURATION * rate)]
    return Waveform(
        y=y,
        opening=y if len(head) == len(mono) else librosa.resample(head, orig_sr=rate, target_sr=SAMPLE_RATE),
        sr=SAMPLE_RATE,
        file_rate=rate,
        channels=channels,
        container=coding,
    )


def _read(source: AudioSource, limits: DecodeLimits) -> bytes:
    """Return the bytes of a source, never more than the limit allows."""
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, (str, os.PathLike)):
        try:
            with Path(source).open("rb") as file:
                data = file.read(limits.max_bytes + 1)
        except OSError as error:
            raise AudioError(f"The file cannot be opened: {error.strerror}. Check its name.") from error
    else:
        data = source.read(limits.max_bytes + 1)
    if not data:
        raise AudioError("The file is empty. Record or export it again.")
    if len(data) > limits.max_bytes:
        raise AudioError(f"The file is larger than {limits.max_bytes / 2**20:.0f} MB. Cut it or save it compressed.")
    return data


def pyav_container(data: bytes) -> str | None:
    """Return ffmpeg's name of the container for formats that libsndfile does not read, by magic number."""
    if data[4:8] in ISO_MEDIA:
        return "mov"
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if data.startswith(b"#!AMR"):
        return "amr"
    if data.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
        return "asf"
    # ADTS: twelve sync bits, then layer bits 00, which no MPEG audio layer uses.
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return "aac"
    return None


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """A sound that is open for decoding, once."""

    rate: int
    """Sampling rate of the file, in Hz."""
    channels: int
    """Channels of the file."""
    coding: str
    """Container and coding of the file, such as ``WAV PCM_16``."""
    promised: int
    """Samples of a channel that the header promises; 0 where it says nothing."""
    blocks: Iterable[NDArray[np.float32]]
    """Decoded blocks of shape (channels, n)."""

    def mono(self, limits: DecodeLimits) -> Iterator[NDArray[np.float32]]:
        """Yield blocks with the channels averaged, (n,), stopping at the length limit.

        Raises
        ------
        AudioError
            If there is no sound, the sound is too long, cut off, or holds samples that are not numbers.
        """
        allowed = min(int(limits.max_duration * self.rate), limits.max_samples)
        n = 0
        for block in self.blocks:
            n += block.shape[1]
            if n > allowed:
                raise AudioError(f"The sound is longer than {allowed / self.rate / 60:.3g} minutes. Cut it into parts.")
            mono = block.mean(axis=0)
            if not np.isfinite(mono).all():
                raise AudioError("The file holds samples that are not numbers (NaN or infinite). Export it again.")
            yield mono
        if n < self.promised - END_TOLERANCE:
            raise AudioError(
                f"The file is cut off: its header promises {self.promised / self.rate:.1f} s of sound, "
                f"{n / self.rate:.1f} s are there. Copy or export it again."
            )
        if n == 0:
            raise AudioError("The file holds no sound: it has a header but no samples. Record or export it again.")


@contextmanager
def opened(data: bytes, limits: DecodeLimits) -> Iterator[Track]:
    """Open the sound in a file's bytes; errors of the libraries on the way become ``AudioError``.

    Parameters
    ----------
    data : bytes
        The encoded sound.
    limits : DecodeLimits
        Bounds on channels and rate; those on length are enforced by ``Track.mono``.

    Yields
    ------
    Track

    Raises
    ------
    AudioError
        If the file is not a sound, damaged, truncated, or beyond the limits.
    """
    container = pyav_container(data)
    with _opened_pyav(data, container, limits) if container else _opened_soundfile(data, limits) as track:
        yield track


@contextmanager
def _opened_soundfile(data: bytes, limits: DecodeLimits) -> Iterator[Track]:
    """Open by libsndfile, which is read block by block."""
    refuse_truncated(data)
    try:
        with sf.SoundFile(io.BytesIO(data)) as file:
            rate, channels = int(file.samplerate), int(file.channels)
            _check_format(rate, channels, limits)
            yield Track(rate, channels, f"{file.format} {file.subtype}", file.frames, _soundfile_blocks(file))
    except sf.LibsndfileError as error:
        raise AudioError(
            f"The file is not a sound that can be read ({error.error_string.rstrip('.')}). "
            "Use WAV, FLAC, MP3, OGG, M4A or WebM."
        ) from error


def _soundfile_blocks(file: sf.SoundFile) -> Iterator[NDArray[np.float32]]:
    """Yield decoded blocks of shape (channels, n) until the stream ends.

    Not ``SoundFile.blocks``: where a stream is shorter than its header says, that one fills up with whatever lay in
    memory, another person's sound among it.
    """
    while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
        yield block.T


@contextmanager
def _opened_pyav(data: bytes, container: str, limits: DecodeLimits) -> Iterator[Track]:
    """Open the first audio stream by PyAV."""
    try:
        with av.open(io.BytesIO(data), format=container, metadata_errors="replace") as file:
            stream = next(iter(file.streams.audio), None)
            if stream is None or stream.codec_context is None:
                raise AudioError("The file holds no audio track that can be read. Choose a recording with sound.")
            frames = file.decode(stream)
            first = next(frames, None)
            if first is None:
                raise AudioError("The file holds no sound: it has a header but no samples. Record or export it again.")
            rate, channels = int(first.sample_rate), int(first.layout.nb_channels)
            _check_format(rate, channels, limits)
            coding = f"{container.upper()} {stream.codec_context.name}"
            yield Track(rate, channels, coding, 0, _pyav_blocks(first, frames))
    except av.FFmpegError as error:
        raise AudioError(
            f"The recording is damaged or cut off ({error.strerror}). Record or export it again."
        ) from error


def _pyav_blocks(first: av.AudioFrame, frames: Iterable[av.AudioFrame]) -> Iterator[NDArray[np.float32]]:
    """Yield decoded blocks of shape (channels, n); only the coding of samples may differ, not their meaning."""
    resampler = av.AudioResampler(format="fltp")
    for frame in itertools.chain([first], frames):
        if _frame_format(frame) != _frame_format(first):
            raise AudioError("The recording changes its format midway. Export it again as WAV or FLAC.")
        for converted in resampler.resample(frame):
            yield converted.to_ndarray()


def _frame_format(frame: av.AudioFrame) -> tuple[int, str, str]:
    return frame.sample_rate, frame.layout.name, frame.format.name


def _check_format(rate: int, channels: int, limits: DecodeLimits) -> None:
    """Refuse rates and channel counts outside the limits."""
    if not limits.min_rate <= rate <= limits.max_rate:
        raise AudioError(
            f"The sampling rate is {rate:,} Hz; {limits.min_rate:,} to {limits.max_rate:,} Hz are supported. "
            "Export it at 44,100 or 48,000 Hz."
        )
    if not 1 <= channels <= limits.max_channels:
        raise AudioError(f"The file has {channels} channels; 1 to {limits.max_channels} are supported. Mix it down.")


def refuse_truncated(data: bytes) -> None:
    """Refuse a file that is shorter than its own header says; libsndfile would read it as a shorter sound.

    WebM and raw AAC say nothing about their length: a cut one is a shorter recording.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    AudioError
        If a WAV, AIFF, AU or Ogg file ends early.
    """
    promised = _promised_length(data)
    if promised > len(data):
        raise AudioError(
            f"The file is cut off: its header promises {promised:,} bytes, {len(data):,} are there. "
            "Copy or export it again."
        )


def _promised_length(data: bytes) -> int:
    """Return the least length in bytes that a file's headers allow, or 0 where they state none."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        position = 12
        while position + 8 <= len(data):
            size = int(struct.unpack_from("<I", data, position + 4)[0])
            if data[position : position + 4] == b"data":
                return position + 8 + size - HEADER_SLACK if size < UNKNOWN_RIFF_SIZE else 0
            position += 8 + size + size % 2
    if data[:4] == b"FORM" and len(data) > 8:
        return 8 + int(struct.unpack_from(">I", data, 4)[0]) - HEADER_SLACK
    if data[:4] == b".snd" and len(data) > 12:
        offset, size = struct.unpack_from(">II", data, 4)
        return int(offset + size) - HEADER_SLACK if size < UNKNOWN_RIFF_SIZE else 0
    if data[:4] == b"OggS":
        page = data.rfind(b"OggS")
        lacing = data[page + 27 : page + 27 + data[page + 26]] if page + 26 < len(data) else b""
        return page + 27 + len(lacing) + sum(lacing)
    return 0
