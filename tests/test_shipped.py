"""What the repository ships and says about it."""

import pytest

from core.config import PROJECT_ROOT
from core.corpus.index import corpus_digest, distinct_clips, scan
from core.corpus.names import expected_clips
from core.corpus.splits import PROTOCOLS
from core.labels import EMOTIONS
from core.learning.evaluation import evaluate
from core.serving.cards import results_table
from core.serving.publishing import evaluate_again
from core.serving.registry import Registry, StoredModel


@pytest.fixture(scope="module")
def shipped() -> StoredModel:
    return Registry(PROJECT_ROOT / "artifacts").load()


def test_every_stored_model_can_be_loaded(shipped):
    registry = Registry(PROJECT_ROOT / "artifacts")
    assert shipped.name in registry.names()
    for name in registry.names():
        registry.load(name)


def test_reference_is_judged_by_all_protocols(shipped):
    assert set(shipped.metrics()) == set(PROTOCOLS)
    assert shipped.manifest["corpus"]["n_clips"] == 2452


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


def test_readme_shows_the_figures_of_the_shipped_model(shipped):
    assert results_table(evaluate_again(shipped)) in (PROJECT_ROOT / "README.md").read_text()


def test_model_card_shows_the_same_figures(shipped):
    assert results_table(shipped.metrics()) in (shipped.folder / "card.md").read_text()


def test_history_has_every_epoch_of_every_network(shipped):
    history = shipped.history()
    networks = history.groupby(["protocol", "seed", "fold"])
    assert (networks.size() == shipped.manifest["recipe"]["epochs"]).all()
    assert (networks["is_chosen"].sum() == 1).all()


def test_model_was_trained_on_this_corpus(shipped, ravdess, tmp_path):
    index = distinct_clips(scan(ravdess, cache=tmp_path / "index.csv"))
    assert corpus_digest(index) == shipped.manifest["corpus"]["digest"]
    predictions = shipped.predictions()
    for protocol, split in PROTOCOLS.items():
        judged = [clip for part in split(index, 0) for clip in index["clip"].iloc[part.test]]
        rows = predictions[(predictions["protocol"] == protocol) & (predictions["seed"] == 0)]
        assert sorted(rows["clip"]) == sorted(judged)


def test_labels_are_those_of_a_label_encoder(shipped):
    assert shipped.manifest["labels"] == sorted(EMOTIONS) == list(EMOTIONS)
