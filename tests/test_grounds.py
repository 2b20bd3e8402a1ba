import numpy as np
import pytest

from core.audio.decode import Waveform, decode
from core.audio.descriptors import describe
from core.audio.extraction import extract, extract_each
from core.audio.functionals import FUNCTIONAL_NAMES, functionals
from core.audio.retouching import Retouching
from core.audio.traits import TRAITS, Measured
from core.config import SAMPLE_RATE, VoiceConfig
from core.corpus.samples import list_samples
from core.serving.grounds import HEARD_FROM, LEAST_SHARE, MAX_TOLD, Ground, Grounds, find_grounds, grounds_table
from core.serving.predictor import Predictor
from tests.test_phonetics import vowel


def glide() -> np.ndarray:
    """A voice that goes up and down and gets louder."""
    parts = [vowel(f0=f0, jitter=0.01, noise=0.05)[:8_000] for f0 in (110, 150, 190, 140)]
    y = np.concatenate(parts)
    return (y * np.geomspace(0.3, 1, len(y))).astype(np.float32)


def measured(y: np.ndarray, name: str) -> float:
    return float(functionals(describe(y, VoiceConfig()), VoiceConfig())[FUNCTIONAL_NAMES.index(name)])


def test_a_voice_that_is_put_together_again_measures_the_same():
    y = glide()
    again = Retouching(y, SAMPLE_RATE).with_pitch(0)
    before, after = (functionals(describe(x, VoiceConfig()), VoiceConfig()) for x in (y, again))
    pitch = FUNCTIONAL_NAMES.index("pitch.percentile_50")
    assert len(again) == len(y)
    assert after[pitch] == pytest.approx(before[pitch], abs=0.1)
    # Levels of bands and coefficients, in dB.
    assert np.median(np.abs(after - before)) < 0.2


@pytest.mark.parametrize("semitones", [-4, 3])
def test_pitch_alone_is_moved(semitones):
    y = glide()
    moved = Retouching(y, SAMPLE_RATE).with_pitch(semitones)
    before, after = measured(y, "pitch.percentile_50"), measured(moved, "pitch.percentile_50")
    assert after - before == pytest.approx(semitones, abs=0.6)
    assert measured(moved, "duration") == pytest.approx(measured(y, "duration"), rel=0.03)
    assert measured(moved, "centroid.mean") == pytest.approx(measured(y, "centroid.mean"), rel=0.25)


@pytest.mark.parametrize("trait", TRAITS, ids=lambda trait: trait.name)
def test_a_trait_is_moved_towards_the_usual(trait):
    y = glide()
    here = measured(y, trait.measure)
    for distance in (-1.0, 1.0):
        # What is usual lies an eighth away, or as far as three semitones or decibels.
        far = 3.0 if trait.unit in ("Hz", "dB") else 0.25 * abs(here)
        usual = here - distance * far
        after = measured(trait.make_usual(Retouching(y, SAMPLE_RATE), Measured(here, usual, distance)), trait.measure)
        assert (after - here) * (usual - here) > 0
        assert abs(after - usual) < 1.5 * abs(here - usual)


def test_what_has_no_pulses_can_be_retouched():
    y = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    for make in (lambda v: v.with_pitch(2), lambda v: v.with_length(1.5), lambda v: v.with_clearness(0.5)):
        assert np.isfinite(make(Retouching(y, SAMPLE_RATE))).all()


def grounds(*falls: tuple[str, float, float], share: float) -> Grounds:
    """Grounds with traits of these names, distances and falls, all told."""
    by_name = {trait.name: trait for trait in TRAITS}
    told = tuple(Ground(by_name[name], Measured(1, 0, distance), 0.4, fall) for name, distance, fall in falls)
    return Grounds("happy", 0.9, 0.0, 1.0, told, told, 0.4, share)


def test_words_join_what_is_said_of_one_thing():
    higher, livelier, darker = ("Height of pitch", 1.0, 3.0), ("Movement of pitch", 2.0, 2.0), ("Brightness", -1.0, 1.0)
    all_three = grounds(higher, darker, livelier, share=0.95)
    assert all_three.sentence == "Higher and livelier pitch, darker timbre than usual."
    assert grounds(higher, share=0.7).sentence == "Higher pitch than usual; also its overall sound."
    assert grounds(higher, share=0.2).sentence == "Mostly its overall sound; also higher pitch than usual."
    assert grounds(share=0).sentence == "Its overall sound; no single trait of the voice decided it."
    assert grounds_table(all_three)["trait"].tolist() == ["Higher pitch", "Darker timbre", "Livelier pitch"]


def test_no_word_of_the_machine_is_told():
    words = " ".join(f"{trait.name} {trait.noun} {trait.more} {trait.less}" for trait in TRAITS).lower()
    assert not any(word in words for word in ("convolution", "encoder", "telephone", "mfcc", "mel"))


def test_a_model_whose_features_have_no_names_tells_nothing(published):
    predictor = Predictor(published)
    waveform = decode(list_samples()[0].path)
    assert find_grounds(predictor, waveform, predictor.predict(waveform)) is None


@pytest.mark.heavy
def test_what_is_told_of_the_samples_is_heard_and_moves_the_answer():
    predictor = Predictor.load()
    features = predictor.model.features
    for sample in list_samples():
        waveform = decode(sample.path)
        prediction = predictor.predict(waveform)
        found = find_grounds(predictor, waveform, prediction)
        assert found is not None
        assert found.emotion == prediction.emotion
        assert len(found.told) <= MAX_TOLD
        voice = max(predictor.hear(waveform), key=lambda stretch: len(stretch.y)).y
        X = extract(Waveform.of_samples(voice), features)
        distance = predictor.scale(X)
        again = extract(Waveform.of_samples(Retouching(voice, SAMPLE_RATE).with_pitch(0)), features)
        label = predictor.labels.index(found.emotion)
        before, after = predictor.predict_features(np.stack([X, again]))[:, label]
        assert after == pytest.approx(before, abs=0.05)  # what is told is not the work of the retouching
        odds, chance = np.log(found.probability / (1 - found.probability)), -np.log(len(predictor.labels) - 1)
        for ground in found.told:
            assert ground.fall >= LEAST_SHARE * abs(odds - chance)
            assert ground.probability < found.probability
            away = distance[ground.trait.column]
            assert abs(away) >= HEARD_FROM
            assert ground.adjective == (ground.trait.more if away > 0 else ground.trait.less)
        assert not found.told or found.probability_without < found.probability


@pytest.mark.heavy
def test_grounds_of_an_answer_with_a_baseline_are_those_of_the_shifted_voice():
    predictor, waveform = Predictor.load(), decode(list_samples()[0].path)
    shift = (0.5 * np.random.default_rng(0).standard_normal(predictor.usual_features.shape)).astype(np.float32)
    plain, shifted = predictor.predict(waveform), predictor.predict(waveform, shift=shift)
    found = find_grounds(predictor, waveform, shifted, shift=shift)
    assert found.probability == pytest.approx(shifted.confidence, abs=1e-5)
    assert found.probability != pytest.approx(plain.probabilities[found.emotion], abs=1e-3)


def test_features_of_several_sounds_are_those_of_each(published):
    features = Predictor(published).model.features
    rng = np.random.default_rng(0)
    sounds = [Waveform.of_samples(rng.normal(0, 0.1, 40_000).astype(np.float32)) for _ in range(3)]
    np.testing.assert_allclose(
        extract_each(sounds, features), [extract(sound, features) for sound in sounds], rtol=1e-5, atol=1e-5
    )
