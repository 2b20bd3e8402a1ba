"""Clips of other corpora in the training of discriminants: what they teach, and what they leave as it is."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from core.corpus.ravdess import RAVDESS
from core.learning.recipes.voice import AugmentationUse, Elsewhere, VoiceRecipe
from core.learning.runs import plan_folds

CLASSES, WIDTH = 4, 12


@dataclasses.dataclass(frozen=True)
class CautiousRecipe(VoiceRecipe):
    elsewhere: Elsewhere | None = dataclasses.field(default_factory=Elsewhere)


RECIPE = CautiousRecipe(name="voice", summary="A small one.", views=("kernels",), copies=())


def clips_at(centres: np.ndarray, n: int, rng: np.random.Generator, offset: float = 0.0) -> tuple[np.ndarray, ...]:
    classes = rng.integers(0, len(centres), n)
    Z = centres[classes] + rng.standard_normal((n, centres.shape[1]))
    Z[:, 0] += offset
    return Z[:, None].astype(np.float32), classes


def solve(recipe: VoiceRecipe, Z: np.ndarray, classes: np.ndarray, *others):
    from core.learning.discriminant import Moments

    return Moments.of(recipe, Z, classes, CLASSES).solve(recipe, list(others))


@pytest.fixture
def corpora():
    """Clips of a corpus whose classes differ in two directions, and of one where the first direction is another."""
    from core.learning.discriminant import OtherClips

    rng = np.random.default_rng(0)
    centres = np.zeros((CLASSES, WIDTH))
    centres[:, :2] = 3 * rng.standard_normal((CLASSES, 2))
    Z, classes = clips_at(centres, 400, rng)
    return Z, classes, OtherClips(*clips_at(centres, 200, rng, offset=5.0)), centres


def test_other_corpora_are_read_as_they_are_where_they_are_no_clips_of_the_corpus():
    assert not RECIPE.augments_others
    assert dataclasses.replace(RECIPE, elsewhere=None).augments_others


def test_directions_in_which_corpora_differ_are_avoided(corpora):
    Z, classes, other, _ = corpora
    without, with_other = solve(RECIPE, Z, classes), solve(RECIPE, Z, classes, other)
    usual = slice(0, CLASSES)

    def share_of_first(discriminant) -> float:
        weights = np.abs(discriminant.weights[:, usual])
        return float(weights[0].sum() / weights[:2].sum())

    assert share_of_first(with_other) < 0.6 * share_of_first(without)


def test_each_class_has_one_more_centre_that_answers_the_other_corpus(corpora):
    Z, classes, other, _ = corpora
    unmoved = dataclasses.replace(RECIPE, elsewhere=Elsewhere(variation=0.0, shift=0.0))
    moved = dataclasses.replace(RECIPE, elsewhere=Elsewhere(variation=0.0, shift=1.0))
    right = [
        (solve(r, Z, classes, other).log_proba(other.Z[:, 0]).argmax(axis=1) == other.classes).mean()
        for r in (unmoved, moved)
    ]
    assert right[1] > right[0] + 0.1


def test_without_other_corpora_nothing_differs(corpora):
    Z, classes, _, _ = corpora
    plain = dataclasses.replace(RECIPE, elsewhere=None)
    np.testing.assert_allclose(
        solve(RECIPE, Z, classes).log_proba(Z[:, 0]), solve(plain, Z, classes).log_proba(Z[:, 0]), atol=1e-5
    )


def test_a_class_that_a_corpus_lacks_is_not_counted_against_it(corpora):
    from core.learning.discriminant import OtherClips

    Z, classes, other, _ = corpora
    kept = other.classes != 3
    fewer = solve(RECIPE, Z, classes, OtherClips(other.Z[kept], other.classes[kept]))
    answered = fewer.log_proba(other.Z[:, 0]).argmax(axis=1)
    whole = solve(RECIPE, Z, classes, other).log_proba(other.Z[:, 0]).argmax(axis=1)
    lacking = other.classes == 3
    assert (answered == 3)[lacking].mean() > (whole == 3)[lacking].mean() - 0.1


def test_each_corpus_counts_alike_in_the_centres(corpora):
    from core.learning.discriminant import centres_elsewhere

    _, _, other, centres = corpora
    common = centres.astype(np.float32)
    one = centres_elsewhere(1.0, common, [other])
    doubled = dataclasses.replace(other, Z=np.tile(other.Z, (3, 1, 1)), classes=np.tile(other.classes, 3))
    shifted = dataclasses.replace(other, Z=other.Z + np.float32(2))
    both = centres_elsewhere(1.0, common, [doubled, shifted])
    np.testing.assert_allclose(both, one + 1, atol=1e-4)
    half = centres_elsewhere(0.5, common, [other])
    np.testing.assert_allclose(half, (common + one) / 2, atol=1e-5)


def test_a_corpus_that_was_met_tells_how_one_that_was_not_differs(corpora):
    from core.learning.discriminant import OtherClips

    Z, classes, other, _ = corpora
    fitted = solve(RECIPE, Z, classes, other)
    own, theirs = fitted.towards_others(Z[:, 0]), fitted.towards_others(other.Z[:, 0])
    assert own.mean() == pytest.approx(0, abs=0.1)
    assert theirs.mean() == pytest.approx(1, abs=0.1)
    assert np.percentile(own, 99) < np.median(theirs)
    beyond = OtherClips(other.Z + (other.Z.mean(axis=0) - Z[:, :1].mean(axis=0)), other.classes)
    assert fitted.towards_others(beyond.Z[:, 0]).mean() > theirs.mean()
    assert not solve(RECIPE, Z, classes).towards_others(Z[:, 0]).any()


def test_neither_emotions_nor_channels_that_a_corpus_lacks_tell_it_apart(corpora):
    from core.learning.discriminant import OtherClips, way_to_others

    _, _, other, centres = corpora
    kept = other.classes < 2
    here, there = way_to_others(centres.astype(np.float32), [OtherClips(other.Z[kept], other.classes[kept])])
    np.testing.assert_allclose(here, centres[:2].mean(axis=0), atol=1e-5)
    means = [other.Z[other.classes == c, 0].mean(axis=0) for c in (0, 1)]
    np.testing.assert_allclose(there, np.mean(means, axis=0), atol=1e-4)


def test_caution_is_learned_from_corpora_that_were_not_met():
    from core.learning.calibration import Calibration, HeldOut, fit_caution, pool

    rng = np.random.default_rng(1)

    def held_out(n: int, share_right: float, towards: float, out: float = 0.0) -> tuple[HeldOut, np.ndarray]:
        emotion = rng.integers(0, 4, n)
        answer = np.where(rng.random(n) < share_right, emotion, rng.integers(0, 4, n))
        log_proba = np.full((1, n, 1, 4), np.log(0.02))
        log_proba[0, np.arange(n), 0, answer] = np.log(0.94)
        outside, others = (rng.normal(mean, 0.1, (1, n, 1)) for mean in (out, towards))
        return HeldOut(log_proba, outside, others), emotion

    own, other = held_out(800, 0.94, 0.0), held_out(400, 0.2, 1.0)
    pooling, alone = np.ones((1, 1)), Calibration(usual=0.0, slope=0.1)
    calibration = fit_caution(alone, own[0], [other], pooling, 1.0)

    def confidence(answers) -> float:
        h = answers[0]
        return float(pool(h.log_proba, calibration.sharpness(h), pooling).max(axis=-1).mean())

    assert confidence(own) > 0.88
    assert confidence(other) < 0.5
    assert confidence(held_out(400, 0.2, 0.0, out=2.0)) < 0.5, "what is far outside is foreign too"
    right = held_out(400, 0.94, 1.0)
    alike = fit_caution(alone, own[0], [right], pooling, 1.0)
    assert alike.foreign_slope < 0.1
    assert fit_caution(alone, own[0], [right, other, right], pooling, 1.0) == calibration, "who asks for most is heard"
    assert (alike.usual, alike.slope) == (calibration.usual, calibration.slope) == (0.0, 0.1)
    wary = fit_caution(alone, own[0], [other], pooling, 2.0)
    assert wary == dataclasses.replace(calibration, foreign_slope=2 * calibration.foreign_slope)


def test_other_corpora_take_part_in_a_fold_and_in_its_calibration(clips, tmp_path):
    from core.learning.training import fit_fold

    rng = np.random.default_rng(2)
    other = clips.sample(60, random_state=0).assign(corpus="other")
    index = pd.concat([clips, other], ignore_index=True)
    recipe = dataclasses.replace(
        RECIPE,
        features=dataclasses.replace(RECIPE.features, n_kernels=4),
        copies=(AugmentationUse("speed", 0.25, 0.3),),
    )
    means = {emotion: rng.standard_normal(recipe.features.shape) for emotion in sorted(set(index["emotion"]))}
    X = np.stack([means[e] + rng.standard_normal((2, *recipe.features.shape)) for e in index["emotion"]])
    X[len(clips) :] += 1.5
    (protocol,) = (f for f in plan_folds(RAVDESS, index, ["random"], [0], tmp_path) if f.protocol == "random")
    assert protocol.task.others == ("other",)
    fit_fold(recipe, X.astype(np.float32), index, protocol)
    answered = pd.read_csv(protocol.predictions_path)
    assert set(answered["corpus"]) == {"ravdess"}
    alone = dataclasses.replace(protocol, folder=tmp_path / "alone")
    fit_fold(dataclasses.replace(recipe, elsewhere=None), X.astype(np.float32), index, alone)
    assert not np.allclose(pd.read_csv(alone.predictions_path)["happy"], answered["happy"], atol=1e-3)
