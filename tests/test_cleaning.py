import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from core.audio.cleaning import (
    CUTOFF,
    HighPass,
    find_lines,
    find_mains,
    lower_noise,
    notch,
    repair_clicks,
    take_away_lines,
)
from core.audio.decode import decode
from core.corpus.samples import list_synthesized

SR = 22_050
T = np.arange(2 * SR) / SR


def sine(frequency: float, amplitude: float = 0.1) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency * T + 1)).astype(np.float32)


def noise(level: float, n: int = 2 * SR) -> np.ndarray:
    return (level * np.random.default_rng(0).standard_normal(n)).astype(np.float32)


def level(y: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(y, dtype=float))))


def weight_of(y: np.ndarray) -> np.ndarray:
    """One over the power around each sample, as of a sound whose pauses hold faint noise."""
    return 1 / (scipy.ndimage.uniform_filter1d(np.square(y, dtype=float), 700) + 1e-6)


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return decode(list_synthesized()[0].path).y


def test_high_pass_takes_offset_and_rumble_and_leaves_a_voice():
    assert np.abs(HighPass(SR)(np.full(SR, 0.5, np.float32))).max() < 1e-6
    assert level(HighPass(SR)(sine(20))[SR:]) < level(sine(20)) - 35
    assert level(HighPass(SR)(sine(120))[SR:]) == pytest.approx(level(sine(120)), abs=0.1)


def test_high_pass_is_that_of_butterworth_settled_at_the_first_sample():
    y = noise(0.1) + np.float32(0.3)
    sections = scipy.signal.butter(4, CUTOFF, "highpass", fs=SR, output="sos")
    expected, _ = scipy.signal.sosfilt(sections, y, zi=scipy.signal.sosfilt_zi(sections) * y[0])
    np.testing.assert_allclose(HighPass(SR)(y), expected, atol=1e-7)


def test_high_pass_gives_the_same_block_by_block():
    y, high_pass = noise(0.1), HighPass(SR)
    parts = [high_pass(block) for block in (y[:1], *np.array_split(y[1:], 7))]
    np.testing.assert_array_equal(np.concatenate(parts), HighPass(SR)(y))


@pytest.mark.parametrize("position", [1_000, 20_000, 40_000])
def test_a_click_is_repaired_and_the_rest_untouched(voice, position):
    clicked = voice.copy()
    clicked[position] += 0.9
    repaired = repair_clicks(clicked, SR)
    assert np.abs(repaired - voice).max() < 0.4
    assert np.flatnonzero(repaired != clicked).size < 2 * 0.001 * SR + 3


