"""What happens to a voice on its way: noise, rooms, telephones, microphones, coders, haste.

``AUGMENTATIONS`` draw their strength at random and make what training learns to ignore. ``CONDITIONS`` have a stated
strength and measure what a model has learned to ignore.
"""

import io
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import scipy.fft
import scipy.signal
import soundfile as sf
from numpy.typing import NDArray

from core.audio.spectra import framed
from core.audio.spectral import rms

Sound: TypeAlias = NDArray[np.float32]
Effect: TypeAlias = Callable[[Sound, int, np.random.Generator], Sound]

MP3_COMPRESSION: Final = 0.85
"""libsndfile's compression level that gives 32 kbit/s for one channel at 22,050 Hz."""
EQUALISER_CENTRES: Final = (60.0, 125.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 11_025.0)


def add_noise(y: Sound, rng: np.random.Generator, snr: float, exponent: float = 0.0) -> Sound:
    """Add noise whose power falls with frequency.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    rng : np.random.Generator
        Draws the noise.
    snr : float
        Mean power of the whole sound over that of the noise, in dB.
    exponent : float
        Power goes with 1 / f ** exponent: 0 is white, 1 pink, 2 brown noise.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
    """
    noise = _filter(rng.standard_normal(len(y)).astype(np.float32), lambda f: np.maximum(f, 1e-3) ** (-exponent / 2))
    scale = np.sqrt(np.mean(y**2) / max(float(np.mean(noise**2)), 1e-24)) * 10 ** (-snr / 20)
    return np.asarray(y + scale * noise, dtype=np.float32)


def add_reverberation(y: Sound, sr: int, rng: np.random.Generator, decay: float, wet: float) -> Sound:
    """Add the sound of a room: exponentially decaying noise as impulse response.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    sr : int
        Sampling rate, in Hz.
    rng : np.random.Generator
        Draws the room.
    decay : float
        Time in which the sound falls by 60 dB, in seconds.
    wet : float
        Level of the reverberation relative to the direct sound.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
    """
    n = max(int(decay * sr), 1)
    response = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    response *= wet / np.sqrt((response**2).sum())
    response[0] += 1
    return np.asarray(scipy.signal.fftconvolve(y, response)[: len(y)], dtype=np.float32)


def limit_band(y: Sound, sr: int, low: float, high: float) -> Sound:
    """Keep a band of frequencies, in Hz (Butterworth of order 4, forwards and backwards)."""
    high = min(high, 0.49 * sr)
    bands = scipy.signal.butter(4, [low, high], "bandpass", fs=sr, output="sos")
    return np.asarray(scipy.signal.sosfiltfilt(bands, y), dtype=np.float32)


def tilt_spectrum(y: Sound, sr: int, slope: float) -> Sound:
    """Raise or lower the spectrum by ``slope`` dB an octave around 1 kHz, by 20 dB at most."""
    return _filter(y, lambda f: 10 ** (np.clip(slope * np.log2(np.maximum(f * sr, 30) / 1000), -20, 20) / 20))


def code_mp3(y: Sound, sr: int) -> Sound:
    """Code and decode as MP3 at 32 kbit/s."""
    buffer = io.BytesIO()
    loudest = max(1.0, 1.01 * float(np.abs(y).max()))
    sf.write(
        buffer, y / loudest, sr, format="MP3", subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT", compression_level=MP3_COMPRESSION,
    )  # fmt: skip
    buffer.seek(0)
    return np.asarray(sf.read(buffer, dtype="float32")[0] * loudest, dtype=np.float32)


