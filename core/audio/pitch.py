"""Pitch contour from the autocorrelation, with the voicing decision and the path found together.

References
----------
Boersma P (1993). Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound. Proceedings of the Institute of Phonetic Sciences 17: 97-110. Costs per frame here, candidates and
weights simplified.
"""

import dataclasses
from typing import Final

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

PITCH_RANGE: Final = (70.0, 900.0)
"""Lowest and highest pitch that is looked for, in Hz: a low male voice to a high sung one."""
REFERENCE_PITCH: Final = 55.0
"""Pitch of 0 semitones, in Hz (A1)."""

_FRAME: Final = 1024
_N_CANDIDATES: Final = 5
_MIN_STRENGTH: Final = 0.2
_UNVOICED_STRENGTH: Final = 0.45


@dataclasses.dataclass(frozen=True)
class PitchSearch:
    """What is looked for, and what a path through the frames costs."""

    lowest: float = PITCH_RANGE[0]
    """Lowest pitch, in Hz."""
    highest: float = PITCH_RANGE[1]
    """Highest pitch, in Hz."""
    octave_cost: float = 0.015
    """Loss of strength an octave downwards: of two equal peaks the shorter period is meant."""
    jump_cost: float = 0.35
    """Cost of a change by an octave between two frames."""
    voicing_cost: float = 0.14
    """Cost of a change between voiced and unvoiced."""
    mirrors: bool = False
    """Whether a height above 1, which short windows make of noise, counts as its inverse, as Boersma has it."""


VOICE_SEARCH: Final = PitchSearch()
"""That of the voice features."""
PHONETIC_SEARCH: Final = PitchSearch(lowest=75.0, highest=600.0, octave_cost=0.01, mirrors=True)
"""Boersma's, with the range that is usual for voices; costs of changes are for frames 10 ms apart."""
SILENCE: Final = 0.03
"""Amplitude relative to the loudest of a sound under which a frame is unvoiced however periodic it is."""


@dataclasses.dataclass(frozen=True, eq=False)
class PitchTrack:
    """Pitch of each frame."""

    semitones: NDArray[np.float64]
    """Pitch in semitones above ``REFERENCE_PITCH``, shape (t,); 0 where unvoiced."""
    is_voiced: NDArray[np.bool_]
    """Whether the frame is voiced, shape (t,)."""
    periodicity: NDArray[np.float64]
    """Height of the autocorrelation at the period, or its highest one where unvoiced, shape (t,), in (0, 1)."""
    lag_one: NDArray[np.float64]
    """Autocorrelation at a lag of one sample, shape (t,): what the zero-crossing rate follows from."""

    @property
    def hertz(self) -> NDArray[np.float64]:
        """Pitch in Hz, shape (t,); NaN where unvoiced."""
        return np.where(self.is_voiced, REFERENCE_PITCH * 2 ** (self.semitones / 12), np.nan)


def track_pitch(
    power: NDArray[np.floating], window: NDArray[np.floating], level: NDArray[np.floating], sr: int
) -> PitchTrack:
    """Find the pitch of each frame, as the voice features read it.

    Parameters
    ----------
    power : np.ndarray [shape=(t, n + 1)]
        Power spectra of frames of ``n`` samples, zero-padded to twice their length.
    window : np.ndarray [shape=(n,)]
        Window of the frames.
    level : np.ndarray [shape=(t,)]
        Level of the frames relative to the loudest, in dB: the quieter a frame, the more likely it is unvoiced.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    PitchTrack
    """
    quiet = 1 - 1.6 * np.clip((level + 45) / 45, 0, 1)
    return _track(power, window, _UNVOICED_STRENGTH + 0.35 * np.maximum(quiet, 0), sr, VOICE_SEARCH)


