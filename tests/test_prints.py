import numpy as np
import pytest

from core.audio.augmentation import CONDITIONS
from core.audio.decode import decode
from core.audio.fingerprint import N_BITS, fingerprint, similarities
from core.corpus.index import find_clips
from core.corpus.prints import agreement, load_prints, pack, prints_path, save_prints, write_prints
from core.corpus.ravdess import RAVDESS
from core.corpus.samples import list_synthesized
from tests.conftest import encrypted

SR = 22_050
CODED = ("level -20 dB", "white noise 20 dB", "telephone", "MP3 32 kbit/s", "cut to 2 s", "silence of 1 s before")


@pytest.fixture(autouse=True)
def _folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(size=round(seconds * SR)).astype(np.float32)


def test_packing_loses_nothing():
    bits = fingerprint(noise(2), SR)
    numbers = pack(bits)
    read = [[1 if number >> bit & 1 else -1 for number in numbers.tolist()] for bit in range(N_BITS)]
    np.testing.assert_array_equal(read, bits)
    assert pack(np.ones((N_BITS, 1), np.int8)).tolist() == [2**32 - 1]


@pytest.mark.parametrize("heard", [slice(0, 3), slice(1, 2.5), slice(1, 4)])
def test_two_sounds_agree_at_the_shift_that_is_best(heard):
    """As compared at every shift: a part of a sound, the sound itself, one that goes on behind its end."""
    known, whole = fingerprint(noise(3), SR), np.concatenate([noise(3), noise(3, 1)])
    sound = fingerprint(whole[round(heard.start * SR) : round(heard.stop * SR)], SR)
    shifts = range(-sound.shape[1], known.shape[1])
    values = {shift: agreement(pack(sound), pack(known), shift) for shift in shifts}
    best = max(values, key=values.get)
    assert best == pytest.approx(heard.start * SR / 512, abs=1)
    assert values[best] == pytest.approx(similarities(sound, [known])[0], abs=1e-6)
    assert values[min(shifts)] == values[max(shifts)] == -1, "too little overlaps"


def test_a_sound_is_found_among_others_and_strangers_are_not():
    save_prints(
        [f"clip {k}" for k in range(40)], [pack(fingerprint(noise(3, k), SR)) for k in range(40)], prints_path("x")
    )
    prints = load_prints("x")
    for k in (0, 17, 39):
        heard = np.concatenate([noise(1, 100), 0.1 * noise(3, k), noise(2, 101)])
        assert prints.find(fingerprint(heard, SR)) == f"clip {k}"
    assert prints.find(fingerprint(noise(3, 99), SR)) == ""
    assert prints.find(fingerprint(np.zeros(SR, np.float32), SR)) == ""


def test_prints_of_a_corpus_are_written_and_read(generated, clips):
    write_prints(clips.head(6), generated, prints_path("made"), n_jobs=1)
    prints = load_prints("made")
    assert list(prints.clips) == clips["clip"].head(6).tolist()
    waveform = decode(generated / clips["path"].iloc[3])
    np.testing.assert_array_equal(prints.frames_of(3), pack(fingerprint(waveform.y, waveform.sr)))


def test_a_file_with_a_damaged_byte_is_read_or_is_none():
    save_prints(["a"], [pack(fingerprint(noise(2), SR))], prints_path("x"))
    whole = prints_path("x").read_bytes()
    for place in range(0, len(whole), 41):
        prints_path("x").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        load_prints("x")


def test_an_encrypted_file_is_none():
    save_prints(["a"], [pack(fingerprint(noise(2), SR))], prints_path("x"))
    prints_path("x").write_bytes(encrypted(prints_path("x").read_bytes()))
    assert load_prints("x") is None


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 half"])
def test_a_broken_file_is_none(data):
    prints_path("x").write_bytes(data)
    assert load_prints("x") is None
    assert load_prints("of nobody") is None


def test_a_file_that_contradicts_itself_is_none():
    np.savez(prints_path("x"), clips=np.array(["a"]), starts=np.array([0, 9]), frames=np.zeros(3, np.uint32))
    assert load_prints("x") is None


def test_shipped_prints_are_those_of_the_whole_corpus_and_find_no_synthesized_voice():
    prints = load_prints("ravdess")
    assert len(prints.clips) == 2452
    for sample in list_synthesized():
        waveform = decode(sample.path)
        assert prints.find(fingerprint(waveform.y, waveform.sr)) == ""


def test_recordings_of_the_real_corpus_are_found_in_every_coding(ravdess):
    prints = load_prints("ravdess")
    paths = sorted(path for path, _ in find_clips(ravdess, RAVDESS))[::200]
    for path in paths:
        y = decode(path).y
        np.testing.assert_array_equal(prints.frames_of(prints.clips.index(path.stem)), pack(fingerprint(y, SR)))
        for condition in CODED:
            coded = CONDITIONS[condition](y, SR, np.random.default_rng(0)).astype(np.float32)
            assert prints.find(fingerprint(coded, SR)) == path.stem, condition
