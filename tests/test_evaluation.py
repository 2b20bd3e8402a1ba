import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, precision_recall_fscore_support

from core.corpus.ravdess import expected_clips, parse_name
from core.labels import EMOTIONS
from core.learning.evaluation import choose_threshold, evaluate, evaluate_threshold, summarize
from core.learning.metrics import (
    accuracy,
    class_figures,
    confidence_bins,
    expected_calibration_error,
    unweighted_average_recall,
)
from tests.generated import with_fields


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Two seeds of answers for all clips, right more often than by chance; no seed's rows equal another's."""
    rng = np.random.default_rng(0)
    parts = []
    for seed in (0, 1):
        clips = expected_clips()
        y_true = np.array([parse_name(clip)["emotion"] for clip in clips])
        logits = rng.normal(size=(len(clips), 8)) + 1.2 * (y_true[:, None] == np.array(EMOTIONS))
        y_proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        fold = np.array([int(parse_name(clip)["speaker"]) % 4 for clip in clips])
        head = pd.DataFrame({"protocol": "speaker-emobox", "seed": seed, "fold": fold, "clip": clips, "y_true": y_true})
        parts.append(head.join(pd.DataFrame(y_proba, columns=list(EMOTIONS))))
    return with_fields(pd.concat(parts, ignore_index=True))


def answers(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return predictions["y_true"].to_numpy(str), predictions[list(EMOTIONS)].idxmax(axis=1).to_numpy(str)


def test_metrics_of_counts_equal_scikit_learn(predictions):
    y_true, y_pred = answers(predictions)
    confusion = confusion_matrix(y_true, y_pred, labels=EMOTIONS)
    assert accuracy(confusion) == pytest.approx(accuracy_score(y_true, y_pred))
    assert unweighted_average_recall(confusion) == pytest.approx(balanced_accuracy_score(y_true, y_pred))


def test_recall_leaves_out_classes_that_do_not_occur():
    assert unweighted_average_recall(np.array([[4, 0, 0], [0, 0, 0], [1, 1, 2]])) == pytest.approx((1 + 0.5) / 2)


def test_summary_is_the_mean_over_seeds(predictions):
    summary = summarize(predictions)
    by_seed = [accuracy_score(*answers(rows)) for _, rows in predictions.groupby("seed")]
    assert summary["accuracy"]["by_seed"] == pytest.approx(by_seed)
    assert summary["accuracy"]["mean"] == pytest.approx(np.mean(by_seed))
    assert summary["n_clips"] == 2452


def test_per_class_figures_equal_scikit_learn(predictions):
    precision, recall, f1, _ = precision_recall_fscore_support(*answers(predictions), labels=EMOTIONS)
    per_class = summarize(predictions)["per_class"]
    for i, emotion in enumerate(EMOTIONS):
        figures = per_class[emotion]
        assert [figures["precision"], figures["recall"], figures["f1"]] == pytest.approx(
            [precision[i], recall[i], f1[i]]
        )
    assert per_class["neutral"]["n_clips"] == 188


def test_interval_holds_the_mean_and_follows_the_actors(predictions):
    figures = summarize(predictions)["unweighted_average_recall"]
    low, high = figures["interval"]
    assert low < figures["mean"] < high
    actor = predictions["speaker"].astype(int)
    uneven = predictions.copy()
    uneven.loc[actor % 2 == 0, list(EMOTIONS)] = uneven.loc[actor % 2 == 0, list(EMOTIONS)].to_numpy()[:, ::-1]
    wide_low, wide_high = summarize(uneven)["unweighted_average_recall"]["interval"]
    assert wide_high - wide_low > 2 * (high - low)


def test_interval_holds_95_percent_of_what_other_speakers_would_give(predictions):
    rows = predictions[predictions["seed"] == 0]
    is_right = rows[list(EMOTIONS)].idxmax(axis=1) == rows["y_true"]
    by_speaker = is_right.groupby(rows["speaker"]).agg(["sum", "count"]).to_numpy()

    def share(drawn: np.ndarray) -> float:
        return float(np.divide(*by_speaker[drawn.astype(int)].sum(axis=0)))

    found = scipy.stats.bootstrap(
        (np.arange(len(by_speaker)),), share, vectorized=False, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert summarize(rows)["accuracy"]["interval"] == pytest.approx([found.low, found.high], abs=0.0015)
    assert found.high - found.low > 0.02


def test_channels_are_reported_apart(predictions):
    report = evaluate(predictions)["speaker-emobox"]
    assert report["speech"]["n_clips"] == 1440
    assert report["song"]["n_clips"] == 1012
    assert set(report["song"]["per_class"]) == set(EMOTIONS) - {"disgust", "surprised"}


def test_calibration_error_of_hand_cases():
    right = np.array([True, True, False, False])
    assert expected_calibration_error(np.full(4, 0.5), right) == 0
    assert expected_calibration_error(np.full(4, 0.9), right) == pytest.approx(0.4)
    mixed = expected_calibration_error(np.array([0.95, 0.95, 0.1, 0.1]), right)
    assert mixed == pytest.approx((2 * 0.05 + 2 * 0.1) / 4)


def test_a_bin_holds_its_upper_edge_and_the_first_one_zero_too():
    assert confidence_bins(np.array([0, 0.05, 0.25, 0.26, 0.75, 0.76, 1]), 4).tolist() == [0, 0, 0, 1, 2, 3, 3]


def test_figures_of_classes_that_occur_once_or_never_or_are_never_answered():
    counts = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]])
    precision, recall, f1 = class_figures(counts)
    assert precision.tolist() == [0.5, 0, 0, 1]
    assert recall.tolist() == [1, 0, 0, 0.5]
    assert f1 == pytest.approx([2 / 3, 0, 0, 2 / 3])
    assert unweighted_average_recall(counts) == pytest.approx((1 + 0 + 0.5) / 3)


def test_threshold_is_the_lowest_with_the_precision():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(size=4000)
    is_right = rng.uniform(size=4000) < confidence
    threshold = choose_threshold(confidence, is_right, 0.8)
    assert is_right[confidence >= threshold].mean() >= 0.8
    assert threshold == pytest.approx(0.6, abs=0.05)


def test_there_is_no_threshold_where_nothing_is_precise_enough():
    assert choose_threshold(np.linspace(0, 1, 100), np.zeros(100, dtype=bool), 0.8) is None


def test_answers_of_equal_confidence_stand_or_fall_together():
    confidence = np.repeat([0.9, 0.5], 40)
    is_right = np.concatenate([np.ones(40), np.zeros(40)]).astype(bool)
    assert choose_threshold(confidence, is_right, 0.9) == 0.9


def test_threshold_is_evaluated_on_folds_that_did_not_choose_it(predictions):
    worth = evaluate_threshold(predictions, 0.7)
    rows = predictions.copy()
    lucky = rows["fold"] == 0
    rows.loc[lucky, list(EMOTIONS)] = np.where(
        rows.loc[lucky, "y_true"].to_numpy(str)[:, None] == np.array(EMOTIONS), 0.3, 0.1
    )
    with_lucky_fold = evaluate_threshold(rows, 0.7)
    assert worth.answered_precision == pytest.approx(0.7, abs=0.05)
    # The lucky fold is right at a low confidence and lowers the others' threshold: their precision has to show it.
    assert with_lucky_fold.answered > 0.4
    assert with_lucky_fold.answered_precision < 0.6
