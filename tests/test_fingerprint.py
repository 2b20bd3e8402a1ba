import numpy as np
import pandas as pd
import pytest

from core.audio.augmentation import CONDITIONS
from core.audio.decode import decode
from core.audio.fingerprint import N_BITS, fingerprint, similarities
from core.corpus.index import find_clips
from core.corpus.ravdess import RAVDESS
from core.corpus.recordings import find_recordings

SR = 22_050
COLUMNS = ["clip", "path"]
CODED = ("level -20 dB", "level +6 dB", "white noise 20 dB", "telephone", "MP3 32 kbit/s", "cut to 2 s")


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(size=round(seconds * SR)).astype(np.float32)


def test_bits_follow_their_definition():
    bits = fingerprint(noise(2), SR)
    assert bits.shape == (N_BITS, 2 * SR // 512)
    assert set(np.unique(bits)) == {-1, 1}
    assert abs(bits.mean()) < 0.1
    np.testing.assert_array_equal(fingerprint(0.01 * noise(2), SR), bits)


def test_what_lies_above_the_bands_makes_no_difference():
    y, t = noise(2), np.arange(2 * SR) / SR
    whistle = y + np.sin(2 * np.pi * 7_000 * t).astype(np.float32)
    assert (fingerprint(whistle, SR) != fingerprint(y, SR)).mean() < 0.005


@pytest.mark.parametrize("n", [1, 511, 512, 4 * SR + 1])
def test_a_sound_of_any_length_has_a_frame_each_512_samples(n):
    assert fingerprint(np.ones(n, np.float32), SR).shape == (N_BITS, n // 512)


def test_the_same_sound_is_found_at_any_shift_and_another_is_not():
    long, short = noise(6), noise(6)[2 * SR : 4 * SR]
    others = [fingerprint(y, SR) for y in (long, noise(6, 1), noise(0.5), np.concatenate([noise(3, 2), short]))]
    values = similarities(fingerprint(short, SR), others)
    assert values[0] > 0.8
    assert values[1] < 0.15
    assert values[2] == -1, "less than a second can overlap"
    assert values[3] > 0.8
    assert similarities(others[0], [fingerprint(short, SR)])[0] == pytest.approx(values[0])


def test_recordings_of_the_corpus_are_found_in_every_coding_and_other_voices_are_not(ravdess):
    paths = sorted(path for path, clip in find_clips(ravdess, RAVDESS) if clip["channel"] == "speech")
    known = pd.DataFrame([(path.stem, str(path)) for path in paths if path.stem.endswith("-01")], columns=COLUMNS)
    strange = [path for path in paths if path.stem.endswith("-02")][::6]
    few = known.iloc[::6]
    for condition in CODED:
        sounds = []
        for path in few["path"]:
            y = CONDITIONS[condition](decode(path).y, SR, np.random.default_rng(0))
            sounds.append(fingerprint(y, SR))
        assert find_recordings(sounds, known, ravdess, n_jobs=1) == few["clip"].tolist(), condition
    strangers = [fingerprint(decode(path).y, SR) for path in strange]
    assert find_recordings(strangers, known, ravdess, n_jobs=1) == [""] * 10
