import numpy as np
import pandas as pd
import pytest

from core.corpus.ravdess import ACTORS, RAVDESS
from core.corpus.splits import (
    DEPLOYMENT,
    N_FOLDS,
    deal_speakers,
    other_corpora,
    protocols_of,
    split_by_speaker,
    split_clips,
)
from core.errors import CorpusError
from core.labels import UNKNOWN_SPEAKER
from core.serving.registry import Registry
from core.serving.takeover import SHIPPED
from tests.generated import release_index

PROTOCOLS = protocols_of(RAVDESS)


@pytest.fixture(scope="module")
def release() -> pd.DataFrame:
    """All clips of the release, without sounds; two hold the same recording."""
    index = release_index()
    index["duplicate_of"] = ""
    index.loc[index["clip"] == "03-01-03-01-02-02-07", "duplicate_of"] = "03-01-03-01-02-01-07"
    return index


@pytest.mark.parametrize("folds", RAVDESS.folds.values())
def test_published_folds_hold_every_actor_once(folds):
    assert sorted(actor for fold in folds for actor in fold) == list(ACTORS)


@pytest.mark.parametrize("recipe", ["reference", "voice"])
def test_figures_that_were_published_rest_on_the_folds_of_today(recipe):
    registry = Registry(SHIPPED)
    predictions = registry.load(registry.names_of(recipe)[0]).predictions()
    index = release_index()
    of_seeds = predictions.groupby(["protocol", "seed"])
    assert {protocol for protocol, _ in of_seeds.groups} == set(PROTOCOLS)
    for (protocol, seed), rows in of_seeds:
        splits = split_clips(RAVDESS, protocol, index, int(seed))
        assert sorted(rows["fold"].unique()) == [split.fold for split in splits]
        for split in splits:
            evaluated = rows.loc[rows["fold"] == split.fold, "clip"]
            assert sorted(evaluated) == sorted(index["clip"].iloc[split.test])


@pytest.mark.parametrize("protocol", ["speaker-luna", "speaker-emobox"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_actor_stands_on_two_sides(release, protocol, seed):
    actors = release["speaker"].to_numpy()
    for split in PROTOCOLS[protocol](release, seed):
        sides = [set(actors[rows]) for rows in (split.train, split.validation, split.test)]
        assert sides[0].isdisjoint(sides[1] | sides[2])
        assert sides[1].isdisjoint(sides[2])
        assert sum(map(len, sides)) == 24
        assert sorted(int(actor) % 2 for actor in sides[1]) == [0, 1]


@pytest.mark.parametrize("protocol", ["speaker-luna", "speaker-emobox"])
def test_speaker_folds_evaluate_every_clip_once(release, protocol):
    evaluated = np.concatenate([split.test for split in PROTOCOLS[protocol](release, 0)])
    assert sorted(evaluated) == list(range(len(release)))


def test_what_is_put_in_use_trains_on_every_clip_and_is_evaluated_on_none(release):
    (split,) = split_clips(RAVDESS, DEPLOYMENT, release)
    assert (split.fold, split.train.tolist()) == (0, list(range(len(release))))
    assert len(split.validation) == len(split.test) == 0


def test_speakers_are_dealt_once_each_and_both_genders_to_every_fold(release):
    folds = deal_speakers(release)
    assert len(folds) == N_FOLDS
    assert sorted(speaker for fold in folds for speaker in fold) == list(ACTORS)
    assert {len(fold) for fold in folds} == {4, 5}
    assert all({int(speaker) % 2 for speaker in fold} == {0, 1} for fold in folds)


def test_other_corpora_are_named_in_their_order_without_sounds_of_unknown_people():
    index = pd.DataFrame({"corpus": ["b", RAVDESS.name, "a", "b", "c"], "speaker": [*"1234", UNKNOWN_SPEAKER]})
    assert other_corpora(RAVDESS, index) == ["b", "a"]


def test_reference_doubles_and_leaks(release):
    (split,) = PROTOCOLS["reference"](release, 0)
    assert len(split.train) + len(split.test) == 4904
    assert len(split.test) == 981
    assert np.bincount(np.concatenate([split.train, split.test])).tolist() == [2] * 2452
    assert split.twin_share == pytest.approx(0.8, abs=0.03)
    np.testing.assert_array_equal(split.validation, split.test)


@pytest.mark.parametrize("seed", range(5))
def test_random_keeps_every_clip_on_one_side(release, seed):
    (split,) = PROTOCOLS["random"](release, seed)
    rows = np.concatenate([split.train, split.validation, split.test])
    assert sorted(rows) == list(range(2452))
    assert len(split.test) == pytest.approx(2452 / 5, abs=2)
    assert split.twin_share == 0


@pytest.mark.parametrize("seed", range(20))
def test_random_keeps_a_repeated_recording_on_one_side(release, seed):
    (split,) = PROTOCOLS["random"](release, seed)
    pair = np.flatnonzero(release["clip"].isin(["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]))
    for side in (split.train, split.validation, split.test):
        assert np.isin(pair, side).sum() in (0, 2)


def test_random_is_stratified(release):
    (split,) = PROTOCOLS["random"](release, 0)
    share = release["emotion"].value_counts(normalize=True)
    evaluated = release["emotion"].iloc[split.test].value_counts(normalize=True)
    assert (evaluated - share).abs().max() < 0.005


def test_seed_changes_who_chooses_the_epoch_and_not_who_is_evaluated(release):
    first, second = (PROTOCOLS["speaker-emobox"](release, seed) for seed in (0, 1))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(first, second, strict=True))
    assert any(not np.array_equal(a.validation, b.validation) for a, b in zip(first, second, strict=True))


def test_too_few_actors_are_refused(release):
    few = release[release["speaker"].isin(["01", "02", "03"])]
    with pytest.raises(CorpusError, match="speakers need 3"):
        PROTOCOLS["speaker-emobox"](few, 0)


def test_a_fold_whose_speakers_would_all_choose_is_refused():
    speakers = pd.DataFrame({"speaker": list("abcd"), "gender": ["female", "male", "other", "male"]})
    with pytest.raises(CorpusError, match="speakers need 4"):
        split_by_speaker(speakers, folds=[["b"]])
    (split,) = split_by_speaker(speakers, folds=[["c"]])
    assert len(split.train) == 1


@pytest.mark.parametrize("protocol", [*PROTOCOLS, DEPLOYMENT])
def test_sounds_of_unknown_people_train_in_every_split_and_change_nothing_else(release, protocol):
    rows = np.array([0, 700, len(release) + 1])
    index = pd.concat([release.assign(was=np.arange(len(release)))] + [release.iloc[[5]].assign(was=-1)] * 3)
    order = np.insert(np.arange(len(release)), [0, 699, len(release) - 1], len(release))
    index = index.iloc[order].reset_index(drop=True)
    index.loc[rows, ["speaker", "clip"]] = [UNKNOWN_SPEAKER, "feedback"]
    was = index["was"].to_numpy()
    for split, plain in zip(
        split_clips(RAVDESS, protocol, index, 1), split_clips(RAVDESS, protocol, release, 1), strict=True
    ):
        assert sorted(set(split.train) & set(rows)) == rows.tolist()
        assert not set(rows) & (set(split.validation) | set(split.test))
        assert split.fold == plain.fold
        assert was[split.train[~np.isin(split.train, rows)]].tolist() == plain.train.tolist()
        assert was[split.validation].tolist() == plain.validation.tolist()
        assert was[split.test].tolist() == plain.test.tolist()
