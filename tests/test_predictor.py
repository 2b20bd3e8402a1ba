import dataclasses
import threading

import numpy as np
import pytest

from core.audio.decode import Waveform, decode
from core.audio.features import extract_features
from core.corpus.samples import list_samples, list_synthesized
from core.errors import AudioError, ModelError
from core.labels import EMOTIONS
from core.learning.evaluation import choose_threshold
from core.serving.predictor import Predictor
from core.serving.registry import Registry, StoredModel
from tests.conftest import encode, tone


@pytest.fixture(scope="module")
def predictor(published: StoredModel) -> Predictor:
    return Predictor(published)


def with_threshold(published: StoredModel, threshold: float | None) -> Predictor:
    decision = dataclasses.replace(published.manifest.decision, threshold=threshold)
    manifest = dataclasses.replace(published.manifest, decision=decision)
    return Predictor(StoredModel(published.name, published.folder, manifest))


def test_stored_predictions_come_out_again(predictor, published, features, clips):
    """Clips that the deployed network was evaluated on get the probabilities that stand in its file."""
    stored = published.predictions()
    stored = stored[stored["protocol"] == "reference"]
    rows = clips.set_index("clip").index.get_indexer(stored["clip"])
    np.testing.assert_allclose(predictor.predict_features(features[rows]), stored[list(EMOTIONS)], atol=1e-5)


def test_onnx_and_keras_give_the_same(predictor, published, features):
    import keras

    network = keras.models.load_model(published.folder / "network.keras", safe_mode=True)
    scaled = predictor.scale(features[:16])
    np.testing.assert_allclose(predictor.predict_features(features[:16]), network(scaled, training=False), atol=1e-6)


def test_prediction_holds_what_it_promises(predictor):
    prediction = predictor.predict(decode(encode(tone(), 48_000)))
    assert tuple(prediction.probabilities) == EMOTIONS
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-12)
    assert prediction.confidence == max(prediction.probabilities.values())
    assert prediction.probabilities[prediction.emotion] == prediction.confidence
    assert prediction.model == predictor.model.name


def test_prediction_is_that_of_its_features(predictor):
    waveform = decode(encode(tone(300), 48_000))
    expected = predictor.predict_features(extract_features(waveform.opening, waveform.sr)[np.newaxis])[0]
    assert list(predictor.predict(waveform).probabilities.values()) == expected.tolist()


@pytest.mark.parametrize(("threshold", "is_uncertain"), [(0.0, False), (1.0, True), (None, True)])
def test_low_confidence_is_unsure_and_says_why(published, threshold, is_uncertain, monkeypatch):
    monkeypatch.setattr("core.serving.predictor.UNLIKE", np.inf)  # a synthesized voice is unlike generated sounds
    prediction = with_threshold(published, threshold).predict(decode(list_synthesized()[0].path))
    assert prediction.is_uncertain == is_uncertain
    reason = "at no confidence" if threshold is None else "is below 1.0"
    assert any(reason in text for text in prediction.reasons) == is_uncertain


def test_what_is_unlike_the_training_is_unsure_and_says_why(published):
    prediction = with_threshold(published, 0.0).predict(decode(list_synthesized()[0].path))
    assert prediction.is_uncertain
    assert "unlike the recordings" in prediction.reasons[0]


def test_a_voice_in_noise_is_unsure_and_says_why(published, monkeypatch):
    monkeypatch.setattr("core.serving.predictor.UNLIKE", np.inf)
    y = decode(list_synthesized()[0].path).y
    noise = 0.3 * np.std(y) * np.random.default_rng(0).standard_normal(len(y))
    padded = np.concatenate([noise, y + noise]).astype(np.float32)
    prediction = with_threshold(published, 0.0).predict(Waveform.of_samples(padded))
    assert prediction.is_uncertain
    assert any(reason.startswith("noisy") for reason in prediction.reasons)


@pytest.mark.heavy
@pytest.mark.parametrize(("mains", "amplitude"), [(49.97, 0.01), (60.0, 0.03), (100.0, 0.03)])
def test_hum_beneath_a_voice_changes_no_answer(mains, amplitude):
    predictor = Predictor.load()
    for sample in list_samples()[:4]:
        waveform = decode(sample.path)
        t = np.arange(len(waveform.y)) / waveform.sr
        hum = sum(amplitude / k * np.sin(2 * np.pi * k * mains * t + k) for k in range(1, 13))
        clean, hummed = (predictor.predict(Waveform.of_samples(y)) for y in (waveform.y, waveform.y + hum))
        for emotion, probability in clean.probabilities.items():
            assert hummed.probabilities[emotion] == pytest.approx(probability, abs=0.1)


def test_threshold_in_use_is_chosen_on_unseen_speakers(published):
    rows = published.predictions()
    rows = rows[rows["protocol"] == "speaker-emobox"]
    y_proba = rows[list(EMOTIONS)].to_numpy()
    is_right = np.array(EMOTIONS)[y_proba.argmax(axis=1)] == rows["y_true"].to_numpy()
    expected = choose_threshold(y_proba.max(axis=1), is_right, published.manifest.decision.precision)
    assert published.threshold == pytest.approx(expected, abs=1e-5)


def test_silence_and_snippets_get_no_answer(predictor):
    with pytest.raises(AudioError, match="silent"):
        predictor.predict(decode(encode(np.zeros(48_000), 48_000)))
    with pytest.raises(AudioError, match=r"at least 0\.3 s"):
        predictor.predict(decode(encode(tone(duration=0.2), 48_000)))


def test_threads_share_a_predictor(predictor):
    waveforms = [decode(encode(tone(frequency), 48_000)) for frequency in (150, 250, 350, 450)]
    expected = [predictor.predict(waveform) for waveform in waveforms]
    wrong = []

    def work(i: int) -> None:
        wrong.extend(i for _ in range(20) if predictor.predict(waveforms[i]) != expected[i])

    threads = [threading.Thread(target=work, args=(i % 4,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_no_model_is_said(tmp_path):
    with pytest.raises(ModelError, match="No model is in use"):
        Predictor.load(registry=Registry(tmp_path))
