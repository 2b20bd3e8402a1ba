import time

import numpy as np
import pandas as pd
import pytest

from core.corpus.browsing import (
    ORDERS,
    RIGHT,
    UNSURE,
    WRONG,
    ClipFilter,
    count_clips,
    describe_clip,
    filter_clips,
    find_clip,
    join_answers,
    list_folds,
    same_sentence,
    sort_clips,
    without_answers,
)
from core.corpus.ravdess import RAVDESS, expected_clips, parse_name
from core.labels import EMOTIONS
from tests.generated import release_index


@pytest.fixture(scope="module")
def release() -> pd.DataFrame:
    """All clips of the release, with made-up durations."""
    index = release_index()
    return index.assign(duration=np.linspace(3, 5, len(index)), rate=48_000, channels=1)


def predictions(clips: list[str], answers: list[str], **fields: object) -> pd.DataFrame:
    """Rows that give each answer a probability of 0.6, and the rest to neutral or sad."""
    table = pd.DataFrame(0.0, index=range(len(clips)), columns=list(EMOTIONS))
    for row, answer in enumerate(answers):
        table.loc[row, answer] = 0.6
        table.loc[row, "sad" if answer == "neutral" else "neutral"] = 0.4
    fields = {"protocol": "speaker-emobox", "seed": 0, "fold": 2} | fields
    return table.assign(clip=clips, y_true=[parse_name(clip)["emotion"] for clip in clips], **fields)


def test_every_field_filters_as_the_names_say(release):
    chosen = ClipFilter({"emotion": ["sad", "calm"], "channel": ["song"], "speaker": ["03"], "intensity": []})
    found = filter_clips(release, chosen)["clip"].tolist()
    assert found == [name for name in expected_clips() if name[3:8] in ("02-02", "02-04") and name.endswith("-03")]


def test_duration_bounds_are_included(release):
    low, high = release["duration"].iloc[10], release["duration"].iloc[20]
    assert len(filter_clips(release, ClipFilter(duration=(low, high)))) == 11


def test_answers_are_averaged_over_seeds_and_stand_beside_the_truth(release):
    clip = "03-01-03-01-01-01-01"  # happy
    rows = pd.concat(
        [
            predictions([clip], ["happy"], seed=0),
            predictions([clip], ["sad"], seed=1),
            predictions([clip], ["angry"], protocol="random"),
        ]
    )
    joined = join_answers(release, rows, "speaker-emobox")
    row = find_clip(joined, clip)
    assert row is not None
    assert (row["answer"], row["fold"], bool(row["is_wrong"])) == ("neutral", 2, True)
    assert row["happy"] == pytest.approx(0.3)
    assert row["confidence"] == pytest.approx(max(row[emotion] for emotion in EMOTIONS))
    assert (joined["answer"] != "").sum() == 1
    assert len(joined) == len(release)


def test_verdicts_answers_and_folds_filter_by_the_model(release):
    names = ["03-01-03-01-01-01-01", "03-01-05-01-01-01-01"]  # happy, angry
    rows = pd.concat([predictions(names[:1], ["sad"], fold=1), predictions(names[1:], ["angry"], fold=4)])
    rows["angry"] *= 0.5
    joined = join_answers(release, rows, "speaker-emobox", threshold=0.5)

    def found(**chosen: object) -> list[str]:
        return filter_clips(joined, ClipFilter(**chosen))["clip"].tolist()

    assert found(verdict=WRONG) == names  # neutral has 0.4, angry 0.3
    assert found(values={"answer": ["sad"]}) == names[:1]
    assert found(verdict=UNSURE) == names[1:]
    assert found(verdict=RIGHT) == []
    assert found(fold=4) == names[1:]
    assert list_folds(joined) == [1, 4]


def test_without_a_threshold_every_answer_is_unsure_and_no_clip_that_was_not_evaluated(release):
    rows = predictions(["03-01-03-01-01-01-01"], ["happy"])
    joined = join_answers(release, rows, "speaker-emobox", threshold=None)
    assert filter_clips(joined, ClipFilter(verdict=UNSURE))["clip"].tolist() == ["03-01-03-01-01-01-01"]
    assert len(filter_clips(joined, ClipFilter(verdict=RIGHT))) == 1


def test_without_a_model_no_clip_is_evaluated_or_wrong(release):
    joined = without_answers(release)
    assert (joined["answer"] == "").all()
    assert not joined["is_wrong"].any()
    assert list_folds(joined) == []


