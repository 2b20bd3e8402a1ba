import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from core.audio.features.voice import VoiceFeatures
from core.config import Augmentation
from core.corpus.ravdess import RAVDESS
from core.corpus.splits import DEPLOYMENT
from core.corpus.store import FeatureStore
from core.errors import ModelError, TrainingError
from core.labels import EMOTIONS, UNKNOWN_SPEAKER
from core.learning.evaluation import accuracy_at_coverage, compare, summarize_study
from core.learning.recipes import get_recipe
from core.learning.recipes.voice import AugmentationUse, VoiceRecipe
from core.learning.reports.cards import describe_comparison, describe_studies
from core.learning.runs import TrainingResult, plan_folds
from core.learning.task import Task
from core.serving.exports import export_reference
from core.serving.prediction import NO_VOICE
from core.serving.predictor import Predictor
from core.serving.registry import Registry
from tests.conftest import encode, tone

COPIES = (AugmentationUse("coloured noise", 0.5, 0.3, own_centres=True), AugmentationUse("speed", 0.25, 0.3))
BOTH_VIEWS = VoiceRecipe(name="voice", summary="A small one.", features=VoiceFeatures(n_kernels=30), copies=COPIES)
TASK = Task(EMOTIONS, ("song", "speech"))
SMALL = dataclasses.replace(BOTH_VIEWS, views=("kernels",))


@pytest.fixture(scope="module")
def voices(generated, clips, tmp_path_factory) -> np.ndarray:
    """Voice features of the generated corpus, as it is and augmented, shape (n, 3, d)."""
    folder = tmp_path_factory.mktemp("features")
    digests = clips["digest"].tolist()
    versions = []
    for augmentation in (None, *SMALL.augmentations(0)):
        store = FeatureStore(folder, SMALL.features, augmentation)
        store.update(clips, generated, n_jobs=1)
        versions.append(store.read(digests))
    return np.stack(versions, axis=1)


@pytest.fixture(scope="module")
def result(clips, voices, tmp_path_factory) -> TrainingResult:
    from core.learning.training import train

    folds = plan_folds(
        RAVDESS, clips, [RAVDESS.main_protocol, "random", DEPLOYMENT], [0], tmp_path_factory.mktemp("run")
    )
    return train(SMALL, clips, lambda _: voices, folds, n_jobs=1)


@pytest.fixture(scope="module")
def stored(result, clips, tmp_path_factory):
    from core.serving.publishing import publish_training

    return publish_training(result, RAVDESS, clips, Registry(tmp_path_factory.mktemp("artifacts")))


def keep_reference(root, published, name, created, sharpness=1.0):
    """Store the small reference model as of another day, with other probabilities where wanted."""
    folder = root / name
    shutil.copytree(published.folder, folder)
    table = published.predictions()
    table[list(EMOTIONS)] = table[list(EMOTIONS)].pow(sharpness)
    table.to_csv(folder / "predictions.csv", index=False)
    digest = hashlib.sha256((folder / "predictions.csv").read_bytes()).hexdigest()
    files = {**published.manifest.files, "predictions.csv": digest}
    manifest = dataclasses.replace(published.manifest, name=name, created=created, files=files)
    (folder / "manifest.json").write_text(json.dumps(manifest.to_json()))


@pytest.mark.heavy
def test_the_card_compares_with_the_newest_reference_that_can_be_read(result, clips, published, tmp_path, caplog):
    from core.serving.publishing import publish_training

    def card(folder):
        return publish_training(result, RAVDESS, clips, Registry(tmp_path / folder)).card()

    keep_reference(tmp_path / "one", published, "reference-11111111", "2026-02-01T00:00:00+00:00")
    for name, created, sharpness in (
        ("reference-00000000", "2026-03-01T00:00:00+00:00", 1.0),
        ("reference-11111111", "2026-02-01T00:00:00+00:00", 1.0),
        ("reference-22222222", "2026-01-01T00:00:00+00:00", -1.0),
    ):
        keep_reference(tmp_path / "several", published, name, created, sharpness)
    (tmp_path / "several" / "reference-00000000" / "card.md").write_text("another")
    expected = card("one")
    assert card("several") == expected != card("none")
    assert "reference-00000000" in caplog.text
    shutil.rmtree(tmp_path / "several" / "reference-11111111")
    shutil.rmtree(next((tmp_path / "several").glob(f"{SMALL.name}-*")))
    assert card("several") != expected


