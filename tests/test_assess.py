import numpy as np
import pytest

from core.audio.assess import CLIPPED_SHARE, MIN_DURATION, QUIET_LEVEL, SILENCE_LEVEL, assess
from core.audio.decode import decode
from tests.conftest import encode, tone


def assess_samples(y: np.ndarray):
    return assess(decode(encode(y, 22_050, subtype="FLOAT")))


def at_level(decibels: float) -> np.ndarray:
    """A tone whose root mean square is at a level in dBFS."""
    return tone(220, 22_050, 1.0, amplitude=np.sqrt(2) * 10 ** (decibels / 20))


def test_level_of_a_tone_is_its_root_mean_square():
    assert assess_samples(at_level(-20)).level == pytest.approx(-20, abs=0.05)


def test_peak_level_is_that_of_the_loudest_50_ms_and_the_end_counts():
    y = at_level(-40)
    y[-100:] = 0.1
    assert assess_samples(y).peak_level == pytest.approx(-20, abs=0.05)
    y[:-100] *= 100
    assert assess_samples(y).peak_level == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("duration", "refused"), [(MIN_DURATION - 0.01, True), (MIN_DURATION + 0.01, False)])
def test_too_short_is_refused(duration, refused):
    refusal = assess_samples(tone(220, 22_050, duration)).refusal
    assert (refusal is not None and "at least 0.3 s" in refusal) == refused


@pytest.mark.parametrize(("level", "refused"), [(SILENCE_LEVEL - 1, True), (SILENCE_LEVEL + 1, False)])
def test_silent_is_refused(level, refused):
    refusal = assess_samples(at_level(level)).refusal
    assert (refusal is not None and "silent" in refusal) == refused


def test_digital_silence_is_refused():
    assessment = assess_samples(np.zeros(22_050))
    assert assessment.level == -np.inf
    assert assessment.refusal is not None


@pytest.mark.parametrize(("level", "warned"), [(QUIET_LEVEL - 1, True), (QUIET_LEVEL + 1, False)])
def test_very_quiet_is_warned_of(level, warned):
    assert any("very quiet" in warning for warning in assess_samples(at_level(level)).warnings) == warned


@pytest.mark.parametrize(("share", "warned"), [(CLIPPED_SHARE * 1.2, True), (CLIPPED_SHARE * 0.8, False)])
def test_clipped_is_warned_of(share, warned):
    y = at_level(-20)
    y[: int(share * len(y))] = 1.0
    assert any("clipped" in warning for warning in assess_samples(y).warnings) == warned


def test_one_loud_word_in_silence_is_heard():
    y = np.zeros(4 * 22_050)
    y[22_050:33_075] = at_level(-30)[:11_025]
    assert assess_samples(y).refusal is None
