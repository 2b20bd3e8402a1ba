"""Descriptors of a voice, frame by frame, that do not hear the gain and little of the recording chain.

The sound is trimmed to what is heard, set to one level, and lies on a floor of white noise: all three by the power
spectrum, so nothing is random and nothing is filtered.
"""

import dataclasses
import itertools
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from core.audio.pitch import REFERENCE_PITCH, track_pitch
from core.audio.spectra import framed, hann, magnitudes, mel_weights
from core.config import VoiceConfig

TRIM_DB: Final = 35.0
"""Frames this far below the loudest are cut off at both ends."""
ACTIVE_DB: Final = 25.0
"""Frames this far below the loudest do not count."""
MARGIN: Final = 9
"""Frames kept before and behind what is heard."""
LEVEL_BINS: Final = 200
"""Bins over which a level spectrum would spread its power: sets what 0 dB is."""

N_MEL, N_MFCC = 40, 20
N_MEL_SPEECH_BAND, N_MFCC_SPEECH_BAND = 24, 13
N_MEL_FINE = 64
MEL_RANGE: Final = (60.0, 9_000.0)
SPEECH_BAND: Final = (300.0, 3_400.0)
"""What a telephone leaves, in Hz."""
CONTRAST_EDGES: Final = (0, 200, 400, 800, 1_600, 3_200, 6_400, 10_000)
ROLL_OFFS: Final = (0.25, 0.5, 0.75, 0.9)

SPECTRAL_NAMES: Final = (
    "centroid", "bandwidth", "skewness", "kurtosis", "entropy", *(f"roll_off_{share:.0%}" for share in ROLL_OFFS),
    "flatness", "zero_crossing_rate", "level", "flux", "alpha_ratio", "hammarberg", "hammarberg_speech_band",
    "slope_0_500", "slope_500_1500", "slope_1500_6000", *(f"contrast_{low}" for low in CONTRAST_EDGES[:-1]),
    "harmonics_to_noise", "cepstral_peak",
)  # fmt: skip
FRAME_NAMES: Final = (
    *(f"mel_{i}" for i in range(N_MEL)),
    *(f"mfcc_{i}" for i in range(N_MFCC)),
    *(f"speech_band_mel_{i}" for i in range(N_MEL_SPEECH_BAND)),
    *(f"speech_band_mfcc_{i}" for i in range(N_MFCC_SPEECH_BAND)),
    *SPECTRAL_NAMES,
)
"""Names of the columns of ``VoiceFrames.frames``."""
VOICED_NAMES: Final = ("pitch", "h1_h2", "h2_h4", "h1_a3")
"""Names of the columns of ``VoiceFrames.voiced``."""

_DB: Final = float(10 / np.log(10))
_TINY: Final = 1e-12
_MEL_FLOOR: Final = 1e-5
_SPEECH_BAND_FLOOR: Final = 0.04


@dataclasses.dataclass(frozen=True, eq=False)
class VoiceFrames:
    """Descriptors of the frames of a trimmed sound."""

    frames: NDArray[np.float64]
    """Descriptors that every frame has, shape (t, 125); columns as ``FRAME_NAMES``; levels in dB."""
    voiced: NDArray[np.float64]
    """Pitch in semitones and harmonic differences in dB, shape (t, 4); columns as ``VOICED_NAMES``; 0 if unvoiced."""
    mel: NDArray[np.float64]
    """Level in 64 mel bands, in dB, shape (t, 64)."""
    is_active: NDArray[np.bool_]
    """Whether a frame is loud enough to count, shape (t,)."""
    is_voiced: NDArray[np.bool_]
    """Whether a frame has a pitch, shape (t,)."""
    level: NDArray[np.float64]
    """Level of each frame relative to the active ones, in dB, shape (t,)."""

    @property
    def mfcc(self) -> NDArray[np.float64]:
        """The cepstral coefficients among the frames, shape (t, 20)."""
        return self.frames[:, N_MEL : N_MEL + N_MFCC]


