import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import classification_report, confusion_matrix, recall_score

from core.corpus.ravdess import expected_clips, parse_name
from core.labels import EMOTIONS, EVALUATION_FIELDS
from core.learning.evaluation import accuracy_at_coverage, evaluate, summarize
from core.learning.metrics import expected_calibration_error
from core.learning.reports.cards import describe_elsewhere
from core.learning.reports.comparisons import tabulate_models, tabulate_protocols, tabulate_study
from core.learning.reports.tables import (
    GROUPS,
    apply_threshold,
    find_right,
    list_cell,
    rank_cells,
    select,
    tabulate_answers,
    tabulate_cell,
    tabulate_classes,
    tabulate_confusion,
    tabulate_groups,
    tabulate_reliability,
    tabulate_risk,
    write_report,
)
from tests.generated import with_fields

NAMES = list(EMOTIONS)


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Answers of two seeds for all clips on one protocol, of one seed for the songs on another."""
    rng = np.random.default_rng(0)
    parts = []
    for protocol, seed in (("speaker-emobox", 0), ("speaker-emobox", 1), ("random", 0)):
        clips = [clip for clip in expected_clips() if protocol != "random" or parse_name(clip)["channel"] == "song"]
        y_true = np.array([parse_name(clip)["emotion"] for clip in clips])
        logits = rng.normal(size=(len(clips), 8)) + 1.2 * (y_true[:, None] == np.array(NAMES))
        y_proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        head = pd.DataFrame({"protocol": protocol, "seed": seed, "fold": 0, "clip": clips, "y_true": y_true})
        parts.append(head.join(pd.DataFrame(y_proba, columns=NAMES)))
    return with_fields(pd.concat(parts, ignore_index=True))


@pytest.fixture(scope="module")
def rows(predictions) -> pd.DataFrame:
    return select(predictions, "speaker-emobox")


def hand_rows(y_true: list[str], angry: list[float]) -> pd.DataFrame:
    """Rows that are answered angry with a confidence, or calm with what is left."""
    clips = [clip for clip in expected_clips() if parse_name(clip)["channel"] == "speech"][: len(y_true)]
    rows = pd.DataFrame(0.0, index=range(len(y_true)), columns=NAMES)
    rows["angry"], rows["calm"] = angry, 1 - np.array(angry)
    return with_fields(rows.assign(protocol="random", seed=0, fold=0, clip=clips, y_true=y_true))


@pytest.mark.parametrize(("subset", "seed", "n"), [("all", None, 4904), ("song", 1, 1012), ("speech", None, 2880)])
def test_rows_of_a_protocol_are_selected(predictions, subset, seed, n):
    rows = select(predictions, "speaker-emobox", subset, seed)
    assert len(rows) == n
    assert set(rows["protocol"]) == {"speaker-emobox"}
    assert select(predictions, "reference").empty


def test_cells_list_each_clip_once_with_the_seeds_that_agree(rows):
    counts = tabulate_confusion(rows)
    y_pred = rows[NAMES].idxmax(axis=1)
    np.testing.assert_array_equal(counts, confusion_matrix(rows["y_true"], y_pred, labels=NAMES))
    n_seeds = rows["seed"].nunique()
    for true, answered in (("sad", "calm"), ("angry", "angry")):
        cell = list_cell(rows, true, answered)
        expected = rows[(rows["y_true"] == true) & (y_pred == answered)].groupby("clip")
        assert cell["clip"].is_unique
        assert cell["n_answered"].sum() == counts.loc[true, answered]
        assert (cell["n_seeds"] == n_seeds).all()
        found = cell.set_index("clip")
        np.testing.assert_array_equal(found["n_answered"], expected.size()[found.index])
        np.testing.assert_allclose(found["confidence"], expected[answered].mean()[found.index])
        assert cell["n_answered"].is_monotonic_decreasing


def test_shares_by_group_are_those_of_the_answers(rows):
    y_pred = rows[NAMES].idxmax(axis=1)
    of_sad = rows[rows["y_true"] == "sad"].assign(hit=(y_pred == "calm"))
    for field in ("speaker", "intensity"):
        table = tabulate_cell(rows, "sad", "calm", field).set_index("group")
        expected = of_sad.groupby(field)
        np.testing.assert_allclose(table["share"], expected["hit"].mean()[table.index])
        np.testing.assert_array_equal(table["n_clips"], expected["clip"].nunique()[table.index])


def test_a_right_clip_of_the_same_speaker_is_found_where_there_is_one(rows):
    clip = find_right(rows, "sad", "03")
    of_clip = rows[rows["clip"] == clip]
    assert set(of_clip["y_true"]) == {"sad"}
    assert set(of_clip["speaker"]) == {"03"}
    assert (of_clip[NAMES].idxmax(axis=1) == "sad").any()
    assert find_right(rows, "sad", "nobody") == ""


def test_answers_carry_what_the_names_tell(rows):
    answers = tabulate_answers(rows)
    assert answers.index.equals(rows.index)
    assert answers["clip"].equals(rows["clip"])
    clip = parse_name(answers["clip"].iloc[777])
    assert answers.iloc[777][["speaker", "gender", "statement"]].tolist() == [
        clip["speaker"],
        clip["gender"],
        clip["statement"],
    ]


def test_confusion_has_rows_for_emotions_that_occur_alone(predictions):
    counts = tabulate_confusion(select(predictions, "random", "song"))
    assert list(counts.columns) == NAMES
    assert list(counts.index) == [name for name in NAMES if name not in ("disgust", "surprised")]
    true, answered = rank_cells(counts)[0]
    wrong = counts.where(np.array(counts.index)[:, None] != np.array(counts.columns))
    assert counts.loc[true, answered] == wrong.max().max()


@pytest.mark.parametrize("subset", ["all", "song"])
def test_classification_report_is_that_of_scikit_learn(rows, subset):
    rows = rows if subset == "all" else rows[[parse_name(clip)["channel"] == subset for clip in rows["clip"]]]
    y_true, y_pred = rows["y_true"].to_numpy(str), rows[NAMES].idxmax(axis=1).to_numpy(str)
    table = tabulate_classes(rows).set_index("emotion")
    expected = classification_report(y_true, y_pred, output_dict=True, zero_division=0)
    occurring = classification_report(
        y_true, y_pred, labels=sorted(set(y_true)), output_dict=True, zero_division=0
    )  # emotions that song does not have are no part of its averages
    for ours, theirs in [(name, expected[name]) for name in sorted(set(y_true) | set(y_pred))] + [
        ("average", occurring["macro avg"]),
        ("weighted average", occurring["weighted avg"]),
    ]:
        assert table.loc[ours].tolist() == pytest.approx(
            [theirs["precision"], theirs["recall"], theirs["f1-score"], theirs["support"]]
        )
    recall = summarize(rows)["unweighted_average_recall"]["mean"]
    assert table.loc["average", "recall"] == pytest.approx(recall)


@pytest.mark.parametrize("field", GROUPS)
def test_groups_are_means_over_their_clips_and_seeds(rows, field):
    table = tabulate_groups(rows, field).set_index("group")
    group = np.array([parse_name(clip)[field] for clip in rows["clip"]])
    y_pred = rows[NAMES].idxmax(axis=1)
    assert set(table.index) == set(group)
    for name, row in table.iterrows():
        by_seed = [(group == name) & (rows["seed"] == seed) for seed in (0, 1)]
        assert row["n_clips"] == by_seed[0].sum()
        assert row["accuracy"] == pytest.approx(np.mean([(y_pred == rows["y_true"])[m].mean() for m in by_seed]))
        recalls = [recall_score(rows["y_true"][m], y_pred[m], labels=sorted(set(rows["y_true"][m])), average="macro")
                   for m in by_seed]  # fmt: skip
        assert row["recall"] == pytest.approx(np.mean(recalls))


def test_intervals_of_groups_are_those_of_their_clips(rows):
    table = tabulate_groups(rows, "gender").set_index("group")
    of_women = rows[[parse_name(clip)["gender"] == "female" for clip in rows["clip"]]]
    expected = summarize(of_women)["unweighted_average_recall"]["interval"]
    assert table.loc["female", ["recall_low", "recall_high"]].tolist() == pytest.approx(expected)
    assert tabulate_groups(rows, "speaker")["recall_low"].isna().all()


def test_reliability_of_a_hand_case():
    rows = hand_rows(["angry", "angry", "calm", "calm"], [0.9, 0.8, 0.85, 0.4])
    table = tabulate_reliability(rows, n_bins=5)
    np.testing.assert_allclose(table["low"], [0.4, 0.6, 0.8])
    np.testing.assert_allclose(table["high"], [0.6, 0.8, 1.0])
    assert table["n_answers"].tolist() == [1, 1, 2]
    np.testing.assert_allclose(table["confidence"], [0.6, 0.8, 0.875])
    np.testing.assert_allclose(table["accuracy"], [1, 1, 0.5])


def test_reliability_gives_the_calibration_error(rows):
    table = tabulate_reliability(rows)
    gap = (table["accuracy"] - table["confidence"]).abs()
    right = rows[NAMES].idxmax(axis=1) == rows["y_true"]
    error = expected_calibration_error(rows[NAMES].max(axis=1).to_numpy(), right.to_numpy())
    assert np.average(gap, weights=table["n_answers"]) == pytest.approx(error)
    assert table["n_answers"].sum() == len(rows)


def test_risk_of_a_hand_case():
    curve = tabulate_risk(hand_rows(["angry", "calm", "angry", "calm"], [0.9, 0.8, 0.7, 0.7]))
    np.testing.assert_allclose(curve["threshold"], [0.9, 0.8, 0.7])
    np.testing.assert_allclose(curve["coverage"], [0.25, 0.5, 1])
    np.testing.assert_allclose(curve["risk"], [0, 0.5, 0.5])


def test_risk_agrees_with_accuracy_at_coverage(predictions):
    rows = select(predictions, "speaker-emobox", seed=0)
    curve = tabulate_risk(rows)
    assert len(curve) <= 400
    assert curve["coverage"].is_monotonic_increasing
    assert curve["coverage"].iloc[-1] == 1
    middle = curve.iloc[200]
    assert 1 - middle["risk"] == pytest.approx(accuracy_at_coverage(rows, middle["coverage"]))
    at = apply_threshold(rows, middle["threshold"])
    assert (at["answered"], at["risk"]) == pytest.approx((middle["coverage"], middle["risk"]))


def test_without_a_threshold_nothing_is_answered(rows):
    assert apply_threshold(rows, None) == {"answered": 0.0, "risk": None}


def test_protocols_and_models_stand_side_by_side(predictions):
    metrics = evaluate(predictions)
    for report in metrics.values():
        report["twin_share"] = 0.0
    table = tabulate_protocols(metrics, "speech")
    assert table["protocol"].tolist() == ["speaker-emobox"]
    assert table["recall"].item() == metrics["speaker-emobox"]["speech"]["unweighted_average_recall"]["mean"]
    assert set(tabulate_protocols(metrics, "song")["protocol"]) == {"speaker-emobox", "random"}

    worse = predictions.copy()
    worse[NAMES] = worse[NAMES].to_numpy()[:, ::-1]
    others = evaluate(worse)
    others["speaker-emobox"]["twin_share"] = 0.0
    del others["random"]
    every = {"a": predictions, "b": worse, "c": worse}
    models = tabulate_models({"a": metrics, "b": others, "c": {}}, every, "speaker-emobox", "speech").set_index("model")
    assert models.loc["b", "difference"] == pytest.approx(models.loc["b", "recall"] - models.loc["a", "recall"])
    assert models.loc["b", "p_value"] < 0.01
    assert models.loc["a", ["difference", "p_value"]].isna().all()
    assert models.loc["c"].isna().all()


def test_studies_begin_with_the_unchanged_case(rows):
    study = rows[rows["seed"] == 0].assign(condition="telephone")
    study[NAMES] = study[NAMES].to_numpy()[:, ::-1]
    table = tabulate_study(study, "condition", "as recorded", rows)
    assert table["case"].tolist() == ["as recorded", "telephone"]
    right = rows[NAMES].idxmax(axis=1) == rows["y_true"]
    assert table["accuracy"].iloc[0] == pytest.approx(right[rows["seed"] == 0].mean())
    assert table["accuracy"].iloc[1] < table["accuracy"].iloc[0]


def test_report_is_json_with_all_tables(rows):
    report = json.loads(write_report(rows, 0.5, {"model": "voice-00000000"}))
    assert report["model"] == "voice-00000000"
    assert report["summary"]["n_clips"] == 2452
    assert report["threshold"]["answered"] == apply_threshold(rows, 0.5)["answered"]
    assert [row["group"] for row in report["by_gender"]] == ["female", "male"]
    assert report["by_speaker"][0]["recall_low"] is None
    assert len(report["classes"]) == len(EMOTIONS) + 2


def test_a_card_tells_how_sure_a_model_is_of_people_from_elsewhere():
    rows = [("corpus-other", "happy", 0.9), ("corpus-other", "sad", 0.8), ("corpus-other", "sad", 0.4)]
    predictions = pd.DataFrame(
        {
            "protocol": [protocol for protocol, _, _ in rows],
            "seed": 0,
            "fold": 0,
            "clip": ["a", "b", "c"],
            "y_true": [emotion for _, emotion, _ in rows],
            "happy": [p for _, _, p in rows],
            "sad": [1 - p for _, _, p in rows],
            **dict.fromkeys(EVALUATION_FIELDS, "x"),
        }
    )
    # Answers: happy at 0.9 (right), happy at 0.8 (wrong), sad at 0.6 (right).
    assert "| other | 3 | 66.7 | 75.0 | 76.7 | 66.7 | 50.0 |" in describe_elsewhere(predictions, 0.7)
    assert "| other | 3 | 66.7 | 75.0 | 76.7 | 0.0 | - |" in describe_elsewhere(predictions, None)
    assert describe_elsewhere(predictions.assign(protocol="random"), 0.7) == ""