def test_counts_leave_their_own_filter_out_and_keep_zeros(release):
    chosen = ClipFilter({"emotion": ["disgust"], "channel": ["song", "speech"]})
    by_emotion = count_clips(release, "emotion", RAVDESS, chosen)
    assert list(by_emotion.index) == list(EMOTIONS)
    assert by_emotion["disgust"] == 192
    assert by_emotion["sad"] == 376
    assert count_clips(release, "channel", RAVDESS, chosen).to_dict() == {"speech": 192, "song": 0}


def test_search_finds_all_words_in_names_fields_and_answers(release):
    joined = join_answers(release, predictions(["03-01-03-01-01-01-01"], ["sad"]), "speaker-emobox")
    found = filter_clips(joined, ClipFilter(words="  DOGS surprised 07 "))
    wanted = joined[joined["statement"].str.startswith("Dogs") & (joined["emotion"] == "surprised")]
    assert set(wanted[wanted["speaker"] == "07"]["clip"]) <= set(found["clip"]) <= set(wanted["clip"])
    assert filter_clips(joined, ClipFilter(words="happy sad"))["clip"].tolist() == ["03-01-03-01-01-01-01"]
    assert filter_clips(joined, ClipFilter(words="[(.*")).empty
    assert len(filter_clips(joined, ClipFilter(words=" "))) == len(joined)


@pytest.mark.parametrize("order", ORDERS)
def test_orders_hold_every_clip_once_and_those_without_a_value_last(release, order):
    rows = predictions(release["clip"].tolist()[:5], ["sad", "happy", "calm", "angry", "neutral"])
    rows["sad"] += np.arange(5) / 100
    joined = join_answers(release, rows, "speaker-emobox")
    listed = sort_clips(joined, order)
    column, ascends = ORDERS[order]
    values = listed[column].dropna().tolist()
    assert values == sorted(values, reverse=not ascends)
    assert listed[column].notna().tolist() == sorted(listed[column].notna(), reverse=True)
    assert sorted(listed["clip"]) == sorted(release["clip"])


def test_one_actor_says_a_sentence_in_all_emotions(release):
    statement = "Dogs are sitting by the door"
    fields = {"speaker": "05", "channel": "speech", "statement": statement, "intensity": "strong", "repetition": 2}
    found = same_sentence(release, fields)
    assert found["emotion"].tolist() == list(EMOTIONS)
    assert set(found["intensity"]) == {"strong", "normal"}
    sung = same_sentence(release, fields | {"speaker": "18", "channel": "song"})
    assert sung.empty


def test_all_actors_say_a_sentence_in_one_emotion(release):
    fields = {"channel": "song", "statement": "Kids are talking by the door", "intensity": "normal", "repetition": 1}
    found = same_sentence(release, fields | {"emotion": "calm"})
    assert found["speaker"].tolist() == [f"{actor:02d}" for actor in range(1, 25) if actor != 18]


def test_a_clip_is_described_by_all_fields(release):
    words = describe_clip(find_clip(release, "03-02-05-02-01-02-13") or {}, RAVDESS)
    assert words == {
        "Emotion": "angry",
        "Channel": "song",
        "Intensity": "strong",
        "Sentence": "Kids are talking by the door",
        "Repetition": "2",
        "Actor": "13",
        "Gender": "male",
        "Duration": words["Duration"],
        "Sound": "48 kHz, mono",
    }


@pytest.mark.parametrize("name", [None, "", "../../etc/passwd", "03-01-01-01-01-01-99"])
def test_names_from_outside_are_only_looked_up(release, name):
    assert find_clip(release, name) is None


def test_a_hundred_thousand_clips_stay_quick(release):
    many = pd.concat([release] * 41, ignore_index=True)[:100_000]
    joined = without_answers(many.assign(clip=[f"{clip}-{i}" for i, clip in enumerate(many["clip"])]))
    start = time.perf_counter()
    chosen = ClipFilter(
        {"emotion": ["sad", "calm"], "speaker": ["01", "02", "03"], "channel": ["speech"]}, duration=(3.2, 4.8)
    )
    found = filter_clips(joined, chosen)
    for field in ("emotion", "speaker", "channel", "gender", "intensity"):
        count_clips(joined, field, RAVDESS, chosen)
    found = sort_clips(filter_clips(found, ClipFilter(words="door sad")), "longest")
    assert time.perf_counter() - start < 2
    expected = joined["emotion"].isin(["sad", "calm"]) & (joined["speaker"] <= "03") & (joined["channel"] == "speech")
    assert len(found) == (expected & joined["duration"].between(3.2, 4.8) & (joined["emotion"] == "sad")).sum()