def cut(y: Sound, sr: int, duration: float, start: float = 0.0) -> Sound:
    """Keep ``duration`` seconds from ``start`` seconds after the voice sets in."""
    level = rms(framed(y, n_fft=1024, hop_length=256))
    onset = int(np.flatnonzero(level > level.max() * 10 ** (-35 / 20))[0]) * 256
    first = min(max(onset - sr // 10, 0) + int(start * sr), max(len(y) - int(duration * sr), 0))
    return y[first : first + int(duration * sr)]


def _any_noise(y: Sound, sr: int, rng: np.random.Generator) -> Sound:
    return add_noise(y, rng, snr=rng.uniform(4, 32), exponent=float(rng.integers(0, 3)))


def _any_band(y: Sound, sr: int, rng: np.random.Generator) -> Sound:
    """Half telephones, a quarter without highs, a quarter without lows."""
    kind = rng.random()
    if kind < 0.5:
        return limit_band(y, sr, rng.uniform(200, 400), rng.uniform(3_000, 4_000))
    if kind < 0.75:
        return limit_band(y, sr, rng.uniform(40, 100), rng.uniform(3_500, 8_000))
    return limit_band(y, sr, rng.uniform(100, 400), rng.uniform(7_000, 10_000))


def _any_equaliser(y: Sound, sr: int, rng: np.random.Generator) -> Sound:
    y = tilt_spectrum(y, sr, rng.uniform(-4, 4))
    if rng.random() > 0.6:
        return y
    gains = rng.normal(0, 4, len(EQUALISER_CENTRES))
    octaves = np.log2(EQUALISER_CENTRES)
    return _filter(y, lambda f: 10 ** (np.interp(np.log2(np.maximum(f * sr, 60)), octaves, gains) / 20))


def _any_room(y: Sound, sr: int, rng: np.random.Generator) -> Sound:
    return add_reverberation(y, sr, rng, decay=rng.uniform(0.15, 0.8), wet=rng.uniform(0.2, 1.0))


def _any_speed(y: Sound, sr: int, rng: np.random.Generator) -> Sound:
    """Slower or faster by 5 or 10 %; pitch and formants move along."""
    up, down = ((9, 10), (19, 20), (21, 20), (11, 10))[rng.integers(4)]
    return np.asarray(scipy.signal.resample_poly(y, up, down), dtype=np.float32)


def _any_size(y: Sound, sr: int, rng: np.random.Generator) -> Sound:
    """Slower or faster by up to a quarter, as if the speaker were larger or smaller; pitch and formants move along."""
    down = round(100 * np.exp(rng.uniform(-0.25, 0.25)))
    return np.asarray(scipy.signal.resample_poly(y, 100, down), dtype=np.float32)


def _any_cut(y: Sound, sr: int, rng: np.random.Generator) -> Sound:
    return cut(y, sr, duration=rng.uniform(1.2, 2.5), start=rng.uniform(0, 0.8))


AUGMENTATIONS: Final[dict[str, Effect]] = {
    "coloured noise": _any_noise,
    "band": _any_band,
    "equaliser": _any_equaliser,
    "room": _any_room,
    "speed": _any_speed,
    "size": _any_size,
    "cut": _any_cut,
}
"""Names and functions of (waveform, rate, generator) whose strength is drawn."""

CONDITIONS: Final[dict[str, Effect]] = {
    "level -20 dB": lambda y, sr, rng: np.float32(0.1) * y,
    "level +6 dB": lambda y, sr, rng: np.clip(2 * y, -1, 1),
    "white noise 30 dB": lambda y, sr, rng: add_noise(y, rng, 30),
    "white noise 20 dB": lambda y, sr, rng: add_noise(y, rng, 20),
    "white noise 10 dB": lambda y, sr, rng: add_noise(y, rng, 10),
    "room 0.4 s": lambda y, sr, rng: add_reverberation(y, sr, rng, decay=0.4, wet=0.5),
    "telephone": lambda y, sr, rng: limit_band(y, sr, 300, 3_400),
    "MP3 32 kbit/s": lambda y, sr, rng: code_mp3(y, sr),
    "microphone -3 dB/octave": lambda y, sr, rng: tilt_spectrum(y, sr, -3),
    "silence of 1 s before": lambda y, sr, rng: np.concatenate([np.zeros(sr, dtype=np.float32), y]),
    "cut to 2 s": lambda y, sr, rng: cut(y, sr, 2.0),
}
"""Names and functions of (waveform, rate, generator) of stated strength."""


def _filter(y: Sound, gain: Callable[[NDArray[np.floating]], NDArray[np.floating]]) -> Sound:
    """Multiply the spectrum by a gain, a function of the frequency as a share of the sampling rate."""
    f = np.asarray(np.fft.rfftfreq(len(y)))
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(y) * gain(f), len(y)), dtype=np.float32)