def gaussians(rng: np.random.Generator, n: int = 400, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    classes = rng.integers(0, len(EMOTIONS), n)
    means = 2 * rng.standard_normal((len(EMOTIONS), d))
    spread = rng.standard_normal((d, d))
    return (means[classes] + rng.standard_normal((n, d)) @ spread).astype(np.float32), classes


def discriminant(recipe: VoiceRecipe, Z: np.ndarray, classes: np.ndarray):
    from core.learning.discriminant import Moments

    return Moments.of(recipe, Z, classes, TASK.n_classes).solve(recipe)


def test_scores_without_augmentation_are_those_of_scikit_learn():
    from sklearn.covariance import shrunk_covariance
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    from core.learning.networks import SCORE_SCALE

    plain = dataclasses.replace(SMALL, copies=(), shrinkage=0.0)
    X, classes = gaussians(np.random.default_rng(0))
    scores = discriminant(plain, X[:, None], classes)
    found = X @ scores.weights[:, :8] / SCORE_SCALE + scores.bias[:8] / SCORE_SCALE
    lda = LinearDiscriminantAnalysis(solver="lsqr", priors=np.full(8, 1 / 8)).fit(X, classes)
    means = np.stack([X[classes == c].mean(axis=0) for c in range(8)])
    within = np.cov((X - means[classes]).T, bias=True)
    np.testing.assert_array_equal(found.argmax(axis=1), lda.predict(X))
    shrunk = discriminant(dataclasses.replace(plain, shrinkage=0.3), X[:, None], classes)
    expected = means @ np.linalg.inv(shrunk_covariance(within * 6 / np.trace(within), shrinkage=0.3))
    np.testing.assert_allclose(shrunk.weights[:, :8].T / SCORE_SCALE, expected, rtol=2e-3, atol=2e-3)


def test_directions_that_augmentation_changes_are_avoided():
    rng = np.random.default_rng(1)
    X, classes = gaussians(rng)
    X[:, 0] = 5 * classes + rng.standard_normal(len(X))  # tells everything, until augmentation changes it
    Z = np.stack([X, X], axis=1)
    Z[:, 1, 0] += 50 * rng.standard_normal(len(X))

    def importance(share: float, variation: float) -> float:
        recipe = dataclasses.replace(SMALL, copies=(AugmentationUse("band", share, variation),), shrinkage=0.0)
        weights = discriminant(recipe, Z, classes).weights[:, :8]
        return np.abs(weights[0]).sum() * X[:, 0].std() / (np.abs(weights).T * X.std(axis=0)).sum()

    assert importance(0, 0) > 0.5
    assert importance(0, 1) < 0.1
    assert importance(1, 0) < 0.1


def test_augmented_clips_that_count_as_clips_are_clips():
    """With equal shares and no variation, an augmented clip is one more clip of its class."""
    X, classes = gaussians(np.random.default_rng(2))
    moved = (X + np.random.default_rng(4).standard_normal(X.shape)).astype(np.float32)
    alike = dataclasses.replace(SMALL, copies=(AugmentationUse("band", 1.0, 0.0),), own_centres_shift=0.0)
    together = discriminant(alike, np.stack([X, moved], axis=1), classes)
    plain = dataclasses.replace(SMALL, copies=())
    apart = discriminant(plain, np.concatenate([X, moved])[:, None], np.concatenate([classes, classes]))
    # The scatter lies around each version's own mean; up to that difference they are the same.
    np.testing.assert_allclose(together.weights, apart.weights, rtol=0.05, atol=0.02)


def test_classes_have_centres_of_their_own_in_a_kind_of_sound():
    from core.learning.discriminant import class_centres

    recipe = dataclasses.replace(SMALL, own_centres_shift=0.5)
    means = np.zeros((3, 2, 1), dtype=np.float32)
    means[1] = 7  # the augmentations with centres of their own have share 0.5, the others 0.25
    common = 0.5 * 7 / 1.75
    assert class_centres(recipe, means)[:, 0, 0].tolist() == pytest.approx([common / 2, (common + 7) / 2])
    alike = dataclasses.replace(recipe, copies=tuple(dataclasses.replace(use, own_centres=False) for use in COPIES))
    assert class_centres(alike, means)[:, 0, 0].tolist() == pytest.approx([common])


def test_what_varies_within_classes_is_familiar_and_the_rest_is_not():
    rng = np.random.default_rng(5)
    X, classes = gaussians(rng, n=2000, d=20)
    X *= np.where(np.arange(20) < 4, 10, 0.1)
    recipe = dataclasses.replace(SMALL, copies=(), n_familiar=4)
    fitted = discriminant(recipe, X[:, None].astype(np.float32), classes)
    inside, outside = np.zeros((2, 20), dtype=np.float32)
    inside[:4], outside[4:] = 5, 5
    assert fitted.log_outside(outside) > fitted.log_outside(inside) + 2


def test_temperature_rises_with_the_score_as_held_out_clips_ask():
    from core.learning.calibration import HeldOut, fit_slope

    rng = np.random.default_rng(6)
    emotion = rng.integers(0, 8, 600)
    log_proba = np.full((1, 600, 2, 16), -4.0)
    log_proba[0, np.arange(600), :, 8 + emotion] = -0.1
    strange = rng.random(600) < 0.5
    log_outside = np.stack([np.zeros(600), np.where(strange, 1.0, 0.0)], axis=1)[None]
    right = fit_slope(HeldOut(log_proba, log_outside, np.zeros_like(log_outside)), emotion, len(TASK.channels))
    assert right < 0.1
    wrong = np.where(strange, rng.integers(0, 8, 600), emotion)
    log_proba[0, :, 1] = -4.0
    log_proba[0, np.arange(600), 1, 8 + wrong] = -0.1
    assert fit_slope(HeldOut(log_proba, log_outside, np.zeros_like(log_outside)), emotion, len(TASK.channels)) > 1


def test_moments_of_disjoint_clips_add():
    from core.learning.discriminant import Moments

    X, classes = gaussians(np.random.default_rng(3))
    Z = np.stack([X, X + 0.1, X - 0.2], axis=1)
    whole, first, second = (
        Moments.of(SMALL, Z[rows], classes[rows], TASK.n_classes)
        for rows in (slice(None), slice(150), slice(150, None))
    )
    for field in ("scatter", "sums", "counts"):
        np.testing.assert_allclose(getattr(whole - first, field), getattr(second, field), rtol=1e-3, atol=1e-2)
    total = Moments.total([first, second])
    np.testing.assert_allclose(total.scatter, whole.scatter, rtol=1e-3, atol=1e-2)


def test_network_gives_what_the_formula_says(result, clips, voices, tmp_path):
    from core.learning.networks import VALUE_LIMIT, build_voice
    from core.learning.training import fit_fold, predict_fold

    fold = dataclasses.replace(result.folds[0], folder=tmp_path)
    fit_fold(BOTH_VIEWS, voices, clips, fold)
    network = build_voice(BOTH_VIEWS, TASK)
    network.load_weights(fold.weights_path)
    scaler = json.loads(fold.scaler_path.read_text())
    z = (voices[:, 0] - scaler["mean"]) / scaler["scale"]
    z = np.clip(z, -VALUE_LIMIT, VALUE_LIMIT)
    n = 2512
    log_p, outside = [], []
    for k, part in enumerate((z[:, :n], z[:, n:])):
        weights, bias = network.get_layer(f"scores_{k}").get_weights()
        s = np.logaddexp(*np.split(part @ weights + bias, 2, axis=1))
        s = s - s.max(axis=1, keepdims=True)
        log_p.append(s - np.log(np.exp(s).sum(axis=1, keepdims=True)))
        directions = network.get_layer(f"familiar_{k}").get_weights()[0]
        np.testing.assert_allclose(directions.T @ directions, np.eye(directions.shape[1]), atol=1e-4)
        rest = part - (part @ directions) @ directions.T
        outside.append(np.log((rest**2).mean(axis=1)))
    pooled = np.concatenate(log_p, axis=1) @ network.get_layer("pooling").get_weights()[0]
    usual = -network.get_layer("out_of_distribution").get_weights()[1][0]
    slope = -network.get_layer("temperature_slope").get_weights()[0][0, 0]
    score = np.maximum(np.mean(outside, axis=0) - usual, 0)
    s = np.exp(pooled - pooled.max(axis=1, keepdims=True)).reshape(-1, len(TASK.channels), len(EMOTIONS)).sum(axis=1)
    p = s ** np.exp(-slope * score)[:, None]
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predict_fold(network, fold, voices[:, 0]), p, atol=1e-4)
    assert slope >= 0


