"""What microphones, sound cards, mains and rooms add to a voice, taken away: rumble, lines, clicks, some of the noise.

A voice of the corpora has nothing below 60 Hz, no partial that stands still for seconds and also sounds in its pauses,
and no jump that lasts less than a millisecond; so a clean recording passes almost unchanged. Steady noise is lowered by
10 dB and no more: what is left of it sounds like itself, not like the tinkling that a full subtraction leaves.

References
----------
Ephraim Y, Malah D (1984). Speech enhancement using a minimum mean-square error short-time spectral amplitude estimator.
IEEE Transactions on Acoustics, Speech, and Signal Processing 32: 1109-1121 (for the decision-directed gain).
"""

import functools
import math
from typing import Final

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray
from scipy.linalg.blas import dtbsv

from core.audio.spectra import hann, magnitudes, overlap_add, overlapping

CUTOFF: Final = 60.0
"""Frequency below which nothing is voice, in Hz."""
MAX_LINES: Final = 24
LINE_RATIO: Final = 30.0
"""Power of a line over that of its neighbourhood in the spectrum, from which it is one."""
MIN_PAUSE: Final = 0.15
"""Shortest sound before a voice in which lines are looked for, in seconds."""
MAX_PAUSE: Final = 1.0
"""Longest one that is looked at, in seconds."""
CLICK_RATIO: Final = 6.0
"""Size of a jump over the largest one around it, from which it is a click."""
MOST_REDUCTION: Final = 10.0
"""How far noise is lowered, in dB."""
_N_FFT: Final = 1_024
_MEMORY: Final = 0.9
"""Weight of the frame before in the estimate of how far the voice stands above the noise."""
_SMOOTHING: Final = 9
"""Bins over which the spectrum of the noise is averaged."""
_CLICK_BLOCK: Final = 0.001
_CLICK_REACH: Final = 20
"""Blocks on both sides of a click that are looked at."""
_MIN_JUMP: Final = 1e-3
_NEIGHBOURHOOD: Final = 120.0
"""Width of the neighbourhood of a line, in Hz."""
FAINT_MAINS: Final = 1e-3
"""Share of a sound's power from which hum of mains can mislead a detector of voices."""
_N_MAINS: Final = 8_192
_MIN_MAINS: Final = 1.5
_MAINS_RANGE: Final = 2_000
_MAINS_DRIFT: Final = 0.2
"""How far mains may be from 50 or 60 Hz, in Hz."""
_MAINS_BESIDE: Final = 45.0
"""Width of what a harmonic is compared with, in Hz: less than the distance of two."""
_NOTCH_WIDTH: Final = 3.0
_LINE_BLOCK: Final = 128
"""Samples over which what a sample counts in the fit of a line is one."""
_LINE_STEPS: Final = 6
_LINE_MEMORY: Final = 0.5
"""Time over which a line may change in strength and phase, in seconds."""
_MOST_DRIFT: Final = 2 * math.pi * 0.5
"""How far a fit moves a line from where the pause had it, in radians a second."""
_MOST_LINE: Final = 4.1
"""Power of a line over that of the whole pause, at most: twice the noise bandwidth of the window, by Cauchy-Schwarz."""


