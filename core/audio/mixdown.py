"""From the channels and tracks of a file to one channel: the one in which the voice is, wherever it is.

Channels that are alike are averaged. Where they are not (one side inverted, one dead, noise on one, another person on
the other), an average cancels or mixes, so the channel with the most voice is taken. Where several hold voices of their
own, that is said, and each can be chosen.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from core.audio.containers import MAX_TRACKS, opened
from core.config import DecodeLimits
from core.errors import AudioError

ALIKE: Final = 0.9
"""Correlation from which two channels are averaged."""
DEAD: Final = 1e-4
"""Share of the loudest channel's power under which a channel holds nothing."""
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


@dataclasses.dataclass(eq=False)
class _Part:
    """A track, or a channel of one."""

    name: str
    mix: Mix
    """How it is read."""
    voice: float = 0.0
    """Time with a voice in it, in seconds."""
    power: float = 0.0
    """Sum of squares of its samples at ``_RATE``."""


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
        n_tracks = track.n_tracks
        if n_tracks == track.channels == 1:
            return Mix()
        products = _products(track.read(limits))
    if n_tracks == 1 and _are_alike(products):
        return Mix()
    parts = list(_parts(data, limits, n_tracks, products))
    if not parts:
        return Mix()
    most = max(p.voice for p in parts)
    # Among channels that hear about as much voice, the first; the loudest where no voice is heard at all.
    best = next(p for p in parts if p.voice >= 0.9 * most) if most else max(parts, key=lambda p: p.power)
    others = [p for p in parts if p is not best and p.voice >= MIN_VOICE]
    others = [p for p, is_same in zip(others, _same_source(data, limits, best, others), strict=True) if not is_same]
    if not others:
        return best.mix
    voices = sorted([best, *others], key=parts.index)
    chosen = next((p for p in voices if p.name == part), best)
    return dataclasses.replace(chosen.mix, parts=tuple(p.name for p in voices), part=chosen.name)


def _products(blocks: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the sums of the products of each two channels, (channels, channels)."""
    products: NDArray[np.float64] | float = 0.0
    for block in blocks:
        products = products + block.astype(np.float64) @ block.T.astype(np.float64)
    return np.atleast_2d(products)


def _are_alike(products: NDArray[np.float64]) -> bool:
    """Tell whether an average of the channels keeps what each of them holds."""
    power = np.diag(products)
    if not power.max() > 0:
        return True
    if power.min() < DEAD * power.max():
        return False
    return bool((products / np.sqrt(np.outer(power, power))).min() >= ALIKE)


def _parts(data: bytes, limits: DecodeLimits, n_tracks: int, first: NDArray[np.float64]) -> Iterator[_Part]:
    """Yield the tracks, or where their channels differ each channel, that are not dead; of the first, its products."""
    for number in range(min(n_tracks, MAX_TRACKS)):
        try:
            products = first
            if number:
                with opened(data, limits, number) as track:
                    products = _products(track.read(limits))
            power, track_number = np.diag(products), number if n_tracks > 1 else None
            if _are_alike(products):
                parts = [_Part(_name(track_number, None, 1), Mix(number))] if power.max() > 0 else []
            else:
                live = np.flatnonzero(power > DEAD * power.max())
                parts = [_Part(_name(track_number, int(k), len(power)), Mix(number, int(k))) for k in live]
            _listen(data, limits, parts)
        except AudioError:
            if number == 0:
                raise
            continue
        yield from parts


def _listen(data: bytes, limits: DecodeLimits, parts: Sequence[_Part]) -> None:
    """Measure voice and power of parts of one track."""
    from core.audio.gate import MIN_PROBABILITY, WINDOW_DURATION, VoiceScan

    if not parts:
        return
    scans, before = [VoiceScan() for _ in parts], np.zeros((len(parts), 0), np.float32)
    for region in _regions(data, limits, [part.mix for part in parts]):
        for part, scan, y, earlier in zip(parts, scans, region, before, strict=True):
            part.voice += float((scan.scan(y, _RATE, earlier) > MIN_PROBABILITY).sum() * WINDOW_DURATION)
            part.power += float(np.sum(np.square(y, dtype=np.float64)))
        before = region


def _regions(data: bytes, limits: DecodeLimits, mixes: Sequence[Mix]) -> Iterator[NDArray[np.float32]]:
    """Yield what mixes of one track make of it, region by region, (mixes, n) at ``_RATE``."""
    from core.audio.gate import REGION, WINDOW_DURATION

    size = round(REGION * WINDOW_DURATION * _RATE)
    with opened(data, limits, mixes[0].track) as track:
        resampler = soxr.ResampleStream(track.rate, _RATE, len(mixes), dtype="float32")
        kept = np.zeros((0, len(mixes)), np.float32)
        for block in track.read(limits):
            y = np.stack([mix.apply(block) for mix in mixes], axis=1)
            kept = np.concatenate([kept, resampler.resample_chunk(y)])
            while len(kept) >= size:
                yield kept[:size].T
                kept = kept[size:]
        kept = np.concatenate([kept, resampler.resample_chunk(np.zeros((0, len(mixes)), np.float32), last=True)])
        yield from (kept[k : k + size].T for k in range(0, len(kept), size))


def _name(track: int | None, channel: int | None, n_channels: int) -> str:
    """Return the name of a part for people."""
    words = [] if track is None else [f"track {track + 1}"]
    if channel is not None:
        words.append(("left side", "right side")[channel] if n_channels == 2 else f"channel {channel + 1}")
    return ", ".join(words)


def _same_source(data: bytes, limits: DecodeLimits, best: _Part, others: Sequence[_Part]) -> NDArray[np.bool_]:
    """Tell for each of other parts whether it hears the same source as the best one, perhaps delayed or inverted."""
    same = np.zeros(len(others), bool)
    for track in {part.mix.track for part in others}:
        chosen = [k for k, part in enumerate(others) if part.mix.track == track]
        mixes = [others[k].mix for k in chosen]
        near, power = np.zeros((len(mixes), 2 * int(MAX_DELAY * _RATE) + 1)), np.zeros((2, len(mixes)))
        # Each track in a reader of its own: two of them go side by side through the file.
        for (one,), rows in zip(_regions(data, limits, [best.mix]), _regions(data, limits, mixes), strict=False):
            n = min(len(one), rows.shape[1])
            near += _near_correlation(one[:n], rows[:, :n])
            power += [[np.sum(np.square(one[:n]))] * len(mixes), np.sum(np.square(rows[:, :n]), axis=1)]
        norm = np.sqrt(power[0] * power[1])
        same[chosen] = np.abs(near).max(axis=1) >= SAME_SOURCE * np.where(norm > 0, norm, 1)
    return same


def _near_correlation(one: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cross-correlation of a region, (n,), with others, (k, n), up to ``MAX_DELAY`` to both sides."""
    size = scipy.fft.next_fast_len(2 * len(one), real=True)
    correlation = scipy.fft.irfft(scipy.fft.rfft(one, size) * scipy.fft.rfft(others, size).conj(), size)
    reach = int(MAX_DELAY * _RATE)
    return np.asarray(np.concatenate([correlation[:, : reach + 1], correlation[:, -reach:]], axis=1))