def test_scaler_and_discriminants_see_training_clips_alone(result, clips, voices, tmp_path):
    """A fold gives the same file when the evaluated clips are other sounds altogether."""
    from core.learning.training import fit_fold

    fold = result.folds[0]
    X = voices.copy()
    X[fold.split.test] = 1e3 * np.random.default_rng(0).standard_normal(X[fold.split.test].shape)
    again = dataclasses.replace(fold, folder=tmp_path)
    fit_fold(SMALL, X, clips, again)
    assert again.scaler_path.read_bytes() == fold.scaler_path.read_bytes()
    assert again.history_path.read_bytes() == fold.history_path.read_bytes()


def test_folds_repeat_to_the_byte(result, clips, voices, tmp_path):
    from core.learning.training import fit_fold

    again = dataclasses.replace(result.folds[1], folder=tmp_path)
    fit_fold(SMALL, voices, clips, again)
    assert again.predictions_path.read_bytes() == result.folds[1].predictions_path.read_bytes()


def test_inner_folds_keep_actors_apart_where_the_protocol_does(clips):
    from core.learning.discriminant import inner_folds

    train, test = clips[clips["speaker"] != "01"], clips[clips["speaker"] == "01"]
    by_actor = inner_folds(train, test, 0)
    assert pd.DataFrame({"speaker": train["speaker"], "fold": by_actor}).groupby("speaker")["fold"].nunique().max() == 1
    mixed = inner_folds(clips, clips, 0)
    assert pd.DataFrame({"speaker": clips["speaker"], "fold": mixed}).groupby("speaker")["fold"].nunique().min() > 1
    strange = pd.concat([train, train.iloc[:9].assign(speaker=UNKNOWN_SPEAKER)])
    by_actor = inner_folds(strange, test, 0)
    assert len(set(by_actor[-9:])) == 1, "unknown people cannot be told apart"
    assert len(set(inner_folds(test, train, 0))) > 1, "of one actor, clips are told apart"