def describe(y: NDArray[np.float32], config: VoiceConfig) -> VoiceFrames:
    """Compute the descriptors of a sound.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform at ``config.sr``, not silent.
    config : VoiceConfig
        Parameters.

    Returns
    -------
    VoiceFrames
    """
    n, sr = config.n_fft, config.sr
    heard, is_active = _level_spectra(y[: int(config.duration * sr)], config)
    floor = np.float32(_floor(config))
    fine, fine_db = heard + floor, _db_above(heard, floor)
    heard, power, spectrum_db = (np.ascontiguousarray(bins[:, ::2]) for bins in (heard, fine, fine_db))
    level = _db(power.sum(axis=1, dtype=np.float64) / LEVEL_BINS)
    pitch = track_pitch(fine, hann(n), level - level.max(), sr)

    mel = _db(_in_bands(heard, mel_weights(sr, n, N_MEL, *MEL_RANGE), config) + _MEL_FLOOR)
    bank = mel_weights(sr, n, N_MEL_SPEECH_BAND, *SPEECH_BAND)
    speech_band = _db(_in_bands(heard, bank, config) + _SPEECH_BAND_FLOOR)
    frames = np.concatenate(
        [
            mel,
            scipy.fft.dct(mel, axis=1, norm="ortho")[:, :N_MFCC],
            speech_band,
            scipy.fft.dct(speech_band, axis=1, norm="ortho")[:, :N_MFCC_SPEECH_BAND],
            *(_column(values) for values in _shape(power, spectrum_db + np.float32(config.floor_db), sr)),
            _column(np.arccos(np.clip(pitch.lag_one, -1, 1)) / np.pi),
            _column(level),
            _column(_flux(power)),
            *(_column(values) for values in _balance(power, spectrum_db, sr)),
            _column(_db(pitch.periodicity / (1 - pitch.periodicity))),
            _column(_cepstral_peak(fine_db, sr)),
        ],
        axis=1,
    )
    harmonics = _harmonics(fine_db, spectrum_db, pitch.semitones, sr)
    voiced = np.where(_column(pitch.is_voiced), np.column_stack([pitch.semitones, *harmonics]), 0)
    return VoiceFrames(
        frames=frames,
        voiced=voiced,
        mel=_db(_in_bands(heard, mel_bank(config), config) + _MEL_FLOOR),
        is_active=is_active,
        is_voiced=pitch.is_voiced,
        level=level,
    )


def mel_power(y: NDArray[np.float32], config: VoiceConfig) -> NDArray[np.float64]:
    """Return the power in 64 mel bands of the trimmed sound at level 0 dB on its floor, shape (t, 64)."""
    heard, _ = _level_spectra(y[: int(config.duration * config.sr)], config)
    return _in_bands(heard[:, ::2], mel_bank(config), config)


def mel_bank(config: VoiceConfig) -> NDArray[np.float32]:
    """Return the weights of the bins of a spectrum in 64 mel bands, shape (64, n_fft / 2 + 1)."""
    return mel_weights(config.sr, config.n_fft, N_MEL_FINE, *MEL_RANGE)


def mel_floor(config: VoiceConfig) -> NDArray[np.float64]:
    """Return the power of the floor of noise in 64 mel bands, shape (64,)."""
    return np.asarray(_floor(config) * mel_bank(config).sum(axis=1) + _MEL_FLOOR)


def _floor(config: VoiceConfig) -> float:
    """Return the power of the floor of noise in each bin."""
    return float(10 ** (config.floor_db / 10))


def _in_bands(heard: NDArray[np.float32], bank: NDArray[np.float32], config: VoiceConfig) -> NDArray[np.float64]:
    """Return the power in bands of what is heard on the floor, shape (t, bands); the floor loses no digit of it."""
    return np.asarray(heard @ bank.T + _floor(config) * bank.sum(axis=1, dtype=np.float64))


def _db_above(heard: NDArray[np.float32], floor: np.float32) -> NDArray[np.float32]:
    """Return how far each bin stands above the floor, in dB."""
    # Not log1p, which takes five times as long: what differs is a millionth of a decibel.
    return np.asarray(_DB * np.log(heard / floor + 1))


