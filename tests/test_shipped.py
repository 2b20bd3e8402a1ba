"""What the repository ships and says about it."""

import pandas as pd
import pytest

from core.config import PROJECT_ROOT
from core.corpus.index import corpus_digest, distinct_clips, scan
from core.corpus.ravdess import RAVDESS, expected_clips
from core.corpus.splits import protocols_of
from core.labels import EMOTIONS
from core.learning.evaluation import accuracy_at_coverage, compare, evaluate, summarize, summarize_study
from core.learning.reports.cards import describe_comparison, describe_studies, results_table
from core.serving.registry import Registry, StoredModel

pytestmark = pytest.mark.heavy

REGISTRY = Registry(PROJECT_ROOT / "artifacts")


@pytest.fixture(scope="module", params=REGISTRY.names())
def shipped(request) -> StoredModel:
    return REGISTRY.load(request.param)


@pytest.fixture(scope="module")
def in_use() -> StoredModel:
    return REGISTRY.load()


@pytest.fixture(scope="module")
def reference() -> StoredModel:
    return next(model for model in map(REGISTRY.load, REGISTRY.names()) if model.manifest.recipe["name"] == "reference")


def rows_of(model: StoredModel, protocol: str, channel: str = "") -> pd.DataFrame:
    rows = model.predictions()
    rows = rows[rows["protocol"] == protocol]
    return rows[rows["channel"] == channel] if channel else rows


def test_each_recipe_is_shipped_once(in_use):
    assert [name.rsplit("-", 1)[0] for name in REGISTRY.names()] == ["encoded", "reference", "voice"]
    assert in_use.manifest.recipe["name"] == "encoded"


def test_models_are_evaluated_by_all_protocols(shipped):
    of_others = {protocol for protocol in shipped.metrics() if protocol.startswith("corpus-")}
    assert set(shipped.metrics()) - of_others == set(protocols_of(RAVDESS))
    assert {f"corpus-{name}" for name in shipped.manifest.corpus.others} <= of_others
    assert shipped.manifest.corpus.n_clips == 2452


def test_stored_figures_follow_from_the_stored_predictions(shipped):
    again = evaluate(shipped.predictions())
    for protocol, report in shipped.metrics().items():
        for figure in ("accuracy", "unweighted_average_recall"):
            assert again[protocol]["all"][figure]["mean"] == pytest.approx(report["all"][figure]["mean"], abs=1e-9)


@pytest.mark.parametrize("protocol", ["speaker-luna", "speaker-emobox"])
def test_speaker_protocols_judge_every_clip_of_the_release(shipped, protocol):
    predictions = shipped.predictions()
    rows = predictions[predictions["protocol"] == protocol]
    for _, of_seed in rows.groupby("seed"):
        assert sorted(of_seed["clip"]) == expected_clips()


def test_model_card_shows_the_same_figures(shipped):
    rows = results_table(shipped.metrics()).splitlines()[2:]  # the heading's words are those of the version
    assert rows
    assert "\n".join(rows) in (shipped.folder / "card.md").read_text()


def test_history_has_every_epoch_of_every_network(shipped):
    history = shipped.history()
    networks = history.groupby(["protocol", "seed", "fold"])
    assert (networks.size() == shipped.manifest.recipe["epochs"]).all()
    assert (networks["is_chosen"].sum() == 1).all()


def test_model_was_trained_on_this_corpus(shipped, ravdess, tmp_path):
    index = distinct_clips(scan(ravdess, RAVDESS, cache=tmp_path / "index.csv"))
    assert corpus_digest(index) == shipped.manifest.corpus.digest
    predictions = shipped.predictions()
    for protocol, split in protocols_of(RAVDESS).items():
        evaluated = [clip for part in split(index, 0) for clip in index["clip"].iloc[part.test]]
        rows = predictions[(predictions["protocol"] == protocol) & (predictions["seed"] == 0)]
        assert sorted(rows["clip"]) == sorted(evaluated)


def test_labels_are_those_of_a_label_encoder(shipped):
    assert list(shipped.manifest.labels) == sorted(EMOTIONS) == list(EMOTIONS)


@pytest.mark.parametrize(
    ("protocol", "channel", "figure", "floor"),
    [
        ("speaker-luna", "speech", "unweighted_average_recall", 0.72),
        ("speaker-emobox", "speech", "unweighted_average_recall", 0.72),
        ("speaker-emobox", "", "accuracy", 0.76),
        ("random", "", "accuracy", 0.87),
    ],
)
def test_model_in_use_is_ahead_of_what_is_published(in_use, protocol, channel, figure, floor):
    figures = summarize(rows_of(in_use, protocol, channel))[figure]
    assert len(figures["by_seed"]) >= 3
    assert figures["mean"] > floor


@pytest.mark.parametrize("protocol", ["speaker-luna", "speaker-emobox"])
@pytest.mark.parametrize("channel", ["", "speech", "song"])
def test_model_in_use_knows_how_sure_it_may_be(in_use, protocol, channel):
    assert summarize(rows_of(in_use, protocol, channel))["expected_calibration_error"] <= 0.04
    assert accuracy_at_coverage(rows_of(in_use, protocol, channel), 0.5) > 0.87


def test_model_in_use_is_better_than_the_reference_on_the_same_folds(in_use, reference):
    for protocol in ("speaker-luna", "speaker-emobox"):
        found = compare(rows_of(in_use, protocol, "speech"), rows_of(reference, protocol, "speech"))
        assert found["interval"][0] > 0
        assert found["p_value"] < 0.01


def test_model_in_use_model_is_small(in_use):
    assert (in_use.folder / "network.onnx").stat().st_size + (in_use.folder / "scaler.json").stat().st_size < 20e6


def test_model_in_use_keeps_its_recall_on_degraded_sound(in_use):
    figures = summarize_study(in_use.studies()["robustness"], "condition", in_use.predictions())
    for condition, loss in {
        "level -20 dB": 0.01,
        "level +6 dB": 0.01,
        "silence of 1 s before": 0.01,
        "white noise 20 dB": 0.04,
        "room 0.4 s": 0.04,
        "MP3 32 kbit/s": 0.04,
        "microphone -3 dB/octave": 0.04,
        "cut to 2 s": 0.055,
        "telephone": 0.06,  # of which 0.04 are lost by discriminants for telephones alone too
    }.items():
        assert figures[condition]["speech"] > figures[""]["speech"] - loss, condition


def test_card_tells_the_studies(in_use):
    lines = describe_studies(in_use.studies(), in_use.predictions())
    assert "\n".join(lines) in (in_use.folder / "card.md").read_text()
    assert {"robustness", "ablations"} <= in_use.studies().keys()


def test_card_tells_the_comparison(in_use, reference):
    card = (in_use.folder / "card.md").read_text()
    assert "\n".join(describe_comparison(in_use.predictions(), reference.predictions())) in card
