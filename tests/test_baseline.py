import json

import numpy as np
import pytest

from core.audio.decode import Waveform, decode
from core.audio.extraction import extract
from core.audio.speech import Stretch
from core.config import configuration_hash
from core.corpus.ravdess import RAVDESS
from core.corpus.samples import list_synthesized
from core.errors import BaselineError
from core.labels import EMOTIONS
from core.learning.reports.cards import describe_studies
from core.learning.studies import study_baseline
from core.serving.baseline import MAX_BYTES, Baseline, enrol, read_baseline
from core.serving.predictor import Predictor
from tests.conftest import encode, tone


@pytest.fixture(scope="module")
def predictor(published) -> Predictor:
    return Predictor(published)


@pytest.fixture(scope="module")
def voices():
    return [decode(sample.path) for sample in list_synthesized()[:3]]


@pytest.fixture(scope="module")
def baseline(voices, predictor) -> Baseline:
    return enrol(voices[:2], predictor)


def longest(waveform: Waveform, predictor: Predictor) -> Stretch:
    return max(predictor.hear(waveform), key=lambda stretch: len(stretch.y))


def features_of(waveform: Waveform, predictor: Predictor) -> np.ndarray:
    """The features of what is answered of a sound."""
    return extract(Waveform.of_samples(longest(waveform, predictor).y), predictor.model.features)


def test_full_strength_takes_the_neutral_voice_to_the_usual_one(baseline, voices, predictor):
    X = np.stack([features_of(voice, predictor) for voice in voices[:2]])
    shifted = X + baseline.shift(predictor, 1.0)
    np.testing.assert_allclose(shifted.mean(axis=(0, 1)), predictor.usual_features, rtol=1e-4, atol=1e-2)
    assert not baseline.shift(predictor, 0.0).any()
    np.testing.assert_allclose(baseline.shift(predictor, 0.5), baseline.shift(predictor, 1.0) / 2, rtol=1e-6)


def test_answer_with_a_baseline_is_that_of_shifted_features(baseline, voices, predictor):
    shift = baseline.shift(predictor, 0.5)
    X = features_of(voices[2], predictor)[None]
    answer = predictor.answer(longest(voices[2], predictor), shift=shift)
    assert list(answer.probabilities.values()) == predictor.predict_features(X + shift)[0].tolist()
    assert answer.probabilities != predictor.answer(longest(voices[2], predictor)).probabilities


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_or_too_many_sentences_are_refused(voices, predictor, n):
    with pytest.raises(BaselineError, match="2 to 4"):
        enrol([voices[0]] * n, predictor)


def test_sentence_without_a_voice_is_refused(voices, predictor):
    with pytest.raises(BaselineError, match="sentence 2"):
        enrol([voices[0], decode(encode(tone(), 48_000))], predictor)


def test_saved_baseline_comes_back_the_same(baseline, predictor):
    data = baseline.to_json()
    assert len(data) < 200_000
    loaded = read_baseline(data)
    assert loaded.digest == baseline.digest
    assert loaded.fits(predictor)
    np.testing.assert_allclose(loaded.mean, baseline.mean, rtol=1e-5)


def test_baseline_of_another_length_fits_no_model(baseline, predictor):
    short = read_baseline(changed(baseline, mean=baseline.mean[:5].tolist()))
    assert not short.fits(predictor)
    with pytest.raises(BaselineError, match="another model"):
        short.shift(predictor, 0.25)


def changed(baseline: Baseline, **fields: object) -> bytes:
    return json.dumps(json.loads(baseline.to_json()) | fields).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {"format": 2},
        {"mean": []},
        {"mean": [1.0, float("nan")]},
        {"mean": [1.0, float("inf")]},
        {"mean": [1e9]},
        {"mean": [10**400]},
        {"mean": ["1"]},
        {"mean": [True]},
        {"mean": {"0": 1}},
        {"mean": 1},
        {"n_sentences": 99},
        {"n_sentences": "2"},
        {"features_hash": 1},
        {"features_hash": "short"},
    ],
)
def test_altered_files_are_refused(baseline, fields):
    with pytest.raises(BaselineError, match="not a baseline"):
        read_baseline(changed(baseline, **fields))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b"\x80\x04.", b"[" * 100_000, b"\xff\xfe"])
def test_other_files_are_refused(data):
    with pytest.raises(BaselineError, match="not a baseline"):
        read_baseline(data)


def test_large_files_are_refused_unread():
    with pytest.raises(BaselineError, match="too large"):
        read_baseline(b"[" * (MAX_BYTES + 1))


def test_baseline_of_other_features_has_no_shift(baseline, predictor):
    other = read_baseline(changed(baseline, features_hash="0" * 64))
    short = read_baseline(changed(baseline, mean=[1.0, 2.0]))
    assert short.features_hash == configuration_hash(predictor.model.features)
    assert not other.fits(predictor)
    for wrong in (other, short):
        with pytest.raises(BaselineError, match="another model"):
            wrong.shift(predictor, 1.0)


def test_study_judges_the_same_clips_in_all_cases_and_never_the_enrolled_ones(training, clips, features):
    table = study_baseline(training, RAVDESS, clips, features)
    cases = dict(list(table.groupby("baseline", sort=False)))
    assert next(iter(cases)) == "none"
    assert len(cases) == 7
    enrolled = clips.query("emotion == 'neutral' and channel == 'speech' and repetition == 1")["clip"]
    assert len(enrolled)
    expected = set(clips["clip"]) - set(enrolled)
    assert all(set(rows["clip"]) == expected for rows in cases.values())
    stored = training.predictions().query("protocol == 'speaker-emobox'").set_index("clip")
    none = cases["none"].set_index("clip")
    np.testing.assert_allclose(none[list(EMOTIONS)], stored.loc[none.index, list(EMOTIONS)], atol=1e-5)
    other = cases["to the mean, strength 1"].set_index("clip").loc[none.index]
    assert np.abs(other[list(EMOTIONS)].to_numpy() - none[list(EMOTIONS)].to_numpy()).max() > 0.01
    assert "With a personal baseline" in "\n".join(describe_studies({"baseline": table}, training.predictions()))
