import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from core.corpus.ravdess import RAVDESS
from core.errors import TrainingError
from core.labels import EMOTIONS
from core.learning.recipes import get_recipe
from core.learning.runs import HISTORY_COLUMNS, measure_progress, plan_folds, read_history
from tests.conftest import ROOT

TRAIN_FOLD = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
from core.corpus.ravdess import RAVDESS
from core.learning.recipes import get_recipe
from core.learning.runs import plan_folds
from core.learning.training import fit_fold

index, features, folder, epochs = sys.argv[1:]
index = pd.read_csv(index, keep_default_na=False, dtype={"speaker": str})
fold = plan_folds(RAVDESS, index, ["random"], [3], Path(folder))[0]
fit_fold(get_recipe("reference", epochs=int(epochs)), np.load(features), index, fold)
"""


def test_reference_network_is_the_described_one():
    from core.learning.networks import build_reference

    network = build_reference(get_recipe("reference"), 62, 8)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == (
        ["Conv1D", "BatchNormalization", "MaxPooling1D", "Dropout"] * 2
        + ["Bidirectional", "BatchNormalization"]
        + ["Dense", "Dropout"] * 3
        + ["Dense"]
    )
    assert network.count_params() == 417_864
    assert network.input_shape == (None, 130, 62)
    assert [layer.units for layer in network.layers if type(layer).__name__ == "Dense"] == [256, 128, 128, 8]
    regularized = [layer.kernel_regularizer for layer in network.layers if type(layer).__name__ == "Dense"]
    assert [float(r.l2) for r in regularized[:3]] == pytest.approx([0.001] * 3)
    assert regularized[3] is None


def test_recipe_is_the_described_one():
    recipe = get_recipe("reference")
    assert (recipe.epochs, recipe.batch_size, recipe.dropout) == (200, 32, 0.2)


@pytest.mark.heavy
def test_unrolling_does_not_change_the_answer():
    from core.learning.networks import build_reference

    plain, unrolled = (build_reference(get_recipe("reference"), 62, 8, unroll=unroll) for unroll in (False, True))
    unrolled.set_weights(plain.get_weights())
    X = np.random.default_rng(0).normal(size=(4, 130, 62)).astype(np.float32)
    np.testing.assert_allclose(plain(X, training=False), unrolled(X, training=False), atol=1e-6)


def test_scaler_is_fitted_on_training_frames_alone(training, features):
    for fold in training.folds:
        frames = features[fold.split.train].reshape(-1, features.shape[-1]).astype(float)
        scaler = json.loads(fold.scaler_path.read_text())
        np.testing.assert_allclose(scaler["mean"], frames.mean(axis=0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(scaler["scale"], frames.std(axis=0), rtol=1e-3, atol=1e-4)


def test_every_evaluated_clip_gets_probabilities(training, clips):
    predictions = training.predictions()
    speaker = predictions[predictions["protocol"] == "speaker-emobox"]
    assert sorted(speaker["clip"]) == sorted(clips["clip"])
    np.testing.assert_allclose(predictions[list(EMOTIONS)].sum(axis=1), 1, atol=1e-5)
    assert list(predictions.columns[:5]) == ["protocol", "seed", "fold", "clip", "y_true"]


def test_history_has_a_row_an_epoch_and_marks_the_chosen_one(training):
    for fold in training.folds:
        history = fold.history()
        assert history["epoch"].tolist() == [1, 2]
        mean = (history["accuracy"] + history["val_accuracy"]) / 2
        np.testing.assert_allclose(history["average_accuracy"], mean, atol=1e-6)
        assert history["is_chosen"].tolist() == (mean == mean.max()).tolist()


def test_chosen_weights_give_the_stored_predictions(training, features):
    from core.learning.networks import build_reference

    fold = training.folds[1]
    scaler = json.loads(fold.scaler_path.read_text())
    X = (features[fold.split.test] - scaler["mean"]) / scaler["scale"]
    network = build_reference(training.recipe, X.shape[-1], len(EMOTIONS))
    network.load_weights(fold.weights_path)
    stored = pd.read_csv(fold.predictions_path)[list(EMOTIONS)]
    np.testing.assert_allclose(network(X.astype(np.float32), training=False), stored, atol=1e-5)


@pytest.mark.heavy
def test_killed_training_goes_on_and_ends_the_same(tmp_path, clips, features):
    clips, features = clips.iloc[::4].reset_index(drop=True), features[::4]
    clips.to_csv(tmp_path / "index.csv", index=False)
    np.save(tmp_path / "features.npy", features)

    def start(folder: str) -> subprocess.Popen[bytes]:
        arguments = [str(tmp_path / "index.csv"), str(tmp_path / "features.npy"), str(tmp_path / folder), "8"]
        return subprocess.Popen([sys.executable, "-c", TRAIN_FOLD, *arguments], cwd=ROOT, start_new_session=True)

    undisturbed = start("undisturbed")
    killed = start("killed")
    fold = plan_folds(RAVDESS, clips, ["random"], [3], tmp_path / "killed")[0]
    deadline = time.monotonic() + 240
    try:
        while len(read_history(fold.history_path)) < 6:
            assert killed.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    assert not fold.is_done
    assert json.loads((fold.folder / "backup" / "training_metadata.json").read_text())["epoch"] == 4
    n_rows = len(fold.history_path.read_text().splitlines())
    assert start("killed").wait(240) == 0
    assert len(fold.history_path.read_text().splitlines()) <= n_rows + 4, "it started from the first epoch"
    assert undisturbed.wait(240) == 0

    expected = plan_folds(RAVDESS, clips, ["random"], [3], tmp_path / "undisturbed")[0]
    assert fold.predictions_path.read_bytes() == expected.predictions_path.read_bytes()
    pd.testing.assert_frame_equal(fold.history(), expected.history())


def test_finished_folds_are_not_trained_again(training, clips, features):
    from core.learning.training import train

    before = [fold.predictions_path.stat().st_mtime_ns for fold in training.folds]
    reports = []
    train(training.recipe, clips, lambda _: features, training.folds, n_jobs=1, report=reports.append)
    assert [fold.predictions_path.stat().st_mtime_ns for fold in training.folds] == before
    assert reports[-1].larger.done == reports[-1].larger.total == len(training.folds)


def test_history_without_its_broken_last_line(tmp_path):
    path = tmp_path / "history.csv"
    assert read_history(path).empty
    row = "0.5,0.45,1.2,0.4,1.3\n"
    path.write_text(",".join(HISTORY_COLUMNS) + f"\n0,{row}1,{row}1,{row}2,0.5,0.4")
    assert read_history(path)["epoch"].tolist() == [0, 1]


def test_progress_is_read_from_files(tmp_path, clips, training):
    fresh = plan_folds(RAVDESS, clips, ["random"], [0, 1], tmp_path)
    assert measure_progress(fresh, 5).done == 0
    progress = measure_progress(training.folds, 2)
    assert (progress.larger.done, progress.done) == (len(training.folds), 2 * len(training.folds))


@pytest.mark.parametrize(("protocols", "seeds"), [(["speaker"], [0]), ([], [0]), (["random"], []), (["random"], [-1])])
def test_unknown_plans_are_refused(clips, tmp_path, protocols, seeds):
    with pytest.raises(TrainingError, match="Choose protocols"):
        plan_folds(RAVDESS, clips, protocols, seeds, tmp_path)


def test_unknown_recipes_are_refused():
    with pytest.raises(TrainingError, match="no recipe 'best'"):
        get_recipe("best")
    with pytest.raises(TrainingError, match="at least one epoch"):
        get_recipe("reference", epochs=0)


def test_protocols_and_seeds_named_twice_count_once(clips, tmp_path):
    once = plan_folds(RAVDESS, clips, ["random"], [0], tmp_path)
    assert [fold.folder for fold in plan_folds(RAVDESS, clips, ["random", "random"], [0, 0], tmp_path)] == [
        once[0].folder
    ]


@pytest.mark.heavy
def test_broken_first_backup_starts_the_fold_anew(clips, features, tmp_path):
    from core.learning.training import fit_fold

    fold = plan_folds(RAVDESS, clips, ["random"], [0], tmp_path)[0]
    (fold.folder / "backup").mkdir(parents=True)
    (fold.folder / "backup" / "latest.weights.h5").write_bytes(b"half a file")
    fit_fold(get_recipe("reference", epochs=1), features, clips, fold)
    assert len(fold.history()) == 1
    assert fold.is_done


def test_a_fold_is_trained_by_one_process(clips, features, tmp_path, monkeypatch):
    from filelock import FileLock

    from core.learning import training

    fold = plan_folds(RAVDESS, clips, ["random"], [0], tmp_path)[0]
    fold.folder.mkdir(parents=True)
    monkeypatch.setattr(training, "LOCK_TIMEOUT", 0.1)
    with FileLock(fold.folder / "lock"), pytest.raises(TrainingError, match="Another process"):
        training.fit_fold(get_recipe("reference", epochs=1), features, clips, fold)
