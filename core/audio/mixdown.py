"""From the channels and tracks of a file to one channel: the one in which the voice is, wherever it is.

Channels that are alike are averaged. Where they are not (one side inverted, one dead, noise on one, another person on
the other), an average cancels or mixes, so the channel with the most voice is taken. Where several hold voices of their
own, that is said, and each can be chosen.
"""

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from core.audio.containers import MAX_TRACKS, opened
from core.audio.resampling import resample
from core.config import DecodeLimits
from core.errors import AudioError

ALIKE: Final = 0.9
"""Correlation from which two channels are averaged."""
DEAD: Final = 1e-4
"""Share of the loudest channel's power under which a channel holds nothing."""
LISTENED: Final = 120.0
"""Length of the beginning in which voices are looked for, in seconds."""
MIN_VOICE: Final = 0.5
"""Time of voice from which a channel holds one, in seconds."""
SAME_SOURCE: Final = 0.35
"""Peak of the cross-correlation within ``MAX_DELAY`` from which two channels hear the same source."""
MAX_DELAY: Final = 0.02
"""In seconds: sound travels seven metres."""
_RATE: Final = 8_000


@dataclasses.dataclass(frozen=True)
class Mix:
    """Which track of a file is read, and what becomes of its channels."""

    track: int = 0
    """Track of sound, from 0."""
    channel: int | None = None
    """Channel that is taken; None for the average of all."""
    parts: tuple[str, ...] = ()
    """Names of the channels or tracks with voices of their own; empty where there is one voice."""
    part: str = ""
    """Name of what is taken, where there are several."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of an answer must know."""
        if not self.parts:
            return ()
        return (f"the file holds different voices ({', '.join(self.parts)}); this is the {self.part}",)

    def apply(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one channel, (n,), of a block of shape (channels, n)."""
        channel = 0 if len(block) == 1 else self.channel
        return np.asarray(block.mean(axis=0) if channel is None else block[channel], dtype=np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """A track, or a channel of one."""

    track: int
    channel: int | None
    name: str
    y: NDArray[np.float32]
    """Its beginning at ``_RATE``, shape (n,)."""
    voice: float
    """Time with a voice in it, in seconds."""


def choose_mix(data: bytes, limits: DecodeLimits, part: str = "") -> Mix:
    """Find where the voice of a file is.

    Parameters
    ----------
    data : bytes
        The encoded sound.
    limits : DecodeLimits
        Bounds on channels and rate.
    part : str
        Name of the part that somebody chose; where the file has none of that name, the one with the most voice.

    Returns
    -------
    Mix

    Raises
    ------
    AudioError
        If the file cannot be opened.
    """
    with opened(data, limits) as track:
        if track.n_tracks == track.channels == 1:
            return Mix()
        alike = track.n_tracks == 1 and _are_alike(track.read(limits))
    if alike:
        return Mix()
    parts = list(_parts(data, limits))
    most = max((p.voice for p in parts), default=0.0)
    if not parts:
        return Mix()
    # Among channels that hear about as much voice, the first; the loudest where no voice is heard at all.
    best = (
        next(p for p in parts if p.voice >= 0.9 * most)
        if most
        else max(parts, key=lambda p: float(np.mean(np.square(p.y))))
    )
    others = [p for p in parts if p is not best and p.voice >= MIN_VOICE and not _same_source(best.y, p.y)]
    if not others:
        return Mix(best.track, best.channel)
    voices = sorted([best, *others], key=parts.index)
    chosen = next((p for p in voices if p.name == part), best)
    return Mix(chosen.track, chosen.channel, tuple(p.name for p in voices), chosen.name)


def _are_alike(blocks: Iterator[NDArray[np.float32]]) -> bool:
    """Tell whether an average of the channels keeps what each of them holds."""
    products: NDArray[np.float64] | float = 0.0
    for block in blocks:
        products = products + block.astype(np.float64) @ block.T.astype(np.float64)
    products = np.atleast_2d(products)
    power = np.diag(products)
    if not power.max() > 0:
        return True
    if power.min() < DEAD * power.max():
        return False
    return bool((products / np.sqrt(np.outer(power, power))).min() >= ALIKE)


def _parts(data: bytes, limits: DecodeLimits) -> Iterator[_Part]:
    """Yield the tracks, or where their channels differ each channel, that are not dead."""
    from core.audio.gate import voice_duration

    n_tracks = 1
    for number in range(MAX_TRACKS):
        if number >= n_tracks:
            return
        try:
            with opened(data, limits, number) as track:
                n_tracks = min(track.n_tracks, MAX_TRACKS)
                rate, wanted = track.rate, int(LISTENED * track.rate)
                kept, n = [], 0
                for block in track.read(limits):
                    kept.append(block[:, : wanted - n])
                    n += block.shape[1]
                    if n >= wanted:
                        break
        except AudioError:
            if number == 0:
                raise
            continue
        channels = np.concatenate(kept, axis=1)
        one = len(channels) == 1 or _are_alike(iter([channels]))
        rows = channels.mean(axis=0, keepdims=True) if one else channels
        power = np.mean(np.square(rows, dtype=np.float64), axis=1)
        for k, row in enumerate(rows):
            if power[k] > DEAD * power.max():
                name = _name(number if n_tracks > 1 else None, None if one else k, len(rows))
                y = resample(row, rate, _RATE)
                yield _Part(number, None if one else k, name, y, voice_duration(y, _RATE))


def _name(track: int | None, channel: int | None, n_channels: int) -> str:
    """Return the name of a part for people."""
    words = [] if track is None else [f"track {track + 1}"]
    if channel is not None:
        words.append(("left side", "right side")[channel] if n_channels == 2 else f"channel {channel + 1}")
    return ", ".join(words)


def _same_source(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Tell whether two channels hear the same source, perhaps delayed or inverted."""
    n = min(len(one), len(other))
    size = scipy.fft.next_fast_len(2 * n, real=True)
    spectra = [scipy.fft.rfft(y[:n], size) for y in (one, other)]
    correlation = scipy.fft.irfft(spectra[0] * spectra[1].conj(), size)
    reach = int(MAX_DELAY * _RATE)
    norm = float(np.sqrt(np.sum(np.square(one[:n])) * np.sum(np.square(other[:n])))) or 1.0
    near = np.concatenate([correlation[: reach + 1], correlation[-reach:]])
    return bool(np.abs(near).max() / norm >= SAME_SOURCE)
