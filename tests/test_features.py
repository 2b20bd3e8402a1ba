import dataclasses

import librosa
import numpy as np
import pytest

from benchmarks import reference_pipeline
from core.audio.decode import decode
from core.audio.features import FEATURE_GROUPS, FEATURE_NAMES, extract_features
from core.config import SAMPLE_RATE, FeatureConfig, configuration_hash
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
