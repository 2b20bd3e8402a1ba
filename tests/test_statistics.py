import dataclasses
import json

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from core.corpus.ravdess import RAVDESS
from core.corpus.splits import DEPLOYMENT
from core.labels import EMOTIONS
from core.learning.recipes import get_recipe
from core.learning.runs import Fold, plan_folds

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def statistics(clips) -> np.ndarray:
    """Vectors in which emotions differ, one a clip of the generated corpus, each actor a little apart."""
    rng = np.random.default_rng(0)
    width = get_recipe("statistics").features.shape[0]
    means = {name: rng.standard_normal(width) for name in (*EMOTIONS, *clips["speaker"].unique())}
    rows = [means[emotion] + means[actor] for emotion, actor in zip(clips["emotion"], clips["speaker"], strict=True)]
    return (5 + 3 * (np.array(rows) + 4 * rng.standard_normal((len(clips), width)))).astype(np.float32)


@pytest.fixture(scope="module")
def fold(clips, statistics, tmp_path_factory) -> Fold:
    from core.learning.training import fit_fold

    fold = plan_folds(RAVDESS, clips, ["speaker-emobox"], [0], tmp_path_factory.mktemp("run"))[0]
    fit_fold(get_recipe("statistics"), statistics, clips, fold)
    return fold


def answer(fold: Fold, X: np.ndarray) -> np.ndarray:
    from core.learning.training import predict_fold

    network = get_recipe("statistics").network(fold.task)
    network.load_weights(fold.weights_path)
    return predict_fold(network, fold, X)


def test_answers_are_those_of_scikit_learn(clips, statistics, fold):
    rows = fold.known_rows
    mean, deviation = statistics[rows].mean(axis=0), statistics[rows].std(axis=0)
    Z = (statistics - mean) / deviation
    fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(8, 1 / 8))
    fitted.fit(Z[rows], clips["emotion"].iloc[rows])
    np.testing.assert_allclose(answer(fold, statistics), fitted.predict_proba(Z), atol=1e-3)


def test_evaluated_clips_reach_nothing(clips, statistics, fold, tmp_path):
    from core.learning.training import fit_fold

    X = statistics.copy()
    X[fold.split.test] *= -7
    again = dataclasses.replace(fold, folder=tmp_path)
    fit_fold(get_recipe("statistics"), X, clips, again)
    assert again.scaler_path.read_bytes() == fold.scaler_path.read_bytes()
    assert again.history_path.read_bytes() == fold.history_path.read_bytes()


def test_history_tells_how_held_out_actors_are_answered(clips, statistics, fold):
    [row] = fold.history().to_dict("records")
    emotion = clips["emotion"].iloc[fold.known_rows].to_numpy(str)
    found = np.array(EMOTIONS)[answer(fold, statistics[fold.known_rows]).argmax(axis=1)]
    assert row["accuracy"] == pytest.approx(np.mean(found == emotion))
    assert 1 / 8 < row["val_accuracy"] < row["accuracy"]
    assert row["is_chosen"]


@pytest.mark.parametrize("kept", [("angry", "sad"), ("angry", "calm", "sad")])
def test_emotions_that_training_did_not_have_are_never_answered(clips, statistics, tmp_path, kept):
    from core.learning.training import fit_fold

    is_kept = clips["emotion"].isin(kept).to_numpy()
    some, X = clips[is_kept].reset_index(drop=True), statistics[is_kept]
    fold = plan_folds(RAVDESS, some, [DEPLOYMENT], [0], tmp_path)[0]
    fit_fold(get_recipe("statistics"), X, some, fold)
    y_proba = answer(fold, X)
    present = np.isin(EMOTIONS, kept)
    assert (y_proba[:, ~present] == 0).all()
    right = np.array(EMOTIONS)[y_proba.argmax(axis=1)] == some["emotion"].to_numpy(str)
    assert right.mean() > 0.9


def test_a_constant_column_is_harmless(clips, statistics, tmp_path):
    from core.learning.training import fit_fold

    X = statistics.copy()
    X[:, 0] = 3
    fold = plan_folds(RAVDESS, clips, [DEPLOYMENT], [0], tmp_path)[0]
    fit_fold(get_recipe("statistics"), X, clips, fold)
    assert json.loads(fold.scaler_path.read_text())["scale"][0] == 1
    assert np.isfinite(answer(fold, X)).all()
