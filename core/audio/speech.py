"""Where people speak in a sound, and what of it is answered: stretches of voice, each cleaned and told from its noise.

A stretch begins where a voice begins and ends where it pauses for ``PAUSE`` seconds; a longer one than a model reads at
once is cut where the voice is weakest. What microphones, sound cards and mains add beside the voice is taken away
(``core.audio.cleaning``), what cannot be taken away is measured: how far the voice stands above the noise around it.

A sound may come block by block: stretches are the same however it is cut, and no more of it is held than a few seconds.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from core.audio.cleaning import HighPass, find_lines, find_mains, lower_noise, notch, repair_clicks, take_away_lines
from core.audio.gate import MIN_PROBABILITY, MIN_WINDOWS, REGION, WINDOW_DURATION, VoiceScan
from core.audio.spectra import magnitudes, overlapping
from core.config import SAMPLE_RATE
from core.work.turns import turns

PAUSE: Final = 0.5
"""Time without a voice that ends a stretch, in seconds."""
MARGIN: Final = 0.25
"""Time before and behind a stretch that is answered with it, in seconds."""
AROUND: Final = 3.0
"""Time before and behind a stretch in which the noise is measured, in seconds."""
GOES_ON: Final = 0.35
"""Probability from which a voice that was heard goes on."""
GOES_ON_LEVEL: Final = -15.0
"""Level relative to the voice from which it goes on whatever the detector says, in dB: it overhears held notes."""
GOES_ON_SNR: Final = 6.0
"""How far above the noise it must be for that, in dB."""
NO_VOICE: Final = 0.2
"""Probability under which a window counts as noise."""
LINE_LEVEL: Final = -40.0
"""Level of a steady partial relative to the voice from which it is taken away, in dB."""
LOWERED_FROM: Final = 35.0
"""How far a voice must stand above the noise for it to be left as it is, in dB."""
OTHER_NOISE: Final = 10.0
"""Power over that of another noise around a voice from which the two are not one noise."""
MIN_GAP: Final = 0.025
"""Shortest gap in a recording that is one, in seconds: the closures of consonants are not silent."""
MIN_NOISE: Final = 5
"""Windows without a voice that are needed to measure the noise."""


NARROW_FROM: Final = 4_200.0
"""Frequency above which a telephone passes nothing, in Hz."""
NARROW_SHARE: Final = 1e-5
"""Share of the power above it, from which a sound came through none."""
_LOUD_SHARE: Final = 0.25
_NOTHING: Final = 1e-6
_GAP_EDGE: Final = 0.01
_NO_NOISE: Final = 1e-10
"""Share of the voice's power below which there is no noise, but digital silence."""
_QUIETEST: Final = 1e-12
"""Power that every window is taken to have at least."""
_N_FFT: Final = 2_048
_GAP_RANGE: Final = (300.0, 6_000.0)
_GAP_BINS: Final = 38
_GAP_BIAS: Final = 0.25
"""What the statistic of ``snr_within`` is of the power of white noise, found by drawing such noise."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of voice."""

    first: int
    """Its first sample in the sound."""
    last: int
    """The sample behind its last one."""
    start: int
    """First sample of ``y`` in the sound."""
    y: NDArray[np.float32]
    """The samples to answer, cleaned, with a margin; shape (n,)."""
    snr: float
    """How far the voice stands above the noise around it, in dB; infinite where there is none."""
    has_voice: bool = True
    """Whether a voice was found in it; a whisper can be missed."""
    gap: float = 0.0
    """Time in the midst of the voice in which the recording is broken off, in seconds."""

    @property
    def is_narrow(self) -> bool:
        """Whether it holds nothing above what a telephone passes."""
        size = scipy.fft.next_fast_len(len(self.y), real=True)
        power = np.square(np.abs(scipy.fft.rfft(self.y, size)))
        upper = power[int(NARROW_FROM / SAMPLE_RATE * size) :]
        return bool(upper.sum() < NARROW_SHARE * power.sum())


@dataclasses.dataclass
class _Heard:
    """What is known of the windows from ``first`` on."""

    first: int
    probability: NDArray[np.float32]
    power: NDArray[np.float64]


