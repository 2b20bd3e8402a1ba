import shutil
from pathlib import PurePath

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from core.audio.decode import decode
from core.corpus import index as index_module
from core.corpus.index import corpus_digest, distinct_clips, scan
from core.corpus.integrity import check_integrity
from core.corpus.ravdess import RAVDESS, expected_clips, parse_name
from core.corpus.samples import list_samples, list_synthesized
from core.errors import AudioError, CorpusError
from core.labels import EMOTIONS
from core.serving.predictor import Predictor
from tests.conftest import TRAINED_ACTORS
from tests.generated import generate_corpus


def test_all_seven_fields_are_read():
    clip = RAVDESS.parse(PurePath("Actor_13/03-02-05-02-01-02-13.flac"))
    assert clip == {
        "clip": "03-02-05-02-01-02-13",
        "channel": "song",
        "emotion": "angry",
        "intensity": "strong",
        "statement": "Kids are talking by the door",
        "repetition": 2,
        "speaker": "13",
        "gender": "male",
    }


@pytest.mark.parametrize("name", ["03-01-09-01-01-01-01.wav", "01-01-01-01-01-01-01.wav", "03-01-01-01-01-01-25", ""])
def test_other_names_are_refused(name):
    assert RAVDESS.parse(PurePath(name)) is None
    with pytest.raises(CorpusError, match="not the name of a clip of RAVDESS"):
        parse_name(name)


def test_release_has_the_published_counts():
    clips = [parse_name(name) for name in expected_clips()]
    counts = pd.Series([clip["channel"] for clip in clips]).value_counts()
    assert counts.to_dict() == {"speech": 1440, "song": 1012}
    assert sum(clip["emotion"] == "neutral" for clip in clips) == 96 + 92


@pytest.mark.parametrize("layout", ["zenodo", "kaggle", "flat"])
@pytest.mark.heavy
def test_every_layout_gives_the_same_corpus(tmp_path, layout, clips):
    generate_corpus(tmp_path, actors=TRAINED_ACTORS, duration=0.5, layout=layout)
    index = scan(tmp_path, RAVDESS, n_jobs=1)
    assert corpus_digest(index) == corpus_digest(clips)
    assert len(index) == len(clips) * (2 if layout == "kaggle" else 1)


def test_kaggle_copies_are_found_as_doubled(tmp_path):
    generate_corpus(tmp_path, actors=[1], duration=0.3, layout="kaggle")
    index = scan(tmp_path, RAVDESS, n_jobs=1)
    integrity = check_integrity(index, RAVDESS)
    assert len(integrity.doubled) == len(distinct_clips(index)) == 104
    assert (index["duplicate_of"] != "").sum() == 104
    assert integrity.same_recording == ()


def test_coding_does_not_change_the_content_digest(tmp_path, generated):
    wav = next(generated.rglob("*.wav"))
    shutil.copy(wav, tmp_path / wav.name)
    before = scan(tmp_path, RAVDESS, n_jobs=1)["digest"].item()
    samples, rate = sf.read(wav, dtype="int16")
    (tmp_path / wav.name).unlink()
    sf.write(tmp_path / f"{wav.stem}.flac", samples, rate)
    assert scan(tmp_path, RAVDESS, n_jobs=1)["digest"].item() == before


def test_problems_are_reported(tmp_path):
    paths = generate_corpus(tmp_path, actors=[1], duration=0.3, layout="flat")
    rng = np.random.default_rng(0)
    paths[0].write_bytes(b"no sound")
    sf.write(paths[1], rng.normal(0, 0.1, (1_000, 2)), 48_000)
    sf.write(paths[2], rng.normal(0, 0.1, 1_000), 44_100)
    paths[3].unlink()
    shutil.copy(paths[4], paths[5])
    paths[6].write_bytes(paths[6].read_bytes()[:10_000])
    integrity = check_integrity(scan(tmp_path, RAVDESS, n_jobs=1), RAVDESS)
    assert integrity.unreadable == (paths[0].name, paths[6].name)
    assert integrity.stereo == (paths[1].stem,)
    assert integrity.odd_rate == (paths[2].stem,)
    assert integrity.same_recording == ((paths[4].stem, paths[5].stem),)
    assert {paths[0].stem, paths[3].stem, paths[6].stem} <= set(integrity.missing)
    assert len(integrity.missing) == 2452 - 101


