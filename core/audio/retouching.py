"""A voice with one thing changed: its pitch, pace, clearness, brightness or loudness.

A voice is taken apart into its periods and put together again, closer or farther apart, repeated or left out
(TD-PSOLA). Unchanged it comes out as it was, near enough for no model to tell: ``tests/test_grounds.py`` measures that.

References
----------
Moulines E, Charpentier F (1990). Pitch-synchronous waveform processing techniques for text-to-speech synthesis using
diphones. Speech Communication 9: 453-467.
"""

import functools
import itertools
from typing import Final

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from core.audio.phonetics import HOP_LENGTH, find_pulses
from core.audio.pitch import follow_pitch

UNVOICED_STEP: Final = 0.008
"""Distance of the marks where there are no pulses, in seconds."""
LONGEST_PERIOD: Final = 0.02
"""Distance of pulses above which nothing is voiced between them, in seconds."""
QUIETEST: Final = 30.0
"""Levels this far below the loudest are not made softer or louder by their own level, in dB."""

_SHORTEST_PERIOD: Final = 0.0015
_LEVEL_WINDOW: Final = 0.1
_TILT_AROUND, _TILT_FROM = 1_000.0, 100.0


class Retouching:
    """Makes changed versions of one voice.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform, not silent.
    sr : int
        Sampling rate, in Hz.
    """

    def __init__(self, y: NDArray[np.float32], sr: int) -> None:
        self.y, self.sr = y, sr

    def with_pitch(self, semitones: float) -> NDArray[np.float32]:
        """Return the voice with a pitch so many semitones higher, shape (n,)."""
        return self._assemble(raised=np.full(len(self._marks[0]), semitones))

    def with_melody(self, factor: float) -> NDArray[np.float32]:
        """Return the voice with the distance of its pitch from the median multiplied, shape (n,)."""
        return self._assemble(raised=(factor - 1) * self._marks[2])

    def with_length(self, factor: float) -> NDArray[np.float32]:
        """Return the voice with its duration multiplied, shape (factor * n,)."""
        return self._assemble(stretch=factor)

    def with_clearness(self, amount: float) -> NDArray[np.float32]:
        """Return the voice with what differs between its periods multiplied by ``1 - amount``, shape (n,).

        Above 0, up to 1, each period becomes more like the mean of it and its neighbours: clearer. Below 0, more of
        what differs is added as noise of the voice's own spectrum: breathier.
        """
        if amount > 0:
            return np.asarray((1 - amount) * self.y + amount * self._mean_of_neighbours(), dtype=np.float32)
        rng = np.random.default_rng(0)
        sign = rng.choice([-1.0, 1.0], len(self._marks[0]))
        return np.asarray(self.y - amount * self._assemble(sign=sign), dtype=np.float32)

    def with_tilt(self, exponent: float) -> NDArray[np.float32]:
        """Return the sound with each amplitude multiplied by (frequency / 1 kHz) ** exponent, shape (n,)."""
        size = scipy.fft.next_fast_len(len(self.y), real=True)
        f = np.maximum(scipy.fft.rfftfreq(size, 1 / self.sr), _TILT_FROM)
        gain = (f / _TILT_AROUND) ** exponent
        return np.asarray(scipy.fft.irfft(scipy.fft.rfft(self.y, size) * gain, size)[: len(self.y)], dtype=np.float32)

    def with_ramp(self, decibels: float) -> NDArray[np.float32]:
        """Return the sound so much louder at its end and softer at its beginning, in dB, shape (n,)."""
        return np.asarray(self.y * 10 ** (decibels * np.linspace(-1, 1, len(self.y)) / 20), dtype=np.float32)

    def with_dynamics(self, factor: float) -> NDArray[np.float32]:
        """Return the sound with the distance of its level from the mean, in dB, multiplied, shape (n,)."""
        n = int(_LEVEL_WINDOW * self.sr)
        power = scipy.ndimage.uniform_filter1d(np.square(self.y, dtype=np.float64), n)
        level = 10 * np.log10(np.maximum(power, 1e-12))
        level = np.maximum(level, level.max() - QUIETEST)
        return np.asarray(self.y * 10 ** ((factor - 1) * (level - level.mean()) / 20), dtype=np.float32)

    @functools.cached_property
    def _marks(self) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
        """Times of the marks, whether each is a pulse, and their pitch above the median, in semitones."""
        track = follow_pitch(self.y, self.sr, hop_length=HOP_LENGTH)
        times = np.arange(len(track.is_voiced)) * HOP_LENGTH / self.sr
        pulses, _ = find_pulses(self.y, self.sr, times, track.hertz)
        edges = np.concatenate([[0.0], pulses, [len(self.y) / self.sr]])
        between = [
            np.linspace(first, last, int((last - first) / UNVOICED_STEP), endpoint=False)[1:]
            for first, last in itertools.pairwise(edges.tolist())
            if last - first > LONGEST_PERIOD
        ]
        times_of_marks = np.concatenate([pulses, *between, [0.0] if not len(pulses) and not between else []])
        order = np.argsort(times_of_marks)
        is_pulse = (np.arange(len(times_of_marks)) < len(pulses))[order]
        raised = np.zeros(len(order))
        if track.is_voiced.any():
            voiced = track.semitones[track.is_voiced]
            raised = np.interp(times_of_marks[order], times[track.is_voiced], voiced - np.median(voiced))
        return times_of_marks[order], is_pulse, raised

    @functools.cached_property
    def _periods(self) -> NDArray[np.float64]:
        """Time from each mark to the next, in seconds."""
        marks = self._marks[0]
        return np.clip(np.diff(marks, append=marks[-1] + UNVOICED_STEP), _SHORTEST_PERIOD, LONGEST_PERIOD)

    def _mean_of_neighbours(self) -> NDArray[np.float32]:
        """Return the voice with each period the mean of itself, the one before and the one behind."""
        return np.asarray(sum(self._assemble(behind=k) for k in (-1, 0, 1)) / 3, dtype=np.float32)

    def _assemble(
        self,
        *,
        raised: NDArray[np.float64] | None = None,
        stretch: float = 1.0,
        behind: int = 0,
        sign: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float32]:
        """Put the periods together again.

        ``raised`` is by how many semitones the pitch rises at each mark, ``behind`` which neighbour stands in place of
        each pulse, ``sign`` what each period is multiplied by.
        """
        marks, is_pulse, _ = self._marks
        n, n_marks, sr = int(len(self.y) * stretch), len(marks), self.sr
        reach = int(LONGEST_PERIOD * sr) + 1
        y = np.pad(self.y.astype(np.float64), reach)
        out, weight = np.zeros(n + 2 * reach), np.zeros(n + 2 * reach)
        ratio = np.where(is_pulse, 2 ** ((np.zeros(n_marks) if raised is None else raised) / 12), 1.0)
        nearest = (marks[1:] + marks[:-1]) / 2
        t = float(marks[0]) * stretch
        while t * sr < n:
            k = int(np.searchsorted(nearest, t / stretch))
            half = int(self._periods[k] * sr)
            other = min(max(k + behind, 0), n_marks - 1)
            source = round(marks[other if is_pulse[k] and is_pulse[other] else k] * sr) + reach
            place, window = round(t * sr) + reach, np.hanning(2 * half + 1)
            there = slice(place - half, place + half + 1)
            period = window * y[source - half : source + half + 1]
            out[there] += period if sign is None else sign[k] * period
            weight[there] += window
            t += float(self._periods[k] / ratio[k])
        return np.asarray((out / np.maximum(weight, 0.5))[reach : reach + n], dtype=np.float32)
