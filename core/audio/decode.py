"""Bytes to waveform: one way in for every sound, with its limits enforced before they cost memory.

``core.audio.containers`` opens the file, ``core.audio.mixdown`` makes one channel of all that it holds, and
``core.audio.scale`` brings its samples to [-1, 1]. ``core.audio.stream`` gives the same sound block by block.

Conventions: waveforms are mono, float32, nominally within [-1, 1], at ``core.config.SAMPLE_RATE``.
"""

import dataclasses
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.audio.containers import Track, opened
from core.audio.mixdown import Mix, choose_mix
from core.audio.resampling import resample
from core.audio.scale import Scale
from core.config import OPENING_DURATION, SAMPLE_RATE, DecodeLimits
from core.errors import AudioError


class Readable(Protocol):
    """What bytes can be read from: a binary file, or a ``core.work.parallel.File``."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, ``size`` at most."""


AudioSource: TypeAlias = bytes | str | os.PathLike[str] | Readable


@dataclasses.dataclass(frozen=True, eq=False)
class Waveform:
    """A decoded sound, and what its file was."""

    y: NDArray[np.float32]
    """Samples, mono, shape (n,)."""
    sr: int
    """Sampling rate of ``y``, in Hz."""
    file_rate: int
    """Sampling rate of the file, in Hz."""
    channels: int
    """Channels of the file."""
    container: str
    """Container and coding of the file, such as ``WAV PCM_16``."""
    clipped_share: float = 0.0
    """Share of samples at full scale."""
    notes: tuple[str, ...] = ()
    """What a reader of the answer must know of the file: that it is cut off, or which part of it this is."""
    parts: tuple[str, ...] = ()
    """Names of the channels or tracks that hold other voices than this one, and its own; empty where there are none."""
    part: str = ""
    """Which of ``parts`` this is."""
    head: NDArray[np.float32] | None = None
    """The first 4 s at ``file_rate``, shape (n,); None where there is no more than that, or it was not resampled."""

    @functools.cached_property
    def opening(self) -> NDArray[np.float32]:
        """The first 4 s, cut before resampling: what ``librosa.load(duration=4)`` gives and the reference needs.

        It differs from the beginning of ``y`` in the last milliseconds alone, where the filter met the cut.
        """
        if self.head is None:
            return self.y[: int(OPENING_DURATION * self.sr)]
        return resample(self.head, self.file_rate, self.sr)

    @property
    def duration(self) -> float:
        """Length, in seconds."""
        return len(self.y) / self.sr

    @classmethod
    def of_samples(cls, y: NDArray[np.float32]) -> "Waveform":
        """Return samples at ``core.config.SAMPLE_RATE`` as ``decode`` gives a file of them."""
        scale = Scale()
        scale.add(y)
        return cls(
            y,
            SAMPLE_RATE,
            file_rate=SAMPLE_RATE,
            channels=1,
            container="samples",
            clipped_share=scale.clipped_share,
        )


def decode(source: AudioSource, *, limits: DecodeLimits | None = None, part: str = "") -> Waveform:
    """Decode a sound file to a mono waveform at 22,050 Hz.

    Parameters
    ----------
    source : bytes, path or binary file
        The encoded sound. A binary file is read from where it stands and not closed.
    limits : DecodeLimits, optional
        Bounds on size, length, channels and rate.
    part : str
        Which channel or track, a name in ``Waveform.parts``; by default that with the most voice.

    Returns
    -------
    Waveform
        The whole sound. Channels that hold the same sound are averaged; of others, one is taken.

    Raises
    ------
    AudioError
        If the input is missing, empty, not a sound, without samples, non-finite, or beyond the limits.

    Examples
    --------
    >>> import io
    >>> import soundfile as sf
    >>> buffer = io.BytesIO()
    >>> sf.write(buffer, np.zeros((48_000, 2)), 48_000, format="WAV")
    >>> waveform = decode(buffer.getvalue())
    >>> waveform.y.shape, waveform.file_rate, waveform.channels
    ((22050,), 48000, 2)
    """
    limits = limits or DecodeLimits()
    data = read_bytes(source, limits)
    mix = choose_mix(data, limits, part)
    with opened_mix(data, limits, mix) as sound:
        mono = np.concatenate(list(sound.blocks()))
        rate, channels, coding = sound.track.rate, sound.track.channels, sound.track.coding
    mono = sound.scale.apply(mono)
    n_head = int(OPENING_DURATION * rate)
    return Waveform(
        y=resample(mono, rate, SAMPLE_RATE),
        sr=SAMPLE_RATE,
        file_rate=rate,
        channels=channels,
        container=coding,
        clipped_share=sound.scale.clipped_share,
        notes=sound.notes,
        parts=mix.parts,
        part=mix.part,
        # A copy: a view would keep the whole sound at the file's rate.
        head=mono[:n_head].copy() if n_head < len(mono) else None,
    )


@dataclasses.dataclass(eq=False)
class MixedTrack:
    """A track that is open for reading, once, as one channel."""

    track: Track
    """The track."""
    mix: Mix
    """What becomes of its channels."""
    limits: DecodeLimits
    """Bounds on its length."""
    scale: Scale
    """What was measured of the samples that were read."""

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the samples, (n,), at the file's rate, as the file has them.

        Raises
        ------
        AudioError
            As ``core.audio.containers.Track.read``, or if they are no sound.
        """
        for block in self.track.read(self.limits):
            y = self.mix.apply(block)
            self.scale.add(y)
            yield y

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the answer must know of the file; complete when all blocks were read."""
        return (*self.track.notes, *self.scale.notes, *self.mix.notes)


@contextmanager
def opened_mix(data: bytes, limits: DecodeLimits, mix: Mix) -> Iterator[MixedTrack]:
    """Open what is heard of a file.

    Parameters
    ----------
    data : bytes
        The encoded sound.
    limits : DecodeLimits
        Bounds on length, channels and rate.
    mix : Mix
        As from ``core.audio.mixdown.choose_mix``.

    Yields
    ------
    MixedTrack

    Raises
    ------
    AudioError
        As ``core.audio.containers.opened``.
    """
    with opened(data, limits, mix.track) as track:
        is_float = any(word in track.coding.upper() for word in ("FLOAT", "DOUBLE", "PCM_F"))
        yield MixedTrack(track, mix, limits, Scale(is_float=is_float))


def read_bytes(source: AudioSource, limits: DecodeLimits) -> bytes:
    """Return the bytes of a source, never more than the limit allows.

    Raises
    ------
    AudioError
        If it cannot be opened, is empty, or holds more.
    """
    if isinstance(source, bytes):
        data = source
    else:
        try:
            data = _read(source, limits.max_bytes + 1)
        except OSError as error:
            raise AudioError(f"The file cannot be opened: {error.strerror}. Check its name.") from error
    if not data:
        raise AudioError("The file is empty. Record or export it again.")
    refuse_large(data, limits)
    return data


def refuse_large(data: bytes, limits: DecodeLimits) -> None:
    """Refuse a file beyond the limit on its size.

    Raises
    ------
    AudioError
        If it is.
    """
    if len(data) > limits.max_bytes:
        raise AudioError(f"The file is larger than {limits.max_bytes / 2**20:.0f} MB. Cut it or save it compressed.")


def _read(source: str | os.PathLike[str] | Readable, size: int) -> bytes:
    """Return the first bytes of a file, or the next ones of an open one."""
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            return file.read(size)
    return source.read(size)