def median_pitch(y: NDArray[np.float32], sr: int) -> float | None:
    """Return the median pitch of the voiced frames of a short sound.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    float or None
        In Hz; None where nothing is voiced.

    Examples
    --------
    >>> t = np.arange(22_050) / 22_050
    >>> round(median_pitch(np.float32(0.1) * np.sin(2 * np.pi * 220 * t).astype(np.float32), 22_050))
    220
    """
    if len(y) < _FRAME or not np.any(y):
        return None
    window = np.hanning(_FRAME)
    frames = np.lib.stride_tricks.sliding_window_view(y, _FRAME)[:: _FRAME // 2] * window
    power = np.abs(scipy.fft.rfft(frames, 2 * _FRAME, axis=1)) ** 2 + 1e-12
    level = 10 * np.log10(power.sum(axis=1))
    hertz = track_pitch(power, window, level - level.max(), sr).hertz
    return None if np.isnan(hertz).all() else float(np.nanmedian(hertz))


def follow_pitch(y: NDArray[np.float32], sr: int, *, hop_length: int) -> PitchTrack:
    """Find the pitch around every ``hop_length``-th sample by Boersma's window, costs and silence, for people to read.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz.
    hop_length : int
        Distance between frames, in samples.

    Returns
    -------
    PitchTrack
        Of ``1 + n // hop_length`` frames.

    Examples
    --------
    >>> t = np.arange(22_050) / 22_050
    >>> track = follow_pitch(np.sin(2 * np.pi * 220 * t).astype(np.float32), 22_050, hop_length=512)
    >>> round(track.hertz[20])
    220
    """
    search, step = PHONETIC_SEARCH, hop_length / sr
    n = 2 * int(1.5 * sr / search.lowest)  # three of the longest periods
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(y, n // 2), n)[::hop_length]
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = np.abs(scipy.fft.rfft(frames * np.hanning(n), 2 * n, axis=1)) ** 2 + 1e-12
    loud = np.abs(y)
    near = scipy.ndimage.maximum_filter1d(loud, int(sr / search.lowest) | 1)
    peak = np.pad(near, (0, 1), mode="edge")[::hop_length] / max(float(loud.max()), 1e-9)
    unvoiced = _UNVOICED_STRENGTH + np.maximum(0, 2 - peak * (1 + _UNVOICED_STRENGTH) / SILENCE)
    # What changes cost in a second is the same whatever the distance of the frames.
    jump, voicing = search.jump_cost * 0.01 / step, search.voicing_cost * 0.01 / step
    search = dataclasses.replace(search, jump_cost=jump, voicing_cost=voicing)
    return _track(power, np.hanning(n), unvoiced, sr, search)


def _track(
    power: NDArray[np.floating],
    window: NDArray[np.floating],
    unvoiced: NDArray[np.floating],
    sr: int,
    search: PitchSearch,
) -> PitchTrack:
    """Find the pitch of each frame; ``unvoiced`` is the strength that a pitch must beat in each, shape (t,)."""
    n = len(window)
    shortest, longest = int(sr / search.highest), int(sr / search.lowest) + 2
    # The inverse transform of a spectrum without phases, which is even, is a cosine transform.
    autocorrelation = scipy.fft.dct(power, type=1, axis=1)
    of_window = scipy.fft.irfft(np.abs(scipy.fft.rfft(window, 2 * n)) ** 2)
    expected = (of_window / of_window[0])[shortest - 1 : longest + 1].astype(power.dtype)
    r = autocorrelation[:, shortest - 1 : longest + 1] / (autocorrelation[:, :1] * expected)
    log_f, strength, height = _candidates(r, shortest, sr, search)
    path = _best_path(log_f, strength, unvoiced, search)
    rows, chosen = np.arange(len(r)), np.maximum(path - 1, 0)
    voiced = path > 0
    return PitchTrack(
        semitones=np.where(voiced, 12 * (log_f[rows, chosen] - np.log2(REFERENCE_PITCH)), 0),
        is_voiced=voiced,
        periodicity=np.clip(np.where(voiced, height[rows, chosen], r[:, 1:-1].max(axis=1)), 0.001, 0.9999),
        lag_one=autocorrelation[:, 1] / autocorrelation[:, 0],
    )


def _candidates(
    r: NDArray[np.floating], shortest: int, sr: int, search: PitchSearch
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return log2 frequency, strength and height of the strongest peaks of each frame, shape (t, candidates)."""
    before, here, after = r[:, :-2], r[:, 1:-1], r[:, 2:]
    is_peak = (here > before) & (here >= after) & (here > _MIN_STRENGTH)
    frame, column = np.divmod(np.flatnonzero(is_peak), here.shape[1])
    first, top, last = (r[frame, column + k].astype(np.float64) for k in range(3))
    curvature = first - 2 * top + last
    shift = 0.5 * (first - last) / np.where(np.abs(curvature) < 1e-9, 1, curvature)
    lag = shortest + column + shift
    heights = top - 0.25 * (first - last) * shift
    if search.mirrors:
        heights = np.where(heights > 1, 1 / np.maximum(heights, 1), heights)
    heights = np.minimum(heights, 0.9999)
    strengths = heights - search.octave_cost * np.log2(search.lowest * lag / sr)
    order = np.lexsort((-strengths, frame))
    rank = np.arange(len(order)) - np.searchsorted(frame, frame)
    order, rank = order[rank < _N_CANDIDATES], rank[rank < _N_CANDIDATES]
    shape = len(r), _N_CANDIDATES
    log_f, strength, height = np.zeros(shape), np.full(shape, -9.0), np.zeros(shape)
    for values, found in ((log_f, np.log2(sr / lag)), (strength, strengths), (height, heights)):
        values[frame[order], rank] = found[order]
    return log_f, strength, height


def _best_path(
    log_f: NDArray[np.float64], strength: NDArray[np.float64], unvoiced: NDArray[np.floating], search: PitchSearch
) -> NDArray[np.intp]:
    """Return the state of each frame on the best path (Viterbi): 0 is unvoiced, k the candidate k - 1."""
    n_frames, n_states = len(log_f), log_f.shape[1] + 1
    local = np.concatenate([unvoiced[:, None], strength], axis=1)
    cost = np.full((n_frames, n_states, n_states), search.voicing_cost)
    cost[:, 0, 0] = 0
    cost[1:, 1:, 1:] = search.jump_cost * np.abs(log_f[:-1, :, None] - log_f[1:, None, :])
    totals = local.copy()
    for before, step, here in zip(totals[:-1, :, None], cost[1:], totals[1:], strict=True):
        np.add(here, np.maximum.reduce(before - step, axis=0), out=here)
    origin = (totals[:-1, :, None] - cost[1:]).argmax(axis=1).tolist()
    path = [int(totals[-1].argmax())]
    for states in reversed(origin):
        path.append(states[path[-1]])
    return np.array(path[::-1])