def _level_spectra(y: NDArray[np.float32], config: VoiceConfig) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return power spectra, (t, n + 1), of the trimmed sound at level 0 dB without a floor, and the active frames."""
    n = config.n_fft
    fine = np.square(magnitudes(framed(y, n_fft=n, hop_length=config.hop_length), size=2 * n))
    level = _db(fine[:, ::2].sum(axis=1, dtype=np.float64) + _TINY)
    loudest = level.max()
    heard = np.flatnonzero(level > max(loudest - TRIM_DB, min(np.percentile(level, 5) + 4, loudest - 15)))
    kept = slice(max(heard[0] - MARGIN, 0), heard[-1] + MARGIN + 1)
    fine, is_active = fine[kept], level[kept] > loudest - ACTIVE_DB
    unit = fine[is_active, ::2].sum(axis=1).mean() / LEVEL_BINS
    fine /= unit
    return fine, is_active


def _shape(power: NDArray[np.float32], spectrum_db: NDArray[np.float32], sr: int) -> list[NDArray[np.floating]]:
    """Return moments (kHz), entropy, roll-offs (log Hz) and flatness (dB) of the spectrum from 65 Hz to 9 kHz."""
    band = _bins(MEL_RANGE[0], MEL_RANGE[1], power.shape[1], sr)
    f = np.linspace(0, sr / 2, power.shape[1])[band]
    total = power[:, band].sum(axis=1, dtype=np.float64)
    p = power[:, band] / total[:, None]
    middle = f.mean()
    first, *raw = (p @ np.stack([(f - middle) ** k for k in range(1, 5)], axis=1)).T
    # Moments around the centroid from those around the middle of the band.
    second = raw[0] - first**2
    third = raw[1] - 3 * first * raw[0] + 2 * first**3
    fourth = raw[2] - 4 * first * raw[1] + 6 * first**2 * raw[0] - 3 * first**4
    # Each frame adds 1 to what lies below it.
    frame = np.arange(len(p))
    place = np.searchsorted(np.cumsum(p.ravel()), np.add.outer(ROLL_OFFS, frame)) - frame * len(f)
    roll_offs = np.log(f[np.clip(place, 0, len(f) - 1)])
    mean_db = np.einsum("tf,tf->t", power[:, band], spectrum_db[:, band]) / total
    entropy = np.log(total) - np.log(10) / 10 * mean_db
    flatness = spectrum_db[:, band].mean(axis=1) - _db(total / len(f))
    bandwidth = np.sqrt(second)
    shape = [(middle + first) / 1000, bandwidth / 1000, third / bandwidth**3, np.log(fourth / second**2)]
    return [*shape, entropy, *roll_offs, flatness]


def _balance(power: NDArray[np.float32], spectrum_db: NDArray[np.float32], sr: int) -> list[NDArray[np.floating]]:
    """Return alpha ratio, Hammarberg index of the whole and of the speech band, slopes and contrasts, in dB."""

    def band(low: float, high: float) -> slice:
        return _bins(low, high, power.shape[1], sr)

    def total(low: float, high: float) -> NDArray[np.float64]:
        return _db(power[:, band(low, high)].sum(axis=1, dtype=np.float64))

    def highest(low: float, high: float) -> NDArray[np.float32]:
        return np.asarray(spectrum_db[:, band(low, high)].max(axis=1))

    def slope(low: float, high: float) -> NDArray[np.float32]:
        part = spectrum_db[:, band(low, high)]
        x = np.arange(part.shape[1], dtype=np.float32) - np.float32((part.shape[1] - 1) / 2)
        return np.asarray(part @ x / (x @ x))

    def contrast(low: float, high: float) -> NDArray[np.float32]:
        part = np.sort(spectrum_db[:, band(low, high + sr / 2 / power.shape[1])], axis=1)
        k = max(1, part.shape[1] // 10)
        return np.asarray(part[:, -k:].mean(axis=1) - part[:, :k].mean(axis=1))

    return [
        total(50, 1000) - total(1000, 5000),
        highest(0, 2000) - highest(2000, 5000),
        highest(300, 1500) - highest(1500, 3400),
        slope(0, 520),
        slope(500, 1500),
        slope(1500, 6000),
        *(contrast(low, high) for low, high in itertools.pairwise(CONTRAST_EDGES)),
    ]


def _flux(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the distance between the magnitude spectra of successive frames, each of norm 1."""
    unit = np.sqrt(power / power.sum(axis=1, keepdims=True))
    steps = np.diff(unit, axis=0, prepend=unit[:1])
    return np.asarray(np.sqrt(np.einsum("tf,tf->t", steps, steps)))


def _cepstral_peak(fine_db: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
    """Return the prominence of the cepstral peak between 70 and 600 Hz over a straight line (Hillenbrand 1994)."""
    quefrency = np.arange(int(sr / 600), int(sr / 70))
    cepstrum = scipy.fft.dct(fine_db, type=1, axis=1)[:, quefrency] / (2 * (fine_db.shape[1] - 1))
    x = (quefrency - quefrency.mean()).astype(np.float32)
    slope = cepstrum @ x / (x @ x)
    best = cepstrum.argmax(axis=1)
    return np.asarray(cepstrum.max(axis=1) - cepstrum.mean(axis=1) - slope * x[best])


def _harmonics(
    fine_db: NDArray[np.float32], spectrum_db: NDArray[np.float32], semitones: NDArray[np.float64], sr: int
) -> list[NDArray[np.float32]]:
    """Return H1-H2, H2-H4 and H1-A3 (the first harmonic against the peak from 2 to 4 kHz), in dB."""
    per_hz = 2 * (fine_db.shape[1] - 1) / sr
    f0 = REFERENCE_PITCH * 2 ** (semitones / 12)
    reach = np.maximum((0.2 * f0 * per_hz).astype(int), 1)
    centre = np.round(np.multiply.outer([1, 2, 4], f0 * per_hz)).astype(int)
    around = np.clip(np.arange(-3, 4)[:, None], -reach, reach)
    near = np.clip(centre[:, None] + around, 0, fine_db.shape[1] - 1)
    first, second, fourth = fine_db[np.arange(len(fine_db)), near].max(axis=1)
    formant = spectrum_db[:, _bins(2000, 4000, spectrum_db.shape[1], sr)].max(axis=1)
    return [first - second, second - fourth, first - formant]


def _bins(low: float, high: float, n_bins: int, sr: int) -> slice:
    """Return the bins from ``low`` up to, but without, ``high`` Hz."""
    per_hz = 2 * (n_bins - 1) / sr
    return slice(int(low * per_hz) + (low > 0), int(high * per_hz) + 1)


def _db(power: NDArray[np.float64]) -> NDArray[np.float64]:
    # Half the time of log10.
    return np.asarray(_DB * np.log(power))


def _column(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return values[:, None]