def test_cache_is_used_until_a_file_changes(tmp_path):
    paths = generate_corpus(tmp_path / "corpus", actors=[1], duration=0.3, layout="flat")
    cache = tmp_path / "index.csv"
    first = scan(tmp_path / "corpus", RAVDESS, cache=cache, n_jobs=1)
    text = cache.read_text()
    cache.write_text(text.replace(first["digest"][0], "f" * 64))
    assert scan(tmp_path / "corpus", RAVDESS, cache=cache, n_jobs=1)["digest"][0] == "f" * 64
    sf.write(paths[0], np.zeros(1_000), 48_000)
    assert scan(tmp_path / "corpus", RAVDESS, cache=cache, n_jobs=1)["digest"][0] not in ("f" * 64, first["digest"][0])


def test_clips_of_two_corpora_may_have_one_name(generated, clips):
    other = clips.assign(corpus="other")
    both = pd.concat([clips, other], ignore_index=True)
    altered = pd.concat([clips, other.assign(digest=other["digest"].str[::-1])], ignore_index=True)
    assert len({corpus_digest(index) for index in (clips, other, both, altered)}) == 3
    assert corpus_digest(other) == corpus_digest(clips)


def test_a_file_that_could_not_be_read_is_read_again(tmp_path, monkeypatch):
    generate_corpus(tmp_path / "clips", actors=[1], duration=0.3, layout="flat")
    cache = tmp_path / "index.csv"

    def fail(*_):
        raise AudioError("The disk is ill.")

    with monkeypatch.context() as ill:
        ill.setattr(index_module, "read_bytes", fail)
        assert (scan(tmp_path / "clips", RAVDESS, cache=cache, n_jobs=1)["error"] == "The disk is ill.").all()
    assert (scan(tmp_path / "clips", RAVDESS, cache=cache, n_jobs=1)["error"] == "").all()


def test_cached_index_equals_a_fresh_one(tmp_path, generated):
    cache = tmp_path / "index.csv"
    fresh = scan(generated, RAVDESS, cache=cache, n_jobs=1)
    pd.testing.assert_frame_equal(scan(generated, RAVDESS, cache=cache, n_jobs=1), fresh)


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="does not exist"):
        scan(tmp_path / "nothing", RAVDESS)
    with pytest.raises(CorpusError, match="No clip of RAVDESS"):
        scan(tmp_path, RAVDESS)


def test_samples_are_small_and_hold_every_emotion():
    samples = list_samples()
    acted = [sample for sample in samples if sample.is_real]
    assert {parse_name(sample.path.stem)["emotion"] for sample in acted} == set(EMOTIONS)
    assert len(acted) == len(EMOTIONS)
    assert samples == [*acted, *list_synthesized()]
    assert all(sample.path.stat().st_size < 60_000 for sample in samples)
    assert "by-nc-sa" in (samples[0].path.parent / "README.md").read_text()


@pytest.mark.heavy
def test_of_the_synthesized_samples_none_is_answered_surely_and_of_the_acted_ones_the_honest_answer_is_shown():
    predictor = Predictor.load()
    for sample in list_synthesized():
        assert predictor.predict(decode(sample.path)).is_uncertain
    stored = predictor.model.predictions()
    stored = stored[stored["protocol"] == predictor.model.main_protocol]
    for sample in list_samples()[:8]:
        known = predictor.predict(decode(sample.path)).known
        assert known is not None
        assert known.clip == sample.path.stem
        expected = stored.loc[stored["clip"] == known.clip, list(EMOTIONS)].mean()
        assert known.probabilities == pytest.approx(expected.to_dict())
        assert known.answer == expected.idxmax()


def test_real_corpus_is_complete(ravdess, tmp_path):
    index = scan(ravdess, RAVDESS, cache=tmp_path / "index.csv")
    integrity = check_integrity(index, RAVDESS)
    assert integrity.is_complete
    assert len(distinct_clips(index)) == 2452
    assert len(integrity.stereo) == 6
    assert integrity.same_recording == (("03-01-03-01-02-01-07", "03-01-03-01-02-02-07"),)