class SpeechFinder:
    """Finds the stretches of voice of one sound.

    Parameters
    ----------
    sr : int
        Sampling rate, in Hz.
    longest : float
        Longest stretch, in seconds.
    opening : float
        Where the only stretch ends within so many seconds from the beginning of the sound, these seconds are given as
        they are, not cleaned, in its place: what a model reads that knows sounds from their beginnings.
    """

    def __init__(self, sr: int, longest: float, *, opening: float = 0.0) -> None:
        self._sr, self._step = sr, WINDOW_DURATION * sr
        self._opening, self._n_opening = np.zeros(0, np.float32), round(opening * sr)
        self._is_alone = True
        self._alone: Stretch | None = None
        self._longest = max(int((longest - 2 * MARGIN) / WINDOW_DURATION), MIN_WINDOWS)
        self._high_pass, self._scan = HighPass(sr), VoiceScan()
        self._kept = np.zeros(0, np.float32)
        self._kept_from = 0
        self._waiting = np.zeros(0, np.float32)
        self._heard = _Heard(0, np.zeros(0, np.float32), np.zeros(0))
        self._told = 0
        self._gaps: list[tuple[int, int]] = []

    @property
    def settled(self) -> int:
        """Sample up to which nothing that comes can change what was found."""
        settled = round((self._heard.first + self._told) * self._step)
        return settled if self._alone is None else min(settled, self._alone.first)

    def feed(self, block: NDArray[np.float32], *, is_last: bool = False) -> Iterator[Stretch]:
        """Take the next samples, (n,), and yield the stretches that are complete with them."""
        if len(self._opening) < self._n_opening:
            self._opening = np.concatenate([self._opening, block[: self._n_opening - len(self._opening)]])
        for stretch in self._complete_with(block, is_last=is_last):
            if self._is_alone and stretch.last <= self._n_opening:
                self._alone, self._is_alone = stretch, False
                continue
            if self._alone is not None:
                yield self._alone
            self._alone, self._is_alone = None, False
            yield stretch
        if is_last and self._alone is not None:
            yield dataclasses.replace(self._alone, start=0, y=self._opening)

    def find(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[Stretch]:
        """Take all samples of the sound, whole or block by block, and yield its stretches in their order."""
        for block in blocks:
            yield from self.feed(block)
        yield from self.feed(np.zeros(0, np.float32), is_last=True)

    def _complete_with(self, block: NDArray[np.float32], *, is_last: bool) -> Iterator[Stretch]:
        """Yield the stretches that are complete with the next samples."""
        self._waiting = np.concatenate([self._waiting, block])
        size = round(REGION * self._step)
        while len(self._waiting) >= size:
            self._take(self._waiting[:size])
            self._waiting = self._waiting[size:]
            turns.give_way()
            yield from self._complete(is_last=False)
        if is_last:
            if len(self._waiting):
                self._take(self._waiting)
            yield from self._complete(is_last=True)

    def _take(self, region: NDArray[np.float32]) -> None:
        """Clean a region and look for a voice in it."""
        taken = self._kept_from + len(self._kept)
        self._gaps += [(first + taken, last + taken) for first, last in find_gaps(region, self._sr)]
        y = self._high_pass(repair_clicks(region, self._sr))
        if mains := find_mains(y, self._sr):
            around = scipy.ndimage.uniform_filter1d(np.square(y), round(self._step))
            y = take_away_lines(y, self._sr, mains, 1 / np.maximum(around, _QUIETEST))
        probability = self._scan.scan(y, self._sr, self._kept)
        edges = np.round(np.arange(len(probability) + 1) * self._step).astype(int)
        power = _power(y, edges)
        self._kept = np.concatenate([self._kept, y])
        heard = self._heard
        self._heard = _Heard(
            heard.first, np.concatenate([heard.probability, probability]), np.concatenate([heard.power, power])
        )

    def _complete(self, *, is_last: bool) -> Iterator[Stretch]:
        """Yield the stretches that nothing that comes can change."""
        heard = self._heard
        n, pause = len(heard.probability), round(PAUSE / WINDOW_DURATION)
        settled = 0
        for begin, end in self._runs(pause):
            if end + pause > n and not is_last:
                # It may go on: what is longer than a model reads is cut all the same.
                parts = _split(heard.probability, begin, end, self._longest)[:-1]
                yield from (self._stretch(*part) for part in parts)
                settled = parts[-1][1] if parts else begin
                break
            yield from (self._stretch(*part) for part in _split(heard.probability, begin, end, self._longest))
            settled = end
        else:
            settled = max(settled, n - pause)
        self._forget(max(settled, self._told))

    def _runs(self, pause: int) -> list[tuple[int, int]]:
        """Return first and last window of each stretch of voice, with shorter pauses than ``pause`` windows within."""
        probability, power = self._heard.probability, self._heard.power
        is_sure = probability > MIN_PROBABILITY
        if is_sure.sum() < MIN_WINDOWS:
            return []
        noise = power[probability < NO_VOICE]
        floor = float(np.median(noise)) * 10 ** (GOES_ON_SNR / 10) if len(noise) >= MIN_NOISE else 0.0
        loud = max(float(power[is_sure].mean()) * 10 ** (GOES_ON_LEVEL / 10), floor)
        edges = np.flatnonzero(np.diff(np.pad((probability > GOES_ON) | (power > loud), 1).astype(np.int8)))
        runs: list[tuple[int, int]] = []
        for begin, end in edges.reshape(-1, 2).tolist():
            if is_sure[begin:end].sum() < MIN_WINDOWS or end - max(begin, self._told) < MIN_WINDOWS:
                continue
            if runs and begin - runs[-1][1] < pause:
                runs[-1] = runs[-1][0], end
            else:
                runs.append((max(begin, self._told), end))
        return runs

    def _stretch(self, begin: int, end: int) -> Stretch:
        """Return the stretch of windows ``begin`` to ``end``."""
        heard, around = self._heard, round(AROUND / WINDOW_DURATION)
        near = slice(max(begin - around, 0), min(end + around, len(heard.probability)))
        edges = np.round((heard.first + np.arange(near.start, near.stop + 1)) * self._step).astype(int)
        edges = np.minimum(edges, self._kept_from + len(self._kept))
        y = self._kept[edges[0] - self._kept_from : edges[-1] - self._kept_from]
        edges, origin = edges - edges[0], int(edges[0])

        probability = heard.probability[near]
        power, within = heard.power[near], (begin - near.start, end - near.start)
        is_noise = _is_noise_of_voice(power, probability < NO_VOICE, *within)
        pause = slice(*edges[list(_longest_run(is_noise))].tolist())
        least = float(np.mean(np.square(y[edges[begin - near.start] :]))) * 10 ** (LINE_LEVEL / 10)
        lines = find_lines(y[pause], self._sr, least=least)
        if lines:
            beside = np.repeat(power, np.diff(edges))
            y = take_away_lines(y, self._sr, lines, 1 / np.maximum(beside, _QUIETEST))
            y = notch(y, self._sr, find_lines(y[pause], self._sr, least=least))
            power = _power(y, edges)
            is_noise = _is_noise_of_voice(power, probability < NO_VOICE, *within)

        first, last = int(edges[begin - near.start]), int(edges[end - near.start])
        noise = power[is_noise]
        of_voice = float(power[slice(*within)].mean())
        snr = _ratio(of_voice, float(np.median(noise))) if len(noise) >= MIN_NOISE else snr_within(y, self._sr)
        margin = int(MARGIN * self._sr)
        start = max(first - margin, 0)
        voice = y[start : last + margin]
        if snr < LOWERED_FROM:
            voice = lower_noise(voice, y[pause])
        gap = sum(b - a for a, b in self._gaps if origin + first <= a and b <= origin + last) / self._sr
        return Stretch(origin + first, origin + last, origin + start, voice, snr, gap=gap)

    def _forget(self, settled: int) -> None:
        """Keep what stretches to come can need: their margins, and the noise before them."""
        kept = max(settled - round((AROUND + MARGIN) / WINDOW_DURATION), 0)
        heard = self._heard
        self._heard = _Heard(heard.first + kept, heard.probability[kept:], heard.power[kept:])
        self._told = settled - kept
        start = round(self._heard.first * self._step)
        self._kept = self._kept[start - self._kept_from :]
        self._kept_from = start
        self._gaps = [gap for gap in self._gaps if gap[0] >= start]


def find_speech(blocks: Iterable[NDArray[np.float32]], sr: int, *, longest: float) -> Iterator[Stretch]:
    """Find the stretches of voice of a sound.

    Parameters
    ----------
    blocks : iterable of np.ndarray [shape=(n,), dtype=float32]
        The sound, whole or block by block.
    sr : int
        Sampling rate, in Hz.
    longest : float
        Longest stretch with its margins, in seconds.

    Returns
    -------
    iterator of Stretch
        In their order; none where nobody speaks.
    """
    return SpeechFinder(sr, longest).find(blocks)


def loudest_stretch(y: NDArray[np.float32], sr: int, longest: float) -> Stretch:
    """Return what is answered of a sound in which nobody speaks: from where it first is about as loud as it gets.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform, not silent.
    sr : int
        Sampling rate, in Hz.
    longest : float
        Longest stretch, in seconds.

    Returns
    -------
    Stretch
        As it is, not cleaned.
    """
    n, first = int(longest * sr), 0
    if len(y) > n:
        loud = np.flatnonzero(np.abs(y) > _LOUD_SHARE * np.abs(y).max())
        first = min(max(int(loud[0]) - int(MARGIN * sr), 0), len(y) - n)
    last = min(first + n, len(y))
    return Stretch(first, last, first, y[first:last], float("inf"), has_voice=False)


def _split(probability: NDArray[np.float32], begin: int, end: int, longest: int) -> list[tuple[int, int]]:
    """Return a stretch in parts of at most ``longest`` windows, cut where the voice is weakest."""
    parts = []
    while end - begin > longest:
        # As few parts as can be, of about one length; the cut may stand a third of a part before that.
        target = -(-(end - begin) // -(-(end - begin) // longest))
        low = begin + max(target * 2 // 3, 1)
        around = np.convolve(np.pad(probability[low - 1 : begin + target + 1], 1, mode="edge"), np.ones(3), "same")
        cut = low + int(around[2 : target - (low - begin) + 2].argmin())
        parts.append((begin, cut))
        begin = cut
    return [*parts, (begin, end)]


def _power(y: NDArray[np.float32], edges: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean square between edges, shape (edges - 1,)."""
    edges = np.minimum(edges, len(y))
    # One sample more: an edge may stand behind the last one.
    sums = np.add.reduceat(np.square(np.append(y, y[:1]), dtype=np.float64), edges)[:-1]
    lengths = np.diff(edges)
    return np.where(lengths > 0, sums / np.maximum(lengths, 1), 0.0)


def _longest_run(is_noise: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the longest run of windows without a voice."""
    best, begin = (0, 0), None
    for k, is_one in enumerate([*is_noise.tolist(), False]):
        if is_one:
            begin = k if begin is None else begin
        elif begin is not None:
            best, begin = max(best, (begin, k), key=lambda run: run[1] - run[0]), None
    return best


def _is_noise_of_voice(
    power: NDArray[np.float64], is_noise: NDArray[np.bool_], begin: int, end: int
) -> NDArray[np.bool_]:
    """Return which windows hold the noise that a voice, windows ``begin`` to ``end``, stands in.

    A telephone that rings before the voice is no noise beneath it: where what stands before, within and behind the
    voice differs by far, the quietest of these tells.
    """
    k = np.arange(len(power))
    sides = [is_noise & side for side in (k < begin, (k >= begin) & (k < end), k >= end)]
    measured = [(float(np.median(power[side])), side) for side in sides if side.sum() >= MIN_NOISE]
    if len(measured) < 2:
        return is_noise
    quietest, loudest = min(measured, key=lambda m: m[0]), max(measured, key=lambda m: m[0])
    return quietest[1] if loudest[0] > OTHER_NOISE * quietest[0] else is_noise


def find_gaps(y: NDArray[np.float32], sr: int) -> list[tuple[int, int]]:
    """Return where a recording is broken off in the midst of a sound: nothing at all, between two loud moments.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform, not filtered.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    list of (int, int)
        First sample of each gap, and the one behind its last.
    """
    is_nothing = np.abs(y) < _NOTHING
    least, beside = int(MIN_GAP * sr), int(_GAP_EDGE * sr)
    if is_nothing.sum() < least:
        return []
    edges = np.flatnonzero(np.diff(np.pad(is_nothing, 1).astype(np.int8))).reshape(-1, 2)
    loud = 0.25 * float(np.sqrt(np.mean(np.square(y[~is_nothing])))) if not is_nothing.all() else np.inf

    def is_loud(part: NDArray[np.float32]) -> bool:
        return len(part) == beside and float(np.sqrt(np.mean(np.square(part)))) > loud

    return [
        (first, last)
        for first, last in edges[np.diff(edges, axis=1)[:, 0] >= least].tolist()
        if is_loud(y[max(first - beside, 0) : first]) and is_loud(y[last : last + beside])
    ]


def _ratio(power: float, noise: float) -> float:
    """Return how far what a power holds beside its noise stands above the noise, in dB."""
    return 10 * float(np.log10(max(power / noise - 1, 1e-3))) if noise > _NO_NOISE * power else float("inf")


def snr_within(y: NDArray[np.float32], sr: int) -> float:
    """Estimate how far a voice without a pause stands above its noise.

    What stays in the gaps of the spectrum, between partials and in the weakest moments of each frequency, is noise.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Voice and noise.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    float
        In dB; to within 3 dB up to 20 dB, lower than the truth above that.
    """
    if len(y) < 4 * _N_FFT:
        return float("inf")
    bands = slice(*(np.array(_GAP_RANGE) * _N_FFT / sr).astype(int).tolist())
    S = np.square(magnitudes(overlapping(y, _N_FFT)[3:-3])[:, bands])
    S = scipy.ndimage.uniform_filter1d(S, 3, axis=0)
    weakest = np.percentile(S, 10, axis=0)
    weakest = weakest[: len(weakest) // _GAP_BINS * _GAP_BINS].reshape(-1, _GAP_BINS)
    noise = np.percentile(weakest, 20, axis=1).sum() * _GAP_BINS / _GAP_BIAS
    return _ratio(float(S.mean(axis=0)[: weakest.size].sum()), float(noise))
