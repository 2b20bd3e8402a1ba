"""Bytes to waveform: one way in for every sound, with its limits enforced before they cost memory.

soundfile (libsndfile) reads WAV, FLAC, Ogg, MP3 and AIFF; PyAV reads what browsers and phones record (MP4, M4A, AAC,
WebM, Matroska, AMR, WMA) and needs no system ffmpeg. PyAV is told the container by its magic number and never
probes, so that a playlist or another text format can not make ffmpeg open further files or addresses.

Conventions: waveforms are mono, float32, nominally within [-1, 1], at ``core.config.SAMPLE_RATE``.
"""

import dataclasses
import hashlib
import io
import os
import struct
from collections.abc import Iterable, Iterator
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

UNKNOWN_RIFF_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""Sizes that recorders write when they do not know the length: 0, or all ones."""

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
    sha256: str
    """SHA-256 of the file's bytes, in hex."""

    @property
    def duration(self) -> float:
        """Length, in seconds."""
        return len(self.y) / self.sr


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
    container = _pyav_container(data)
    mono, rate, channels, coding = (
        _decode_pyav(data, container, limits) if container else _decode_soundfile(data, limits)
    )
    if mono.size == 0:
        raise AudioError("The file holds no sound: it has a header but no samples. Record or export it again.")
    if not np.isfinite(mono).all():
        raise AudioError("The file holds samples that are not numbers (NaN or infinite). Export it again.")
    y = librosa.resample(mono, orig_sr=rate, target_sr=SAMPLE_RATE)
    head = mono[: int(OPENING_DURATION * rate)]
    return Waveform(
        y=y,
        opening=y if len(head) == len(mono) else librosa.resample(head, orig_sr=rate, target_sr=SAMPLE_RATE),
        sr=SAMPLE_RATE,
        file_rate=rate,
        channels=channels,
        container=coding,
        sha256=hashlib.sha256(data).hexdigest(),
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
            raise AudioError(f"The file can not be opened: {error.strerror}. Check its name.") from error
    else:
        data = source.read(limits.max_bytes + 1)
    if not data:
        raise AudioError("The file is empty. Record or export it again.")
    if len(data) > limits.max_bytes:
        raise AudioError(f"The file is larger than {limits.max_bytes / 2**20:.0f} MB. Cut it or save it compressed.")
    return data


def _pyav_container(data: bytes) -> str | None:
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


def _decode_soundfile(data: bytes, limits: DecodeLimits) -> tuple[NDArray[np.float32], int, int, str]:
    """Decode by libsndfile, block by block."""
    _refuse_truncated_riff(data)
    try:
        with sf.SoundFile(io.BytesIO(data)) as file:
            rate, channels = int(file.samplerate), int(file.channels)
            _check_format(rate, channels, limits)
            blocks = file.blocks(BLOCK_FRAMES, dtype="float32", always_2d=True)
            mono = _collect((block.T for block in blocks), rate, limits)
            # A FLAC header states its length; a shorter stream has lost its end.
            if file.format == "FLAC" and mono.size < file.frames:
                raise _truncated(file.frames / rate, mono.size / rate)
            return mono, rate, channels, f"{file.format} {file.subtype}"
    except sf.LibsndfileError as error:
        raise AudioError(
            f"The file is not a sound that can be read ({error.error_string.rstrip('.')}). "
            "Use WAV, FLAC, MP3, OGG, M4A or WebM."
        ) from error


def _decode_pyav(data: bytes, container: str, limits: DecodeLimits) -> tuple[NDArray[np.float32], int, int, str]:
    """Decode the first audio stream by PyAV."""
    try:
        with av.open(io.BytesIO(data), format=container) as file:
            if not file.streams.audio:
                raise AudioError("The file holds no audio track. Choose a recording with sound.")
            stream = file.streams.audio[0]
            rate, channels = int(stream.codec_context.sample_rate), int(stream.codec_context.channels)
            _check_format(rate, channels, limits)
            coding = f"{container.upper()} {stream.codec_context.name}"
            return _collect(_pyav_blocks(file, stream), rate, limits), rate, channels, coding
    except av.FFmpegError as error:
        raise AudioError(
            f"The recording is damaged or cut off ({error.strerror}). Record or export it again."
        ) from error


def _pyav_blocks(file: av.container.InputContainer, stream: av.AudioStream) -> Iterator[NDArray[np.float32]]:
    """Yield decoded blocks of shape (channels, n)."""
    resampler = av.AudioResampler(format="fltp")
    for frame in file.decode(stream):
        for converted in resampler.resample(frame):
            yield converted.to_ndarray()


def _collect(blocks: Iterable[NDArray[np.float32]], rate: int, limits: DecodeLimits) -> NDArray[np.float32]:
    """Average the channels of (channels, n) blocks and join them, stopping at the length limit."""
    parts: list[NDArray[np.float32]] = []
    remaining = int(limits.max_duration * rate)
    for block in blocks:
        remaining -= block.shape[1]
        if remaining < 0:
            raise AudioError(f"The sound is longer than {limits.max_duration / 60:.0f} minutes. Cut it into parts.")
        parts.append(block.mean(axis=0))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _check_format(rate: int, channels: int, limits: DecodeLimits) -> None:
    """Refuse rates and channel counts outside the limits."""
    if not limits.min_rate <= rate <= limits.max_rate:
        raise AudioError(
            f"The sampling rate is {rate:,} Hz; {limits.min_rate:,} to {limits.max_rate:,} Hz are supported. "
            "Export it at 44,100 or 48,000 Hz."
        )
    if not 1 <= channels <= limits.max_channels:
        raise AudioError(f"The file has {channels} channels; 1 to {limits.max_channels} are supported. Mix it down.")


def _refuse_truncated_riff(data: bytes) -> None:
    """Refuse a WAV file whose data chunk promises more bytes than follow: libsndfile would read it as a shorter one."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    position = 12
    while position + 8 <= len(data):
        size = int(struct.unpack_from("<I", data, position + 4)[0])
        if data[position : position + 4] == b"data":
            available = len(data) - position - 8
            if available < size and size not in UNKNOWN_RIFF_SIZES:
                raise AudioError(
                    f"The file is cut off: its header promises {size:,} bytes of sound, {available:,} are there. "
                    "Copy or export it again."
                )
            return
        position += 8 + size + size % 2


def _truncated(promised: float, found: float) -> AudioError:
    """Return the error for a stream that ends early; both lengths in seconds."""
    return AudioError(
        f"The file is cut off: its header promises {promised:.1f} s of sound, {found:.1f} s are there. "
        "Copy or export it again."
    )