def test_pulses_of_a_voice_are_no_clicks(voice):
    assert repair_clicks(voice, SR) is voice
    pulses = np.zeros(SR, np.float32)
    pulses[:: SR // 100] = 0.5
    assert repair_clicks(pulses, SR) is pulses


def test_a_pause_of_one_line_alone_has_that_line_up_to_its_power():
    power = float(np.mean(np.square(sine(1_000)[:SR])))
    assert find_lines(sine(1_000), SR, least=0.99 * power) == pytest.approx([1_000], abs=0.1)
    assert find_lines(sine(1_000), SR, least=1.01 * power) == []


def test_lines_of_a_pause_are_found_and_taken_away(voice):
    hum = sine(50, 0.05) + sine(150, 0.02) + sine(8_000, 0.01)
    pause = noise(1e-4) + hum
    found = find_lines(pause, SR)
    assert sorted(found) == pytest.approx([50, 150, 8_000], abs=0.2)
    n = min(len(voice), len(hum))
    cleaned = take_away_lines(voice[:n] + hum[:n], SR, found, weight_of(voice[:n]))
    assert level(cleaned - voice[:n]) < level(hum) - 30
    assert take_away_lines(voice, SR, [], np.ones(len(voice))) is voice


def test_a_voice_keeps_its_partials_where_lines_are_taken_away(voice):
    lines = [50.0 * k for k in range(2, 22)]
    kept = take_away_lines(voice, SR, lines, weight_of(voice))
    assert level(kept - voice) < level(voice) - 25
    assert level(notch(voice, SR, lines) - voice) > level(voice) - 15, "this is why they are not notched"
    assert notch(voice, SR, []) is voice


@pytest.mark.parametrize("drift", [0.0, 0.2])
def test_lines_that_waver_are_followed(voice, drift):
    t = np.arange(len(voice)) / SR
    hum = (0.05 * np.sin(2 * np.pi * (500 * t + drift * np.sin(0.8 * t)))).astype(np.float32)
    cleaned = take_away_lines(voice + hum, SR, [500.1], weight_of(voice))
    assert level(cleaned - voice) < level(hum) - 15


@pytest.mark.parametrize("mains", [50.1, 60.0])
def test_hum_is_found_beneath_a_voice_and_a_voice_is_no_hum(voice, mains):
    hum = sum(sine(k * mains, 0.02) for k in range(1, 9))
    n = min(len(voice), len(hum))
    found = find_mains(voice[:n] + hum[:n], SR)
    assert found == pytest.approx([k * mains for k in range(1, 9)], abs=0.6)
    assert find_mains(voice, SR) == []
    assert find_mains(noise(0.1), SR) == []
    assert find_mains(sine(300, 0.1), SR) == [], "one line is no hum of mains"
    assert find_mains(hum[:SR], SR) == [], "too short to tell"


def test_faint_lines_and_noise_are_no_lines():
    assert find_lines(noise(0.1), SR) == []
    assert find_lines(noise(1e-4) + sine(50, 0.001), SR, least=1e-5) == []
    assert find_lines(sine(50)[: int(0.1 * SR)], SR) == []


def test_noise_is_lowered_by_ten_decibels_and_the_voice_is_kept(voice):
    hiss = noise(0.01, len(voice))
    lowered = lower_noise(voice + hiss, noise(0.01))
    quiet = slice(0, SR // 8)
    alone = lower_noise(hiss, noise(0.01))
    assert level(alone) == pytest.approx(level(hiss) - 10, abs=1.5)
    assert level(lowered - voice) < level(hiss) - 3
    assert len(lowered[quiet]) == SR // 8
    assert lower_noise(voice, np.zeros(SR, np.float32)) is voice
    assert lower_noise(voice, hiss[:1_000]) is voice


def test_spectrum_of_lowered_white_noise_stays_flat():
    lowered = lower_noise(noise(0.1), noise(0.1))
    _, power = scipy.signal.welch(lowered, SR, nperseg=512)
    assert np.ptp(10 * np.log10(power[4:-4])) < 4


def test_noise_is_lowered_as_by_the_transform_of_scipy():
    rng = np.random.default_rng(1)
    y, pause = (rng.normal(0, 0.01, n).astype(np.float32) for n in (SR, SR // 2))
    y[SR // 3 :] += 0.1 * np.sin(np.arange(SR - SR // 3) / 9).astype(np.float32)
    transform = scipy.signal.ShortTimeFFT(scipy.signal.get_window("hann", 1_024), 256, SR)
    of_pause = np.square(np.abs(transform.stft(pause)[:, 3:-3]))
    noise = scipy.ndimage.uniform_filter1d(of_pause.mean(axis=1), 9)
    S = transform.stft(y)
    before, gain = np.zeros(len(noise)), np.empty(S.shape)
    for t, ratio in enumerate((np.square(np.abs(S)) / noise[:, None]).T):
        above = 0.9 * before + 0.1 * np.maximum(ratio - 1, 0)
        gain[:, t] = np.maximum(above / (1 + above), 10 ** (-10 / 20))
        before = np.square(gain[:, t]) * ratio
    np.testing.assert_allclose(lower_noise(y, pause), transform.istft(S * gain, k1=len(y)), atol=1e-5)
