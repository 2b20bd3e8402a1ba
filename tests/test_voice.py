import numpy as np
import pytest
import scipy.signal

from core.audio.augmentation import AUGMENTATIONS, CONDITIONS, add_noise, limit_band, tilt_spectrum
from core.audio.decode import decode
from core.audio.descriptors import FRAME_NAMES, VOICED_NAMES, describe
from core.audio.features.voice import VoiceFeatures
from core.audio.functionals import FUNCTIONAL_NAMES, count_peaks, functionals
from core.audio.gate import has_voice
from core.audio.kernels import SUMMARIES, convolve
from core.audio.pitch import REFERENCE_PITCH
from core.config import VoiceConfig, configuration_hash
from core.corpus.samples import list_synthesized

SR = 22_050
CONFIG = VoiceFeatures(n_kernels=50)


def voice(f0: float = 150.0, duration: float = 1.5, rise: float = 0.0) -> np.ndarray:
    """Twelve harmonics with a formant at 700 Hz and a little breath, between two pauses."""
    t = np.arange(int(duration * SR)) / SR
    phase = 2 * np.pi * np.cumsum(f0 * 2 ** (rise * t / duration)) / SR
    harmonics = [np.sin(k * phase) / (1 + ((k * f0 - 700) / 300) ** 2) for k in range(1, 13)]
    breath = 0.002 * np.random.default_rng(3).standard_normal(len(t))
    return np.pad(0.1 * np.sum(harmonics, axis=0) + breath, SR // 4).astype(np.float32)


def noise(duration: float = 1.5, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(int(duration * SR))).astype(np.float32)


def functional(y: np.ndarray, name: str) -> float:
    return float(functionals(describe(y, CONFIG), CONFIG)[FUNCTIONAL_NAMES.index(name)])


@pytest.mark.parametrize("f0", [85.0, 150.0, 310.0, 600.0])
def test_pitch_of_a_voice_is_found(f0):
    pitch = describe(voice(f0), CONFIG)
    heard = pitch.is_voiced & pitch.is_active
    assert heard.sum() > 0.9 * pitch.is_active.sum()
    hertz = REFERENCE_PITCH * 2 ** (pitch.voiced[heard, VOICED_NAMES.index("pitch")] / 12)
    assert np.median(hertz) == pytest.approx(f0, rel=0.01)
    assert np.mean(np.abs(hertz / f0 - 1) < 0.05) > 0.95


def test_rising_pitch_is_told_from_level_and_falling():
    change = [functional(voice(rise=rise), "pitch.end_minus_start") for rise in (-0.5, 0.0, 0.5)]
    assert change[0] < -3
    assert change[1] == pytest.approx(0, abs=0.3)
    assert change[2] > 3


def test_noise_has_no_pitch():
    assert describe(noise(), CONFIG).is_voiced.mean() < 0.1


def test_peaks_are_counted_as_by_their_prominence():
    rng = np.random.default_rng(0)
    for n in range(1, 200):
        level = np.cumsum(rng.standard_normal(n))
        assert count_peaks(level, 4.0) == len(scipy.signal.find_peaks(level, prominence=4)[0])


def test_every_value_has_a_name():
    frames = describe(voice(), CONFIG)
    assert frames.frames.shape[1] == len(FRAME_NAMES) == len(set(FRAME_NAMES))
    assert len(FUNCTIONAL_NAMES) == len(set(FUNCTIONAL_NAMES)) == CONFIG.view_widths["functionals"]
    assert functionals(frames, CONFIG).shape == (len(FUNCTIONAL_NAMES),)
    assert CONFIG.extract(voice(), SR).shape == (len(FUNCTIONAL_NAMES) + 50 * len(SUMMARIES),)


def test_spectral_shape_of_white_noise_is_that_of_a_flat_spectrum():
    assert functional(noise(), "bandwidth.mean") == pytest.approx(8.94 / np.sqrt(12), abs=0.05)
    assert functional(noise(), "skewness.mean") == pytest.approx(0, abs=0.05)
    assert functional(noise(), "kurtosis.mean") == pytest.approx(np.log(1.8), abs=0.05)
    # The power of each of 416 bins is exponential: the entropy falls short of their logarithm by 1 - Euler's constant.
    assert functional(noise(), "entropy.mean") == pytest.approx(np.log(416) - 1 + np.euler_gamma, abs=0.05)


def test_named_values_are_what_they_are_called():
    assert functional(noise(), "zero_crossing_rate.mean") == pytest.approx(0.5, abs=0.02)
    assert functional(noise(), "centroid.mean") == pytest.approx(4.53, abs=0.1)
    assert functional(voice(), "centroid.mean") < 1.2
    assert functional(voice(), "duration") == pytest.approx(1.5 + 2 * 9 * 256 / SR, abs=0.1)
    tilted = functional(tilt_spectrum(noise(), SR, -3), "alpha_ratio.mean") - functional(noise(), "alpha_ratio.mean")
    assert tilted > 6


@pytest.mark.parametrize("gain", [0.01, 0.1, 8.0])
def test_gain_does_not_reach_the_features(gain):
    expected = CONFIG.extract(voice(), SR)
    np.testing.assert_allclose(CONFIG.extract(np.float32(gain) * voice(), SR), expected, rtol=1e-3, atol=2e-3)


def test_silence_around_does_not_reach_the_features():
    expected = CONFIG.extract(voice(), SR)
    padded = np.pad(voice(), (40 * CONFIG.hop_length, 0))
    np.testing.assert_allclose(CONFIG.extract(padded, SR), expected, rtol=1e-3, atol=2e-3)


def test_what_lies_below_the_floor_is_not_heard():
    """Rounding to 16 bit, which nobody hears, moves no feature by more than a hundredth of its spread over sounds."""
    sounds = [voice(f0, rise=rise) for f0 in (110, 150, 220) for rise in (-0.5, 0.5)] + [noise()]
    X = np.stack([CONFIG.extract(y, SR) for y in sounds])
    rounded = np.stack([CONFIG.extract((np.round(y * 32_768) / 32_768).astype(np.float32), SR) for y in sounds])
    moved = np.abs(rounded - X).max(axis=0) / (X.std(axis=0) + 1e-2)
    assert np.mean(moved) < 0.01


@pytest.mark.parametrize("y", [noise(0.3), np.ones(SR, np.float32), voice(duration=0.1), np.eye(1, SR, 5_000)[0]])
def test_odd_sounds_give_numbers(y):
    assert np.isfinite(CONFIG.extract(np.asarray(y, dtype=np.float32), SR)).all()


@pytest.mark.parametrize(
    ("y", "sr"), [(voice(), 16_000), (np.zeros(SR, np.float32), SR), (np.zeros(0, np.float32), SR)]
)
def test_callers_mistakes_are_refused(y, sr):
    with pytest.raises(ValueError, match="expected a sound"):
        CONFIG.extract(y, sr)


def test_kernels_answer_as_defined():
    mel = describe(voice(), CONFIG).mel
    from core.audio import kernels

    group = kernels.draw_kernels(50, 0)[0]
    n = len(mel) // 2
    x = (mel[: 2 * n].reshape(n, 2, 32, 2).mean(axis=(1, 3)) + 18) / 14
    weights = group.weights[:, 0].reshape(kernels.TAPS, kernels.N_BANDS)
    expected = []
    for t in range(n):
        rows = np.clip(t + (np.arange(7) - 3) * group.dilation, 0, n - 1)
        expected.append((x[rows] * weights).sum())
    summary = convolve(mel, CONFIG).reshape(50, 5)[group.columns[0]]
    expected = np.array(expected)
    steps = np.abs(np.diff(expected)).mean()
    np.testing.assert_allclose(
        summary,
        [(expected > group.bias[0]).mean(), expected.max(), expected.std(), expected.min(), steps],
        rtol=1e-3, atol=1e-3,
    )  # fmt: skip
    assert weights.sum() == pytest.approx(0, abs=1e-5)
    assert (weights**2).sum() == pytest.approx(1, abs=1e-5)


def test_another_seed_draws_other_kernels():
    mel = describe(voice(), CONFIG).mel
    other = VoiceConfig(n_kernels=50, kernel_seed=1)
    assert not np.allclose(convolve(mel, CONFIG), convolve(mel, other))
    assert configuration_hash(CONFIG) != configuration_hash(other)


@pytest.mark.parametrize("snr", [0, 20])
def test_noise_has_the_stated_level(snr):
    y = np.sin(2 * np.pi * 440 * np.arange(SR) / SR).astype(np.float32)
    added = add_noise(y, np.random.default_rng(0), snr) - y
    assert 10 * np.log10(np.mean(y**2) / np.mean(added**2)) == pytest.approx(snr, abs=0.1)


def test_telephone_keeps_its_band_alone():
    f, before = scipy.signal.welch(noise(5), SR, nperseg=2048)
    _, after = scipy.signal.welch(CONDITIONS["telephone"](noise(5), SR, np.random.default_rng(0)), SR, nperseg=2048)
    change = 10 * np.log10(after / before)
    assert np.abs(change[(f > 500) & (f < 2_800)]).max() < 1
    assert change[((f > 20) & (f < 150)) | (f > 6_000)].max() < -30
    assert limit_band(noise(), SR, 100, 50_000).shape == noise().shape


@pytest.mark.parametrize("name", [*AUGMENTATIONS, *CONDITIONS])
def test_augmentations_repeat_and_give_sound(name):
    effect = (AUGMENTATIONS | CONDITIONS)[name]
    y = voice(duration=3.0)
    first, second = (effect(y, SR, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert 0.5 * SR < len(first) <= len(y) + SR
    assert len(first) != len(y) or not np.array_equal(first, y)


@pytest.mark.parametrize("sample", list_synthesized(), ids=lambda sample: sample.path.stem)
def test_a_voice_is_heard(sample):
    waveform = decode(sample.path)
    assert has_voice(waveform.y, waveform.sr)
    assert has_voice(np.float32(0.01) * waveform.y, waveform.sr)


T = np.arange(4 * SR) / SR
OTHER_SOUNDS = {
    "white noise": noise(4),
    "brown noise": add_noise(np.full(4 * SR, 1e-4, np.float32), np.random.default_rng(0), -40, 2),
    "tone": 0.3 * np.sin(2 * np.pi * 440 * T),
    "chord": sum(0.1 * np.sin(2 * np.pi * f * T) for f in (261.6, 329.6, 392.0)),
    "chirp": 0.3 * scipy.signal.chirp(T, 100, 4, 4_000),
    "clicks": np.where(np.arange(4 * SR) % 5_000 == 0, 0.8, 0.0),
    "silence": np.zeros(4 * SR),
}


@pytest.mark.parametrize("name", OTHER_SOUNDS)
def test_no_voice_is_heard_in(name):
    assert not has_voice(np.asarray(OTHER_SOUNDS[name], dtype=np.float32), SR)