def test_deployed_model_is_trained_on_everybody_and_judges_nobody(result, clips):
    fold = result.deployed
    assert fold.protocol == DEPLOYMENT
    assert sorted(fold.split.train) == list(range(len(clips)))
    assert len(pd.read_csv(fold.predictions_path)) == 0
    assert set(result.predictions()["protocol"]) == {RAVDESS.main_protocol, "random"}


def test_stored_model_answers_like_the_trained_one(result, stored, voices):
    from core.learning.networks import build_voice
    from core.learning.training import predict_fold

    network = build_voice(SMALL, TASK)
    network.load_weights(result.deployed.weights_path)
    expected = predict_fold(network, result.deployed, voices[:, 0])
    np.testing.assert_allclose(Predictor(stored).predict_features(voices[:, 0]), expected, atol=1e-5)
    assert stored.manifest.features == dataclasses.asdict(SMALL.features)


def test_a_sound_without_voice_is_unsure_and_says_so(stored):
    from core.audio.decode import decode

    prediction = Predictor(stored).predict(decode(encode(tone(), 48_000)))
    assert prediction.is_uncertain
    assert NO_VOICE in prediction.reasons
    assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_only_reference_models_are_exported_for_the_reference(stored, tmp_path):
    with pytest.raises(ModelError, match="other features"):
        export_reference(stored.name, tmp_path, registry=Registry(stored.folder.parent))


