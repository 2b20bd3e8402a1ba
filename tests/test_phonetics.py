import random
import re

import numpy as np
import parselmouth
import pytest
import scipy.signal
import scipy.stats
from parselmouth.praat import call

from core.audio.decode import decode
from core.audio.phonetics import (
    LOWEST_INTENSITY,
    Phonetics,
    curves_table,
    find_formants,
    measure_voice,
)
from core.config import SAMPLE_RATE

N_CLIPS = 24
VOWELS = {"a": (750, 1250, 2500), "e": (500, 1800, 2500), "u": (320, 800, 2300)}
BANDWIDTHS = (80, 100, 140)


def vowel(
    formants=VOWELS["a"], *, f0: float = 140, jitter: float = 0, shimmer: float = 0, noise: float = 0, seed: int = 0
) -> np.ndarray:
    """Two seconds of pulses through resonators, and half a second of silence; jitter and shimmer are deviations."""
    rng = np.random.default_rng(seed)
    rate = 8 * SAMPLE_RATE  # pulses stand where they belong, not at the nearest sample
    periods = (1 + jitter * rng.standard_normal(int(2 * f0))) / f0
    times = np.cumsum(periods)
    source = np.zeros(int(2.0 * rate))
    kept = times[times < 1.99]
    source[(kept * rate).astype(int)] = 1 + shimmer * rng.standard_normal(len(kept))
    voice = scipy.signal.resample_poly(source, 1, 8)
    voice = scipy.signal.lfilter([1], [1, -0.986], voice)  # a glottis falls off by 6 dB an octave, after the lips
    for formant, bandwidth in zip((*formants, 3_500, 4_500), (*BANDWIDTHS, 200, 250), strict=True):
        r, angle = np.exp(-np.pi * bandwidth / SAMPLE_RATE), 2 * np.pi * formant / SAMPLE_RATE
        voice = scipy.signal.lfilter([1 - r], [1, -2 * r * np.cos(angle), r**2], voice)
    voice = 0.3 * voice / np.abs(voice).max()
    voice += noise * np.std(voice) * rng.standard_normal(len(voice))
    return np.concatenate([voice, np.zeros(SAMPLE_RATE // 2)]).astype(np.float32)


class Praat:
    """What Praat says of a sound, with its usual settings."""

    def __init__(self, y: np.ndarray, sr: int) -> None:
        sound = parselmouth.Sound(y.astype(np.float64), sr)
        pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=75, pitch_ceiling=600)
        pulses = call([sound, pitch], "To PointProcess (cc)")
        report = call([sound, pitch, pulses], "Voice report", 0, 0, 75, 600, 1.3, 1.6, 0.03, 0.45)
        self.times, self.f0 = pitch.xs(), pitch.selected_array["frequency"]
        self.f0_median = float(np.median(self.f0[self.f0 > 0]))
        self.hnr = float(re.search(r"Mean harmonics-to-noise ratio: ([-\d.]+)", report).group(1))
        self.jitter = 100 * call(pulses, "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3)
        self.shimmer = 100 * call([sound, pulses], "Get shimmer (local)", 0, 0, 0.0001, 0.02, 1.3, 1.6)
        self.formant = sound.to_formant_burg(time_step=0.01)
        voiced = self.times[self.f0 > 0]
        self.formants = [np.nanmedian([self.formant.get_value_at_time(k, t) for t in voiced]) for k in (1, 2, 3)]
        self.intensity = float(sound.to_intensity(minimum_pitch=100).values.max()) + 20 * np.log10(2e-5)

    def gross_errors(self, ours: Phonetics) -> float:
        """Share of the frames voiced in both whose pitch is more than a fifth away."""
        praat = self.f0[np.abs(self.times - ours.times[:, None]).argmin(axis=1)]
        both = (praat > 0) & np.isfinite(ours.f0)
        return float((np.abs(ours.f0[both] / praat[both] - 1) > 0.2).mean())


@pytest.mark.parametrize("f0", [90, 140, 220, 400])
def test_pitch_is_that_of_the_pulses_and_stops_with_them(f0):
    voice = measure_voice(vowel(f0=f0), SAMPLE_RATE)
    assert voice.value("F0 median", "Hz") == pytest.approx(f0, rel=0.005)
    assert voice.value("F0 median", "st re 100 Hz") == pytest.approx(12 * np.log2(f0 / 100), abs=0.1)
    assert np.isnan(voice.f0[voice.times > 2.05]).all()
    assert np.isnan(voice.formants[voice.times > 2.05]).all()
    assert voice.value("Voiced", "% of time") == pytest.approx(80, abs=3)


@pytest.mark.parametrize("name", VOWELS)
def test_formants_are_those_of_the_resonators(name):
    # Pulses without jitter draw the poles to their harmonics, Praat's too.
    voice = measure_voice(vowel(VOWELS[name], f0=120, jitter=0.02, noise=0.003), SAMPLE_RATE)
    found = [voice.value(f"F{k} median", "Hz") for k in (1, 2, 3)]
    np.testing.assert_allclose(found, VOWELS[name], rtol=0.05)


def test_jitter_shimmer_and_harmonicity_tell_how_regular_a_voice_is():
    regular, shaky, uneven, noisy = (
        measure_voice(y, SAMPLE_RATE)
        for y in (vowel(), vowel(jitter=0.01), vowel(shimmer=0.08), vowel(noise=10 ** (-10 / 20)))
    )
    # The mean difference of neighbours is 2 / sqrt(pi) times the deviation of independent ones.
    assert shaky.value("Jitter, local", "%") == pytest.approx(100 * 0.01 * 2 / np.sqrt(np.pi), rel=0.2)
    assert regular.value("Jitter, local", "%") < 0.2
    assert uneven.value("Shimmer, local", "%") > 5 * regular.value("Shimmer, local", "%")
    assert noisy.value("Harmonics-to-noise ratio", "dB") == pytest.approx(10, abs=0.5)
    assert regular.value("Harmonics-to-noise ratio", "dB") > 25


def test_a_pulse_stands_in_each_period():
    voice = measure_voice(vowel(f0=140), SAMPLE_RATE)
    assert np.median(np.diff(voice.pulses)) == pytest.approx(1 / 140, rel=0.002)
    assert len(voice.pulses) == pytest.approx(2 * 140, abs=4)


def test_intensity_of_a_sine_of_full_scale_is_3_db_under_full_scale():
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    voice = measure_voice(np.sin(2 * np.pi * 200 * t).astype(np.float32), SAMPLE_RATE)
    assert voice.value("Intensity highest", "dBFS") == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_what_is_no_voice_has_no_pitch(kind):
    y = np.zeros(SAMPLE_RATE, np.float32)
    if kind == "noise":
        y = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    voice = measure_voice(y, SAMPLE_RATE)
    assert np.isfinite(voice.f0).mean() < 0.02
    assert len(voice.pulses) < 5
    if kind == "silence":
        assert np.isnan(voice.value("F0 median", "Hz"))
        assert (voice.intensity == LOWEST_INTENSITY).all()


def test_curves_are_a_row_a_frame():
    voice = measure_voice(vowel(), SAMPLE_RATE)
    table = curves_table(voice, start=10.0)
    assert list(table.columns) == ["time_s", "f0_hz", "intensity_dbfs", "hnr_db", "f1_hz", "f2_hz", "f3_hz"]
    assert len(table) == len(voice.times)
    assert table["time_s"].iloc[0] == 10.0


@pytest.mark.parametrize(
    "y",
    [
        vowel(jitter=0.003, noise=0.03),
        vowel(VOWELS["u"], f0=220, jitter=0.01),
        vowel(VOWELS["a"], f0=180, shimmer=0.06, noise=0.05),
    ],
)
def test_vowels_are_measured_as_praat_does(y):
    ours, praat = measure_voice(y, SAMPLE_RATE), Praat(y, SAMPLE_RATE)
    assert ours.value("F0 median", "Hz") == pytest.approx(praat.f0_median, rel=0.005)
    assert praat.gross_errors(ours) < 0.01
    np.testing.assert_allclose([ours.value(f"F{k} median", "Hz") for k in (1, 2, 3)], praat.formants, rtol=0.05)
    assert ours.value("Harmonics-to-noise ratio", "dB") == pytest.approx(praat.hnr, abs=2)
    assert ours.value("Jitter, local", "%") == pytest.approx(praat.jitter, rel=0.15, abs=0.1)
    assert ours.value("Shimmer, local", "%") == pytest.approx(praat.shimmer, rel=0.15, abs=0.3)
    assert ours.value("Intensity highest", "dBFS") == pytest.approx(praat.intensity, abs=0.2)


def test_formants_of_a_frame_are_praats():
    y = vowel(VOWELS["e"], f0=120)
    praat = Praat(y, SAMPLE_RATE)
    times = praat.formant.xs()[20:150]
    theirs = [[praat.formant.get_value_at_time(k, t) for k in (1, 2, 3)] for t in times]
    np.testing.assert_allclose(find_formants(y, SAMPLE_RATE, times), theirs, rtol=0.02)


@pytest.mark.heavy
def test_acted_voices_are_measured_as_praat_does(ravdess):
    """Of clips of the corpus that are drawn by chance; the worst few may be farther away, as a glide's median may."""
    clips = sorted(path for path in ravdess.rglob("03-*") if path.suffix in (".wav", ".flac"))
    ours, praat = [], []
    for clip in random.Random(1).sample(clips, N_CLIPS):
        waveform = decode(clip.read_bytes())
        ours.append(measure_voice(waveform.y, waveform.sr))
        praat.append(Praat(waveform.y, waveform.sr))
    pairs = list(zip(ours, praat, strict=True))
    pitch = [abs(o.value("F0 median", "Hz") / p.f0_median - 1) for o, p in pairs]
    formants = [[abs(o.value(f"F{k + 1} median", "Hz") / p.formants[k] - 1) for k in range(3)] for o, p in pairs]
    harmonicity = [abs(o.value("Harmonics-to-noise ratio", "dB") - p.hnr) for o, p in pairs]
    assert np.mean(np.array(pitch) < 0.02) > 0.9
    assert np.mean([p.gross_errors(o) for o, p in pairs]) < 0.01
    assert (np.mean(np.array(formants) < 0.1, axis=0) > 0.85).all()
    assert max(harmonicity) < 2
    for measure, theirs in {"Jitter, local": "jitter", "Shimmer, local": "shimmer"}.items():
        mine, reference = [o.value(measure, "%") for o in ours], [getattr(p, theirs) for p in praat]
        assert scipy.stats.spearmanr(mine, reference).statistic > 0.95
        assert np.median(np.array(mine) / reference) == pytest.approx(1, abs=0.1)
