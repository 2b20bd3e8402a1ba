import dataclasses
import json

import librosa
import numpy as np
import pytest

from benchmarks import reference_pipeline
from core import parts
from core.audio.decode import decode
from core.audio.extraction import extract
from core.audio.features import FEATURE_GROUPS, FEATURE_NAMES, extract_features, get_features, read_features
from core.audio.features.statistics import STATISTIC_NAMES, StatisticsFeatures
from core.config import PROJECT_ROOT, SAMPLE_RATE, FeatureConfig, configuration_hash
from core.serving.registry import Registry
from tests.conftest import encode, tone

REAL_CLIPS = [
    "03-01-01-01-01-01-01",
    "03-01-05-02-02-01-08",
    "03-01-07-02-01-02-19",  # sound at the 4 s mark
    "03-01-02-01-01-02-01",  # stereo
    "03-02-02-01-01-01-16",  # song, sound at the 4 s mark
    "03-02-06-02-02-02-24",
]


@pytest.mark.parametrize("clip", REAL_CLIPS)
def test_equals_plain_librosa_on_real_clips(ravdess, clip):
    path = next(ravdess.rglob(f"{clip}.*"))
    y, sr = librosa.load(path, duration=4, offset=0)
    expected = reference_pipeline.extract(y, sr)
    np.testing.assert_allclose(extract_features(y, sr), expected, atol=1e-4)
    np.testing.assert_allclose(extract_features(decode(path).opening, sr), expected, atol=1e-4)


@pytest.mark.parametrize("duration", [0.3, 0.5, 2.9, 3.0, 3.1, 5.0])
def test_equals_plain_librosa_for_any_length(duration):
    rng = np.random.default_rng(0)
    y = (tone(330, SAMPLE_RATE, duration) + rng.normal(0, 0.01, int(duration * SAMPLE_RATE))).astype(np.float32)
    expected = reference_pipeline.extract(y[: 4 * SAMPLE_RATE], SAMPLE_RATE)
    np.testing.assert_allclose(extract_features(y, SAMPLE_RATE), expected, atol=1e-4)


def test_every_column_is_named_once():
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 62
    assert [FEATURE_NAMES[i] for i in (0, 13, 26, 39, 51, 58, 59, 60, 61)] == [
        "mfcc_1",
        "delta_mfcc_1",
        "delta2_mfcc_1",
        "chroma_C",
        "contrast_0",
        "zero_crossing_rate",
        "spectral_bandwidth",
        "pitch",
        "rms",
    ]


def test_groups_cover_all_columns_once():
    columns = [column for group in FEATURE_GROUPS.values() for column in range(62)[group]]
    assert columns == list(range(62))


def test_rms_of_a_tone_is_its_amplitude_over_root_two():
    X = extract_features(tone(440, SAMPLE_RATE, 3.5, amplitude=0.4).astype(np.float32), SAMPLE_RATE)
    np.testing.assert_allclose(X[5:120, FEATURE_NAMES.index("rms")], 0.4 / np.sqrt(2), rtol=0.01)


def test_zero_crossings_of_a_tone_are_twice_its_frequency():
    X = extract_features(tone(440, SAMPLE_RATE, 3.5).astype(np.float32), SAMPLE_RATE)
    rate = X[5:120, FEATURE_NAMES.index("zero_crossing_rate")] * SAMPLE_RATE
    np.testing.assert_allclose(rate, 880, rtol=0.02)


def test_chroma_of_an_a_is_strongest_at_a():
    X = extract_features(tone(440, SAMPLE_RATE, 3.5).astype(np.float32), SAMPLE_RATE)
    chroma = X[5:120, FEATURE_GROUPS["Chroma"]].mean(axis=0)
    assert FEATURE_NAMES[39 + chroma.argmax()] == "chroma_A"


def test_short_sound_is_padded_with_zeros():
    X = extract_features(tone(220, SAMPLE_RATE, 1.0).astype(np.float32), SAMPLE_RATE)
    assert (X[60:, FEATURE_GROUPS["Chroma"]] == 0).all()
    assert (X[60:, FEATURE_NAMES.index("rms")] == 0).all()


def test_other_rates_are_a_mistake():
    with pytest.raises(ValueError, match="22050 Hz"):
        extract_features(np.zeros(100, np.float32), 16_000)


def test_configuration_hash_follows_every_field():
    fields = [field.name for field in dataclasses.fields(FeatureConfig)]
    hashes = {configuration_hash(dataclasses.replace(FeatureConfig(), **{field: 7})) for field in fields}
    assert len(hashes | {configuration_hash(FeatureConfig())}) == len(fields) + 1


def test_upload_and_array_give_the_same():
    y = tone(330, SAMPLE_RATE, 2.0).astype(np.float32)
    waveform = decode(encode(y, SAMPLE_RATE, subtype="FLOAT"))
    np.testing.assert_array_equal(extract_features(waveform.opening, waveform.sr), extract_features(y, SAMPLE_RATE))


def test_statistics_are_those_of_the_frames_that_the_sound_has():
    sound = encode(tone(300, duration=1.0) * np.linspace(0.1, 1, 48_000), 48_000)
    waveform = decode(sound)
    n = 1 + len(waveform.opening) // 512
    frames = extract_features(waveform.opening, SAMPLE_RATE, FeatureConfig(n_frames=n))
    X = dict(zip(STATISTIC_NAMES, extract(waveform, StatisticsFeatures()), strict=True))
    for k in (0, 20, 57, 61):
        name, values = FEATURE_NAMES[k], frames[:, k]
        expected = [values.mean(), values.std(), np.median(values), np.percentile(values, 95)]
        found = [X[f"{name}.{s}"] for s in ("mean", "deviation", "percentile_50", "percentile_95")]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_statistics_of_a_very_short_sound_are_numbers():
    y = tone(sr=SAMPLE_RATE, duration=0.1).astype(np.float32)
    assert np.isfinite(StatisticsFeatures().extract(y, SAMPLE_RATE)).all()


@pytest.mark.parametrize("name", parts.FEATURE_SETS)
def test_a_feature_set_is_what_its_fields_say(name):
    features = get_features(name)
    waveform = decode(encode(tone(duration=1.5), 48_000))
    assert features.name == name
    assert extract(waveform, features).shape == features.shape
    assert extract(waveform, features).dtype == np.float32
    assert read_features(json.loads(json.dumps(dataclasses.asdict(features)))) == features
    assert features.is_current
    assert not dataclasses.replace(features, version=0).is_current
    shown = features.picture(features.samples(waveform), waveform.sr, lambda X: X)
    assert shown.values.shape == (len(shown.rows), len(shown.times))


@pytest.mark.parametrize("model", Registry(PROJECT_ROOT / "artifacts").names())
def test_hashes_of_shipped_features_stay(model):
    manifest = json.loads((PROJECT_ROOT / "artifacts" / model / "manifest.json").read_text())
    usual = get_features(manifest["features"]["name"]).seeded(manifest["seed"])
    assert configuration_hash(usual) == manifest["features_hash"]


def test_unknown_feature_sets_are_refused():
    with pytest.raises(TypeError, match="'best'"):
        read_features({"name": "best"})