def test_models_of_an_older_feature_set_are_refused(stored, tmp_path):
    folder = tmp_path / stored.name
    shutil.copytree(stored.folder, folder)
    Registry(tmp_path).load(stored.name)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["features"]["version"] = 0
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="other features"):
        Registry(tmp_path).load(stored.name)


def test_studies_judge_every_clip_in_every_case(result, clips, voices, tmp_path, generated):
    from core.audio.augmentation import CONDITIONS
    from core.learning.studies import study_ablations, study_robustness

    def read(augmentation: Augmentation) -> np.ndarray:
        return voices[:, 1] if augmentation.name.startswith("white noise") else voices[:, 0]

    robustness = study_robustness(result, RAVDESS, clips, read)
    assert robustness.groupby("condition").size().to_dict() == dict.fromkeys(CONDITIONS, len(clips))
    of_protocol = result.predictions().query("protocol == @RAVDESS.main_protocol").sort_values("clip")
    same = robustness[robustness["condition"] == "telephone"].sort_values("clip")
    np.testing.assert_allclose(same[list(EMOTIONS)], of_protocol[list(EMOTIONS)], atol=1e-6)

    variants = study_ablations(result, RAVDESS, clips, voices, tmp_path, n_jobs=1)
    assert set(variants["variant"]) == set(SMALL.variants())
    assert (variants.groupby("variant").size() == len(clips)).all()
    figures = summarize_study(variants, "variant", result.predictions())
    assert figures[""]["accuracy"] == pytest.approx(
        (of_protocol[list(EMOTIONS)].idxmax(axis=1) == of_protocol["y_true"]).mean()
    )
    lines = describe_studies({"robustness": robustness, "ablations": variants}, result.predictions())
    assert len([line for line in lines if line.startswith("| ")]) == 2 * 2 + len(CONDITIONS) + len(SMALL.variants())


def test_comparison_of_a_model_with_itself_and_with_chance(result):
    predictions = result.predictions().query("protocol == @RAVDESS.main_protocol")
    itself = compare(predictions, predictions)
    assert itself["difference"] == 0
    assert itself["p_value"] == 1
    perfect = predictions.copy()
    perfect[list(EMOTIONS)] = (perfect["y_true"].to_numpy(str)[:, None] == np.array(EMOTIONS)).astype(float)
    better = compare(perfect, predictions.assign(**dict.fromkeys(EMOTIONS, 0.125)))
    assert better["difference"] == pytest.approx(1 - 1 / 8)
    assert better["p_value"] < 0.05
    assert describe_comparison(predictions, predictions)[0].startswith(
        f"- {RAVDESS.main_protocol}, speech: UAR +0.0 points"
    )
    with pytest.raises(ValueError, match="different clips"):
        compare(predictions, predictions.iloc[1:])


def test_accuracy_at_coverage_takes_the_surest():
    rows = pd.DataFrame(np.zeros((4, 8)), columns=list(EMOTIONS)).assign(
        protocol="random", seed=0, fold=0, y_true="angry", clip=list("abcd"), speaker="01"
    )
    rows["angry"], rows["calm"] = [0.9, 0.8, 0.3, 0.2], [0.1, 0.2, 0.7, 0.8]
    assert accuracy_at_coverage(rows, 1.0) == 0.5
    assert accuracy_at_coverage(rows.iloc[[0, 3, 1, 2]], 0.75) == pytest.approx(2 / 3)
    assert accuracy_at_coverage(rows, 0.25) == 1.0


def test_recipe_reads_clips_and_augmentations_of_its_seed():
    recipe = get_recipe("voice")
    assert recipe.features.seeded(3).kernel_seed == recipe.features.seeded(3).seed == 3
    assert recipe.augmentations(3)[0] == Augmentation("coloured noise", 3)
    assert get_recipe("reference").augmentations(3) == ()
    X = np.zeros((2, 7, 5), dtype=np.float32)
    assert recipe.clean(X).shape == (2, 5)
    with pytest.raises(TrainingError, match="no epochs"):
        get_recipe("voice", epochs=3)
