import io

import librosa
import numpy as np
import pytest

from core.audio.analysis import MAX_STRETCH, Analysis, analyse, analysis_archive, analysis_table
from core.audio.descriptors import VOICED_NAMES, describe
from core.audio.features import FEATURE_GROUPS, FEATURE_NAMES, extract_features
from core.audio.pitch import REFERENCE_PITCH
from core.config import SAMPLE_RATE, FeatureConfig, VoiceConfig
from core.plots import features as plots

CONFIG = FeatureConfig()


def harmonic(f0: np.ndarray, amplitude: float = 0.2) -> np.ndarray:
    """A voice-like sound of a given pitch: twelve harmonics of falling level."""
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    return (amplitude * sum(np.sin(k * phase) / k for k in range(1, 13))).astype(np.float32)


@pytest.fixture(scope="module")
def glide() -> Analysis:
    """Two seconds gliding from 150 to 300 Hz, then half a second of silence."""
    f0 = np.geomspace(150, 300, 2 * SAMPLE_RATE)
    y = np.concatenate([harmonic(f0), np.zeros(SAMPLE_RATE // 2, dtype=np.float32)])
    return analyse(y, SAMPLE_RATE, config=CONFIG)


def test_descriptors_are_those_that_models_read(glide):
    read = extract_features(glide.y, SAMPLE_RATE)
    n = len(glide.descriptors) - 8  # the last deltas see the end of the sound, or the padding
    np.testing.assert_allclose(glide.descriptors[:n], read[:n], rtol=1e-5, atol=1e-4)
    assert glide.group("MFCC").shape == (13, len(glide.times))


def test_level_of_a_full_sine_is_0_db():
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    bin_frequency = 100 * SAMPLE_RATE / CONFIG.n_fft
    analysis = analyse(np.sin(2 * np.pi * bin_frequency * t).astype(np.float32), SAMPLE_RATE, config=CONFIG)
    middle = len(analysis.times) // 2
    assert analysis.spectrogram[:, middle].max() == pytest.approx(0, abs=0.1)
    assert analysis.frequencies[analysis.spectrogram[:, middle].argmax()] == pytest.approx(bin_frequency)


def test_pitch_follows_the_sound_and_stops_with_it(glide):
    inside = (glide.times > 0.1) & (glide.times < 1.9)
    expected = 150 * 2 ** (glide.times[inside] / 2)
    assert np.abs(np.log2(glide.f0[inside] / expected)).max() < 1 / 24
    assert np.isnan(glide.f0[glide.times > 2.1]).all()


def test_pitch_is_that_of_the_voice_features():
    y = harmonic(np.geomspace(150, 300, 2 * SAMPLE_RATE))
    shown = analyse(y, SAMPLE_RATE, config=CONFIG).f0
    read = describe(y, VoiceConfig())
    assert read.is_voiced.all()
    hertz = REFERENCE_PITCH * 2 ** (read.voiced[::2, VOICED_NAMES.index("pitch")] / 12)
    assert np.abs(np.log2(shown / hertz[: len(shown)])[1:-1]).max() < 1 / 240


def test_hum_far_below_the_voice_has_no_pitch(glide):
    hum = 0.002 * np.sin(2 * np.pi * 100 * np.arange(len(glide.y)) / SAMPLE_RATE)
    shown = analyse(glide.y + hum.astype(np.float32), SAMPLE_RATE, config=CONFIG)
    assert np.isnan(shown.f0[shown.times > 2.1]).all()
    assert not np.isnan(shown.f0[(shown.times > 0.1) & (shown.times < 1.9)]).any()


def test_a_stretch_is_cut_where_asked_and_no_longer_than_a_screen():
    y = np.random.default_rng(0).normal(0, 0.1, int(40 * SAMPLE_RATE)).astype(np.float32)
    part = analyse(y, SAMPLE_RATE, start=5.0, config=CONFIG)
    assert part.duration == pytest.approx(MAX_STRETCH, abs=1e-3)
    assert part.times[0] == pytest.approx(5.0, abs=1e-4)
    np.testing.assert_array_equal(part.y[:10], y[5 * SAMPLE_RATE :][:10])
    assert analyse(y, SAMPLE_RATE, start=39.9, duration=1.0, config=CONFIG).duration == pytest.approx(1.0, abs=1e-3)


def test_downloads_hold_what_is_shown(glide):
    table = analysis_table(glide)
    assert list(table.columns) == ["time", *FEATURE_NAMES, "f0"]
    assert len(table) == len(glide.times)
    archive = np.load(io.BytesIO(analysis_archive(glide)), allow_pickle=False)
    np.testing.assert_array_equal(archive["descriptors"], glide.descriptors)
    np.testing.assert_array_equal(archive["f0"], glide.f0)
    assert archive["descriptor_names"].tolist() == list(FEATURE_NAMES)


def test_charts_show_the_descriptors_on_one_time_axis(glide):
    ranges = plots.common_ranges([glide])
    for figure in (
        plots.spectrum(glide, ranges),
        plots.cepstrum(glide, ranges),
        plots.harmony(glide, ranges),
        plots.loudness(glide, ranges),
    ):
        assert len({axis.matches or name for name, axis in axes(figure, "xaxis")}) == 1
        assert all(axis.title.text for _, axis in axes(figure, "yaxis"))
    chroma = next(trace for trace in plots.harmony(glide, ranges).data if trace.type == "heatmap")
    expected = librosa.feature.chroma_stft(y=glide.y, sr=SAMPLE_RATE, n_fft=2048, hop_length=512)
    np.testing.assert_allclose(chroma.z, expected, atol=1e-4)
    line = plots.loudness(glide, ranges).data[2]
    np.testing.assert_allclose(line.y, librosa.feature.rms(y=glide.y, frame_length=2048, hop_length=512)[0], rtol=1e-5)


def test_two_sounds_share_their_scales(glide):
    quiet = analyse(0.1 * glide.y, SAMPLE_RATE, config=CONFIG)
    ranges = plots.common_ranges([quiet, glide])
    assert ranges["RMS"][1] == pytest.approx(float(glide.group("RMS").max()))
    assert set(ranges) >= set(FEATURE_GROUPS)
    first, second = plots.loudness(quiet, ranges), plots.loudness(glide, ranges)
    assert [axis.range for _, axis in axes(first, "yaxis")] == [axis.range for _, axis in axes(second, "yaxis")]


def axes(figure, kind: str) -> list:
    return [(name.replace("axis", ""), figure.layout[name]) for name in figure.layout if name.startswith(kind)]
