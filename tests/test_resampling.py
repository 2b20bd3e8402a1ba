import librosa
import numpy as np
import pytest

from core.audio.resampling import resample


@pytest.mark.parametrize("n", [1, 7, 4_800, 48_000, 48_001])
@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(48_000, 22_050), (44_100, 22_050), (22_050, 16_000), (8_000, 22_050)]
)
def test_samples_are_those_of_librosa(n, from_rate, to_rate):
    y = np.random.default_rng(n).normal(size=n).astype(np.float32)
    expected = librosa.resample(y, orig_sr=from_rate, target_sr=to_rate)
    found = resample(y, from_rate, to_rate)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_a_sound_at_the_wanted_rate_is_left_alone():
    y = np.zeros(10, np.float32)
    assert resample(y, 22_050, 22_050) is y