class HighPass:
    """A high-pass filter that takes a sound block by block, without a thump at its beginning.

    Parameters
    ----------
    sr : int
        Sampling rate, in Hz.
    """

    def __init__(self, sr: int) -> None:
        self._gain, self._feedback = _high_pass(sr)
        self._last_in = self._last_out = np.zeros(0)

    def __call__(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the next samples, filtered; shape (n,)."""
        if not len(y):
            return y
        order = len(self._feedback)
        if not len(self._last_in):  # as if it had stood at its first sample for ever, which does not come through
            self._last_in, self._last_out = np.full(order, y[0], np.float64), np.zeros(order)
        x = np.concatenate([self._last_in, y])
        # A recursion is a triangular system of equations, with as many diagonals as it looks back.
        band = np.empty((1 + order, len(x)), order="F")
        band.T[:] = [1.0, *self._feedback]
        for back in range(1, order):
            band[back, : order - back] = 0.0  # what went out before is known
        known = np.concatenate([self._last_out, self._gain * np.diff(x, order)])
        out = dtbsv(order, band, known, lower=1, diag=1, overwrite_x=1)
        self._last_in, self._last_out = x[-order:], out[-order:]
        return np.asarray(out[order:], dtype=np.float32)


@functools.lru_cache(maxsize=4)
def _high_pass(sr: int) -> tuple[float, tuple[float, ...]]:
    """Return a Butterworth filter of the fourth order: gain of the fourth difference; feedback, the nearest first."""
    w = math.tan(math.pi * CUTOFF / sr)
    gain, feedback = 1.0, np.ones(1)
    for width in (2 * w * math.sin(math.pi * angle / 8) for angle in (1, 3)):
        scale = 1 + width + w**2
        gain /= scale
        feedback = np.convolve(feedback, [1, 2 * (w**2 - 1) / scale, (1 - width + w**2) / scale])
    return gain, tuple(feedback[1:].tolist())


def repair_clicks(y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
    """Replace single jumps, shorter than a millisecond, by a straight line.

    The pulses of a voice come in rows: a click stands alone, far above all within 20 ms on both sides.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        The same array where there is no click.
    """
    size = max(int(_CLICK_BLOCK * sr), 1)
    curvature = np.abs(np.diff(y, n=2))
    n = len(curvature) // size
    if n < 2 * _CLICK_REACH:
        return y
    peaks = curvature[: n * size].reshape(n, size).max(axis=1)
    around = np.pad(peaks, _CLICK_REACH, mode="reflect")
    # The highest of the blocks before each, and of those behind it, without its neighbours.
    side = scipy.ndimage.maximum_filter1d(around, _CLICK_REACH - 1)[_CLICK_REACH // 2 - 1 :]
    others = np.maximum(side[:n], side[_CLICK_REACH + 2 :][:n])
    found = np.flatnonzero((peaks > CLICK_RATIO * others) & (peaks > _MIN_JUMP))
    if not len(found):
        return y
    repaired = y.copy()
    for block in found.tolist():
        centre = block * size + 1 + int(curvature[block * size : (block + 1) * size].argmax())
        low, high = max(centre - size, 0), min(centre + size, len(y) - 1)
        repaired[low : high + 1] = np.linspace(y[low], y[high], high - low + 1, dtype=np.float32)
    return repaired


def find_lines(y: NDArray[np.float32], sr: int, *, least: float = 0.0) -> list[float]:
    """Return the frequencies of partials that stand still in a pause: hum of mains, whine of screens.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        A stretch without a voice.
    sr : int
        Sampling rate, in Hz.
    least : float
        Least power of a line, as the mean square of its samples.

    Returns
    -------
    list of float
        In Hz, the strongest first; none where the pause is shorter than ``MIN_PAUSE``.
    """
    if len(y) < MIN_PAUSE * sr or not np.any(y):
        return []
    y = y[-int(MAX_PAUSE * sr) :]
    if _MOST_LINE * float(np.mean(np.square(y))) < least:
        return []
    size = scipy.fft.next_fast_len(4 * len(y), real=True)
    window = _blackman_harris(len(y))  # the skirts of a strong line are no lines
    power = np.square(np.abs(scipy.fft.rfft(y * window, size))) * np.float32(2 / window.sum(dtype=np.float64) ** 2)
    peaks = 1 + np.flatnonzero((power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:]) & (power[1:-1] > least))
    if not len(peaks):
        return []
    # The neighbourhood must be wider than the lobe of a line, and than two of them.
    reach = max(round(_NEIGHBOURHOOD * size / sr), 64)
    blocks = np.median(power[: len(power) // reach * reach].reshape(-1, reach), axis=1)
    peaks = peaks[power[peaks] > LINE_RATIO * np.interp(peaks, (np.arange(len(blocks)) + 0.5) * reach, blocks)]
    peaks = peaks[np.argsort(-power[peaks], kind="stable")]
    lobe = 4 * size // len(y)
    found: list[int] = []
    for peak in peaks.tolist():
        if all(abs(peak - other) > lobe for other in found):
            found.append(peak)
        if len(found) == MAX_LINES:
            break
    return [_peak_frequency(power, k) * sr / size for k in found]


def find_mains(y: NDArray[np.float32], sr: int) -> list[float]:
    """Return the harmonics of mains in a sound with a voice in it: what a detector of voices would take for one.

    Hum is there in all moments, a partial of a voice is not: what counts is the spectrum that is left in the quietest
    fifth of the moments, bin by bin.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        A sound of seconds.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    list of float
        In Hz; none where fewer than three of the first eight harmonics of 50 or 60 Hz stand out, or they are faint.
    """
    if len(y) < _MIN_MAINS * sr or not np.any(y):
        return []
    size = _N_MAINS
    frames = np.lib.stride_tricks.sliding_window_view(y, size)[:: size // 2] * _blackman_harris(size)
    power = np.square(np.abs(scipy.fft.rfft(frames, axis=1)))[:, : int(_MAINS_RANGE * size / sr)]
    lasting = np.percentile(power, 20, axis=0)
    beside = scipy.ndimage.percentile_filter(lasting, 30, size=round(_MAINS_BESIDE * size / sr))
    is_peak = lasting > LINE_RATIO * beside
    is_peak[1:-1] &= (lasting[1:-1] > lasting[:-2]) & (lasting[1:-1] >= lasting[2:])
    peaks = np.flatnonzero(is_peak[:-1])
    frequencies = np.array([_peak_frequency(lasting, k) * sr / size for k in peaks.tolist()])
    best: list[float] = []
    for mains in (50, 60):
        order = np.round(frequencies / mains)
        is_harmonic = (order > 0) & (np.abs(frequencies - order * mains) < _MAINS_DRIFT * order)
        is_loud = lasting[peaks[is_harmonic]].sum() > FAINT_MAINS * power.mean(axis=0).sum()
        if is_loud and (order[is_harmonic] <= 8).sum() >= 3 and is_harmonic.sum() > len(best):
            best = frequencies[is_harmonic].tolist()
    return best[:MAX_LINES]


@functools.lru_cache(maxsize=4)
def _blackman_harris(n: int) -> NDArray[np.float32]:
    """Return a Blackman-Harris window of a period of ``n`` samples, shape (n,)."""
    c = np.cos(2 * np.pi * np.arange(n) / n)
    # The cosines of twice and three times the angle are polynomials of that of the angle.
    window = 0.35875 - 0.14128 + c * (3 * 0.01168 - 0.48829 + c * (2 * 0.14128 - c * 4 * 0.01168))
    return np.asarray(window, dtype=np.float32)


def take_away_lines(
    y: NDArray[np.float32], sr: int, lines: list[float], weight: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Return a sound without partials that stand still.

    Sine waves are fitted and subtracted, by weighted least squares whose frequencies are refined as they go. So a voice
    that crosses a line keeps what it has there; a notch would hollow out each of its partials that comes by.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz.
    lines : list of float
        Frequencies, in Hz.
    weight : np.ndarray [shape=(n,)]
        What a sample counts in the fit: one over the power around it, so that the pauses tell most.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        The same array where there are no lines.
    """
    if not lines:
        return y
    n_blocks = -(-len(y) // _LINE_BLOCK)
    padding = (0, n_blocks * _LINE_BLOCK - len(y))
    blocks, by_block = (np.pad(x, padding).reshape(n_blocks, _LINE_BLOCK) for x in (y, weight))
    w = by_block.mean(axis=1)
    t = np.arange(n_blocks) * _LINE_BLOCK / sr
    t = t - np.average(t, weights=w)
    # Moments of time: those of a complex amplitude that grows linearly, which a wrong frequency looks like.
    moments = np.sum(w) * _LINE_BLOCK, np.sum(w * t**2) * _LINE_BLOCK
    told = 2 * np.pi * np.asarray(lines)
    frequency, amplitude = told.copy(), np.zeros(len(told), np.complex128)
    within = np.arange(_LINE_BLOCK) / sr
    left = blocks
    for _ in range(_LINE_STEPS):
        inner, outer = np.exp(1j * np.outer(frequency, within)), np.exp(1j * np.outer(t, frequency))
        demodulated = outer.conj() * (left @ inner.conj().T) * w[:, None]
        step, growth = 2 * demodulated.sum(axis=0) / moments[0], 2 * (t @ demodulated) / max(moments[1], 1e-12)
        amplitude += step
        turned = np.imag(growth * amplitude.conj()) / np.maximum(np.square(np.abs(amplitude)), 1e-20)
        frequency = np.clip(frequency + turned, told - _MOST_DRIFT, told + _MOST_DRIFT)
        inner, outer = np.exp(1j * np.outer(frequency, within)), np.exp(1j * np.outer(t, frequency))
        left = blocks - np.real((outer * amplitude) @ inner)
    # What wavers is left: the amplitude of the moment, mostly that of the nearest pause.
    demodulated = outer.conj() * (left @ inner.conj().T) * w[:, None]
    near = functools.partial(scipy.ndimage.gaussian_filter1d, sigma=_LINE_MEMORY * sr / _LINE_BLOCK, axis=0)
    of_moment = 2 / _LINE_BLOCK * near(demodulated) / near(w)[:, None]
    left = left - np.real((outer * of_moment) @ inner)
    return np.asarray(left.ravel()[: len(y)], dtype=np.float32)


def notch(y: NDArray[np.float32], sr: int, lines: list[float]) -> NDArray[np.float32]:
    """Return a sound without some frequencies and what lies within 1.5 Hz of them: for partials that waver.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz.
    lines : list of float
        Frequencies, in Hz.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        The same array where there are no lines.
    """
    if not lines:
        return y
    import scipy.signal  # loads as long as all else of an answer together; few sounds need it

    sections = [scipy.signal.tf2sos(*scipy.signal.iirnotch(f, f / _NOTCH_WIDTH, fs=sr)) for f in lines if f < 0.49 * sr]
    padding = min(sr // 2, len(y) - 1)
    return np.asarray(scipy.signal.sosfiltfilt(np.concatenate(sections), y, padlen=padding), dtype=np.float32)


def _peak_frequency(power: NDArray[np.float32], k: int) -> float:
    """Return where a peak stands, in bins, by a parabola through the logarithms."""
    before, here, after = (float(np.log(power[k + step] + 1e-30)) for step in (-1, 0, 1))
    curvature = before - 2 * here + after
    return k + (0.5 * (before - after) / curvature if curvature < 0 else 0.0)


def lower_noise(y: NDArray[np.float32], pause: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lower steady noise, by at most ``MOST_REDUCTION`` dB.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Voice and noise.
    pause : np.ndarray [shape=(m,), dtype=float32]
        The noise alone.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        The same array where the pause is too short to know the noise from.
    """
    if len(pause) < 2 * _N_FFT or not np.any(pause):
        return y
    window = hann(_N_FFT).astype(np.float32)
    of_pause = np.square(magnitudes(overlapping(pause, _N_FFT)[3:-3]))
    noise = scipy.ndimage.uniform_filter1d(of_pause.mean(axis=0), _SMOOTHING)
    S = scipy.fft.rfft(overlapping(y, _N_FFT) * window, axis=1)
    ratio = np.square(np.abs(S)) / (noise + np.finfo(np.float32).tiny)
    least, before = np.float32(10 ** (-MOST_REDUCTION / 20)), np.zeros_like(noise)
    now = (1 - _MEMORY) * np.maximum(ratio - 1, 0)
    gain = np.empty_like(ratio)
    for t in range(len(ratio)):
        above = _MEMORY * before + now[t]
        np.maximum(above / (1 + above), least, out=gain[t])
        before = np.square(gain[t]) * ratio[t]
    lowered = scipy.fft.irfft(S * gain, axis=1) * (window / np.float32(1.5))
    return np.asarray(overlap_add(lowered, len(y)), dtype=np.float32)
