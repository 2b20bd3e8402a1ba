"""Bytes to waveform: one way in for every sound, with its limits enforced before they cost memory.

``core.audio.containers`` opens the file, ``core.audio.mixdown`` makes one channel of all that it holds.

Conventions: waveforms are mono, float32, nominally within [-1, 1], at ``core.config.SAMPLE_RATE``.
"""

import dataclasses
import functools
import os
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.audio.containers import opened
from core.audio.mixdown import choose_mix
from core.audio.resampling import resample
from core.config import OPENING_DURATION, SAMPLE_RATE, DecodeLimits
from core.errors import AudioError


class Readable(Protocol):
    """What bytes can be read from: a binary file, or a ``core.work.parallel.File``."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, ``size`` at most."""


AudioSource: TypeAlias = bytes | str | os.PathLike[str] | Readable

LOUDEST_SAMPLE = 1e10
"""Sample beyond which a file holds no sound: 32-bit numbers that were written as they are stay below."""
LOUD_SAMPLE = 4.0
"""Sample beyond which the sound is scaled down; codecs go a little above 1, and mixes in floating point more."""
FULL_SCALE = 0.999
"""Sample from which a sound counts as clipped."""


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
        return cls(
            y,
            SAMPLE_RATE,
            file_rate=SAMPLE_RATE,
            channels=1,
            container="samples",
            clipped_share=clipped_share(y),
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
    with opened(data, limits, mix.track) as track:
        mono = np.concatenate([mix.apply(block) for block in track.read(limits)])
        rate, channels, coding, notes = track.rate, track.channels, track.coding, track.notes
    share = clipped_share(mono, is_float=any(word in coding.upper() for word in ("FLOAT", "DOUBLE", "PCM_F")))
    mono, gain_note = _at_scale(mono)
    n_head = int(OPENING_DURATION * rate)
    return Waveform(
        y=resample(mono, rate, SAMPLE_RATE),
        sr=SAMPLE_RATE,
        file_rate=rate,
        channels=channels,
        container=coding,
        clipped_share=share,
        notes=(*notes, *gain_note, *mix.notes),
        parts=mix.parts,
        part=mix.part,
        # A copy: a view would keep the whole sound at the file's rate.
        head=mono[:n_head].copy() if n_head < len(mono) else None,
    )


def clipped_share(y: NDArray[np.float32], *, is_float: bool = False) -> float:
    """Return the share of samples at full scale, shape (n,); those in floating point that go above it clip nothing."""
    peak = _peak(y)
    if peak < FULL_SCALE or (is_float and peak > 1):
        return 0.0
    return float((np.abs(y) >= FULL_SCALE).mean())


def _peak(y: NDArray[np.float32]) -> float:
    """Return the largest size of a sample, (n,); 0 where there is none."""
    return float(max(y.max(initial=0), -y.min(initial=0)))


def _at_scale(mono: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[str]]:
    """Return samples within [-1, 1], and a note where they were far outside; absurd ones are refused.

    Floating-point files may go above full scale, which clips nothing.
    """
    peak = _peak(mono)
    if peak > LOUDEST_SAMPLE:
        raise AudioError(f"The file holds numbers that are no sound (up to {peak:.0e}). Export it again.")
    if peak <= LOUD_SAMPLE:
        return mono, []
    return mono / np.float32(peak), [f"its samples went up to {peak:.3g} times full scale and were scaled down"]


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
    if len(data) > limits.max_bytes:
        raise AudioError(f"The file is larger than {limits.max_bytes / 2**20:.0f} MB. Cut it or save it compressed.")
    return data


def _read(source: str | os.PathLike[str] | Readable, size: int) -> bytes:
    """Return the first bytes of a file, or the next ones of an open one."""
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            return file.read(size)
    return source.read(size)
