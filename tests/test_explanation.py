import dataclasses
import json

import numpy as np
import pytest

from core import parts
from core.audio.decode import decode
from core.audio.extraction import extract
from core.audio.features import get_features
from core.plots import explanation as plots
from core.serving.explanation import answered_stretch, explain, picture, silence
from core.serving.prediction import Piece, summarize
from core.serving.predictor import Predictor
from tests.conftest import encode, tone


@pytest.fixture(scope="module")
def predictor(published) -> Predictor:
    return Predictor(published)


@pytest.fixture(scope="module")
def waveform():
    rng = np.random.default_rng(0)
    y = np.concatenate([tone(220, duration=1.0), 0.1 * rng.standard_normal(48_000), tone(330, duration=0.5)])
    return decode(encode(y, 48_000))


@pytest.mark.parametrize("name", parts.FEATURE_SETS)
def test_every_feature_stands_in_one_group(name):
    features = get_features(name)
    columns = np.concatenate(list(features.groups.values()))
    assert sorted(columns) == list(range(features.shape[-1]))
    assert all(len(group) for group in features.groups.values())


def test_a_silenced_stretch_is_silent_and_the_rest_untouched(waveform):
    silent = silence(waveform, 0.5, 1.0)
    t = np.arange(len(waveform.y)) / waveform.sr
    assert not silent.y[(t >= 0.505) & (t <= 0.995)].any()
    apart = (t <= 0.5) | (t >= 1.0)
    np.testing.assert_array_equal(silent.y[apart], waveform.y[apart])


def test_what_speaks_for_another_emotion_is_that_of_its_probability(predictor, waveform):
    probabilities = predictor.predict(waveform).probabilities
    least = min(probabilities, key=probabilities.get)
    explanation = explain(predictor, waveform, predictor.predict(waveform), emotion=least)
    assert explanation.emotion == least
    assert explanation.probability == pytest.approx(probabilities[least], abs=1e-6)


def test_falls_are_those_of_the_model_on_the_altered_sound(predictor, waveform):
    explanation = explain(predictor, waveform, predictor.predict(waveform))
    config = predictor.model.features
    assert explanation.emotion == predictor.predict(waveform).emotion
    k = 5
    offset, heard = answered_stretch(predictor, waveform, predictor.predict(waveform))
    altered = extract(silence(heard, *(explanation.stretches[k] - offset)), config)
    best = list(predictor.predict(waveform).probabilities).index(explanation.emotion)
    left = predictor.predict_features(altered[None])[0, best]
    assert explanation.fall_by_stretch.any()
    assert explanation.fall_by_stretch[k] == pytest.approx(explanation.probability - left, abs=1e-6)
    masked = extract(heard, config)
    columns = config.groups["Chroma"]
    scaler = json.loads((predictor.model.folder / "scaler.json").read_text())
    masked[:, columns] = np.array(scaler["mean"])[columns]
    left = predictor.predict_features(masked[None])[0, best]
    assert explanation.fall_by_group["Chroma"] == pytest.approx(explanation.probability - left, abs=1e-6)


def test_stretches_cover_what_is_analysed(predictor, waveform):
    explanation = explain(predictor, waveform, predictor.predict(waveform))
    starts, ends = explanation.stretches.T
    offset, heard = answered_stretch(predictor, waveform, predictor.predict(waveform))
    assert starts[0] == offset
    assert ends[-1] == pytest.approx(offset + heard.duration)
    assert (starts[1:] < ends[:-1]).all()
    assert list(explanation.most_important_stretch) in explanation.stretches.tolist()
    against = dataclasses.replace(explanation, fall_by_stretch=-np.abs(explanation.fall_by_stretch))
    assert against.most_important_stretch is None
    assert not plots.occlusion_by_time(against, waveform.y, waveform.sr).layout.shapes


def test_picture_of_a_reference_model_is_its_scaled_matrix(predictor, waveform):
    shown = picture(predictor, waveform, predictor.predict(waveform))
    assert shown.values.shape == (62, 130)
    heard = answered_stretch(predictor, waveform, predictor.predict(waveform))[1]
    np.testing.assert_allclose(shown.values.T, predictor.scale(extract(heard, predictor.model.features)))


def test_charts_say_what_they_show(predictor, waveform):
    explanation = explain(predictor, waveform, predictor.predict(waveform))
    by_time = plots.occlusion_by_time(explanation, waveform.y, waveform.sr)
    bars = by_time.data[-1]
    np.testing.assert_allclose(bars.y, explanation.fall_by_stretch)
    by_group = plots.occlusion_by_group(dataclasses.replace(explanation, fall_by_group={"A": 0.2, "B": -0.001}))
    assert list(by_group.data[0].y) == ["B", "A"]
    assert list(by_group.data[0].text) == ["0", "+0.20"]
    assert plots.model_input(picture(predictor, waveform, predictor.predict(waveform))).layout.title.text


def test_figures_of_features_have_room_beside_their_bars_on_a_phone(predictor, waveform):
    explanation = explain(predictor, waveform, predictor.predict(waveform))
    falls = {"A": 0.08, "B": -0.06}
    layout = plots.occlusion_by_group(dataclasses.replace(explanation, fall_by_group=falls)).layout
    low, high = layout.xaxis.range
    pixels = 130 / (high - low)  # of the axis, beside the longest names
    assert (falls["B"] - low) * pixels >= 26
    assert (high - falls["A"]) * pixels + layout.margin.r >= 32


def test_what_is_explained_is_the_longest_stretch_of_the_answer_shifted_as_it_was(predictor, waveform):
    answer = predictor.predict(waveform)
    shift = np.full(predictor.model.features.shape, 0.3, np.float32)
    shifted = explain(predictor, waveform, predictor.predict(waveform, shift=shift), shift=shift, emotion="sad")
    heard = extract(answered_stretch(predictor, waveform, answer)[1], predictor.model.features)
    y_proba = predictor.predict_features((heard + shift)[None])[0]
    assert shifted.probability == pytest.approx(y_proba[predictor.labels.index("sad")], abs=1e-6)

    def piece(start: float, end: float, emotion: str) -> Piece:
        return Piece(start, end, emotion, {"sad": 0.5, "happy": 0.5}, ())

    pieces = (piece(0, 3, "happy"), piece(4, 5, "sad"), piece(6, 8, "sad"))
    told = summarize(pieces, duration=9, model="m")
    assert dataclasses.replace(told, emotion="sad").main_piece == 2
    assert dataclasses.replace(told, emotion="calm").main_piece == 0
