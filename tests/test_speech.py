import itertools

import numpy as np
import pytest

from core.audio.decode import decode
from core.audio.gate import has_voice
from core.audio.speech import MARGIN, Stretch, find_gaps, find_speech, loudest_stretch, snr_within
from core.corpus.samples import list_synthesized
from core.serving.prediction import BROKEN

SR = 22_050
LONGEST = 6.5


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return decode(list_synthesized()[0].path).y


def find(y: np.ndarray, longest: float = LONGEST) -> list[Stretch]:
    return list(find_speech([np.asarray(y, np.float32)], SR, longest=longest))


def noise(seconds: float, level: float) -> np.ndarray:
    return level * np.random.default_rng(0).standard_normal(int(seconds * SR))


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * SR))


def place(voice: np.ndarray, before: float, after: float, level: float = 0.0) -> np.ndarray:
    y = noise(before + len(voice) / SR + after, level)
    start = int(before * SR)
    y[start : start + len(voice)] += voice
    return y


@pytest.mark.parametrize(("before", "level"), [(0.0, 0.0), (7.0, 0.0), (7.0, 0.0005), (25.0, 0.001)])
def test_a_stretch_begins_where_the_voice_does(voice, before, level):
    alone = find(voice)
    moved = find(place(voice, before, 3.0, level))
    assert len(moved) == len(alone) == 1
    assert moved[0].first / SR == pytest.approx(before + alone[0].first / SR, abs=0.2)
    assert moved[0].last / SR == pytest.approx(before + alone[0].last / SR, abs=0.3)
    assert moved[0].y.shape == (min(moved[0].last + int(MARGIN * SR), 10**9) - moved[0].start,)


def test_a_pause_parts_and_a_short_one_does_not(voice):
    for pause, n in ((0.1, 1), (2.0, 2)):
        assert len(find(np.concatenate([voice, silence(pause), voice]))) == n


def test_stretches_are_the_same_whatever_the_blocks(voice):
    y = np.concatenate([silence(3), voice, silence(2), voice, voice, voice, noise(20, 0.001), voice]).astype(np.float32)
    whole = find(y)
    assert len(whole) >= 4
    for n in (2, 13, 200):
        parts = list(find_speech(np.array_split(y, n), SR, longest=LONGEST))
        assert [(s.first, s.last, s.start) for s in parts] == [(s.first, s.last, s.start) for s in whole]
        for one, other in zip(parts, whole, strict=True):
            np.testing.assert_allclose(one.y, other.y, atol=1e-6)


@pytest.mark.parametrize("longest", [2.0, 3.0, 6.5])
def test_no_stretch_is_longer_than_a_model_reads_and_none_overlaps(voice, longest):
    found = find(np.concatenate([voice] * 6), longest)
    assert max(len(stretch.y) for stretch in found) <= longest * SR + SR // 20
    assert all(a.last <= b.first for a, b in itertools.pairwise(found))
    spoken = sum(stretch.last - stretch.first for stretch in found)
    assert spoken > 0.8 * sum(s.last - s.first for s in find(voice)) * 6


def test_where_a_recording_is_broken_off_is_said(voice):
    (whole,) = find(place(voice, 1.0, 1.0, 1e-4))
    loud = np.flatnonzero(np.abs(voice) > 0.3 * np.abs(voice).max())
    for n in (100, 1_500, 3_000):
        broken = place(voice, 1.0, 1.0, 1e-4)
        first = SR + int(loud[len(loud) // 2])
        broken[first : first + n] = 0
        gap = sum(stretch.gap for stretch in find(broken))
        assert gap == pytest.approx(n / SR if n > 1_000 else 0, abs=0.01)
    assert whole.gap == 0
    # A synthesizer's closures of consonants are as silent, but short.
    assert all(stretch.gap < BROKEN for stretch in find(np.concatenate([voice, silence(0.3), voice])))
    assert find_gaps(np.zeros(SR, np.float32), SR) == []


@pytest.mark.parametrize("is_before", [True, False])
def test_what_sounds_beside_a_voice_is_no_noise_beneath_it(voice, is_before):
    t = np.arange(2 * SR) / SR
    ring = 0.3 * np.sin(2 * np.pi * np.cumsum(np.where((20 * t) % 1 < 0.5, 1_000, 1_250)) / SR)
    quiet = place(voice, 1.0, 1.0, 1e-4)
    (alone,), (beside,) = find(quiet), find(np.concatenate([ring, quiet] if is_before else [quiet, ring]))
    assert beside.snr == pytest.approx(alone.snr, abs=3)
    (steady,) = find(place(voice, 3.0, 1.0, 0.01))
    assert steady.snr < alone.snr - 20


def test_digital_silence_is_no_noise(voice):
    assert [stretch.snr for stretch in find(np.concatenate([silence(1), voice, silence(1)]))] == [np.inf]


def test_a_quiet_voice_beside_a_loud_one_is_heard(voice):
    assert len(find(np.concatenate([voice, silence(9), 0.02 * voice]))) == 2


@pytest.mark.parametrize("snr", [0, 10, 20])
def test_distance_to_the_noise_is_measured_with_and_without_a_pause(voice, snr):
    alone = find(voice)[0]
    spoken = voice[alone.first : alone.last]
    level = float(np.sqrt(np.mean(np.square(spoken)))) * 10 ** (-snr / 20)
    assert find(place(voice, 2, 2, level))[0].snr == pytest.approx(snr, abs=2)
    within = snr_within((spoken + noise(len(spoken) / SR, level)[: len(spoken)]).astype(np.float32), SR)
    assert within == pytest.approx(snr, abs=4)


def test_hum_is_no_noise_and_not_in_what_is_answered(voice):
    y = place(voice, 2, 1)
    t = np.arange(len(y)) / SR
    hummed = find(y + 0.05 * np.sin(2 * np.pi * 50 * t) + 0.03 * np.sin(2 * np.pi * 150 * t))[0]
    clean = find(y)[0]
    assert hummed.snr > 25
    low, high = max(hummed.start, clean.start), min(hummed.start + len(hummed.y), clean.start + len(clean.y))
    one, other = (s.y[low - s.start : high - s.start] for s in (hummed, clean))
    assert np.corrcoef(one, other)[0, 1] > 0.99


def test_where_nobody_speaks_the_loudest_part_is_taken():
    y = np.concatenate([silence(9), noise(3, 0.1)]).astype(np.float32)
    assert not has_voice(y, SR)
    assert find(y) == []
    found = loudest_stretch(y, SR, LONGEST)
    assert (found.last - found.first, found.has_voice) == (int(LONGEST * SR), False)
    assert np.abs(found.y).max() > 0.1
    short = loudest_stretch(y[-SR:], SR, LONGEST)
    np.testing.assert_array_equal(short.y, y[-SR:])


def test_a_voice_up_to_the_end_of_a_region_is_not_lost(voice):
    region = 8 * SR
    y = np.concatenate([silence(8), voice])[-region:] if len(voice) < region else voice[:region]
    assert len(y) == region
    assert [s.last for s in find(y)] == [s.last for s in find(np.append(y, np.zeros(1)))] != []
