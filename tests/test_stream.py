import numpy as np
import pytest

from core.audio.assess import assess
from core.audio.decode import decode
from core.audio.stream import Stream
from core.errors import AudioError
from tests.conftest import encode, tone

SR = 48_000


@pytest.mark.parametrize(
    "data",
    [
        encode(20_000 * tone(300, duration=3.1), SR, subtype="FLOAT"),
        encode(3 * tone(300, duration=3.1), SR, subtype="FLOAT"),
        encode(np.clip(5 * tone(300, duration=3.1), -1, 1), SR),
        encode(1e-3 * tone(300, duration=3.1), SR),
        encode(tone(300, duration=3.1), SR)[:200_000],
    ],
    ids=["far above full scale", "a little above", "clipped", "quiet", "cut off"],
)
def test_a_stream_and_a_whole_sound_are_one_sound(data):
    whole, stream = decode(data), Stream(data)
    together = np.concatenate(list(stream))
    np.testing.assert_allclose(together[: len(whole.y)], whole.y[: len(together)], atol=1e-5)
    expected = assess(whole)
    kinds = [[warning.split(":")[0] for warning in found.warnings] for found in (stream.assessment, expected)]
    assert kinds[0] == kinds[1]
    assert stream.assessment.level == pytest.approx(expected.level, abs=0.1)
    # Measured at the file's rate, so the last frame, which may be shorter than 50 ms, is another one.
    assert stream.assessment.peak_level == pytest.approx(expected.peak_level, abs=2)
    assert stream.assessment.clipped_share == expected.clipped_share


@pytest.mark.parametrize("size", [1e15, 3e38])
def test_numbers_that_are_no_sound_are_refused_by_both(size):
    data = encode(np.full(100_000, size), SR, subtype="FLOAT")
    for read in (decode, Stream):
        with pytest.raises(AudioError, match="numbers that are no sound"):
            read(data)


def test_a_stream_can_be_read_again():
    stream = Stream(encode(tone(duration=2.0), SR))
    np.testing.assert_array_equal(np.concatenate(list(stream)), np.concatenate(list(stream)))
