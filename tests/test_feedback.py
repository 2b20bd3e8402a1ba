import datetime
import hashlib

import pytest
import sqlalchemy as sa

from core.audio.sound import Sound
from core.errors import AudioError, FeedbackError, NotSignedIn
from core.labels import EMOTIONS
from core.operations.access import audit
from core.operations.database import now, writing
from core.operations.feedback import entries
from core.operations.feedback.entries import add, agreement, delete, list_feedback
from core.operations.tables import feedback as table
from tests.conftest import encode, tone

SOUND = encode(tone(), 48_000)
ANSWER = dict.fromkeys(EMOTIONS, 0.1) | {"sad": 0.3}
ABOUT = {"model": "voice-0123abcd", "clip": hashlib.sha256(SOUND).hexdigest()}


def test_without_consent_no_sound_is_kept(database, token, tmp_path):
    add("happy", ANSWER, **ABOUT)
    entry = list_feedback(token)[0]
    assert (entry.label, entry.answer, entry.model, entry.path) == ("happy", "sad", "voice-0123abcd", None)
    assert entry.probabilities == ANSWER
    assert list(entry.probabilities) == list(EMOTIONS)
    assert not (tmp_path / "data" / "feedback").exists()


def test_with_consent_the_sound_is_kept_for_its_owner_alone(database, token, tmp_path):
    add("happy", ANSWER, **ABOUT, consented=Sound("a.wav", SOUND), container="wav")
    path = list_feedback(token)[0].path
    assert path == tmp_path / "data" / "feedback" / f"{ABOUT['clip']}.wav"
    assert path.read_bytes() == SOUND
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_sound_goes_with_its_last_feedback(database, token):
    for label in ("happy", "sad"):
        add(label, ANSWER, **ABOUT, consented=Sound("a.wav", SOUND), container="wav")
    first, second = list_feedback(token)
    delete(token, first.id)
    assert second.path.is_file()
    delete(token, second.id)
    assert not second.path.exists()
    assert list_feedback(token) == []
    with pytest.raises(FeedbackError, match="no feedback"):
        delete(token, second.id)
    assert [entry.action for entry in audit.list_entries(token)] == ["delete feedback"] * 2


@pytest.mark.parametrize(
    ("label", "probabilities", "changes", "message"),
    [
        ("bored", ANSWER, {}, "'bored' is not one of"),
        ("sad", {"sad": 0.5, "<b>": 0.5}, {}, "not one of each"),
        ("sad", ANSWER | {"sad": 0.5}, {}, "sum to 1.2"),
        ("sad", ANSWER | {"sad": float("nan")}, {}, "not one of each"),
        ("sad", ANSWER | {"sad": -0.1, "calm": 0.5}, {}, "not one of each"),
        ("sad", ANSWER, {"model": "../voice-0123abcd"}, "not a model"),
        ("sad", ANSWER, {"clip": "../../x"}, "not the SHA-256"),
    ],
)
def test_odd_feedback_is_refused(database, token, label, probabilities, changes, message):
    with pytest.raises(FeedbackError, match=message):
        add(label, probabilities, **ABOUT | changes)
    assert list_feedback(token) == []


@pytest.mark.parametrize(
    ("sound", "container", "message"),
    [
        (Sound("a.wav", SOUND), "exe", "kind 'exe'"),
        (Sound("a.wav", SOUND), "../wav", "kind"),
        (Sound("a.wav", SOUND + b" "), "wav", "not the one"),
        (Sound("a.wav", b"0" * (25 * 2**20 + 1)), "wav", "limit"),
    ],
)
def test_odd_sounds_are_refused(database, token, tmp_path, sound, container, message):
    with pytest.raises(FeedbackError, match=message):
        add("sad", ANSWER, **ABOUT, consented=sound, container=container)
    assert list_feedback(token) == []
    assert not (tmp_path / "data" / "feedback").exists()


def test_what_is_no_sound_is_refused(database):
    clip = hashlib.sha256(b"no sound").hexdigest()
    with pytest.raises(AudioError):
        add("sad", ANSWER, **ABOUT | {"clip": clip}, consented=Sound("a.wav", b"no sound"), container="wav")


def test_there_is_an_end_to_what_is_kept(database, monkeypatch):
    monkeypatch.setattr(entries, "MAX_STORED", len(SOUND))
    add("sad", ANSWER, **ABOUT, consented=Sound("a.wav", SOUND), container="wav")
    with pytest.raises(FeedbackError, match="no room"):
        add("sad", ANSWER, **ABOUT, consented=Sound("a.wav", SOUND), container="wav")
    monkeypatch.setattr(entries, "MAX_ENTRIES", 1)
    with pytest.raises(FeedbackError, match="no room"):
        add("sad", ANSWER, **ABOUT)


def test_a_flood_ends_with_the_hour_and_not_with_the_room(database, token, monkeypatch):
    monkeypatch.setattr(entries, "MAX_HOURLY", 2)
    monkeypatch.setattr(entries, "MAX_HOURLY_STORED", len(SOUND))
    add("sad", ANSWER, **ABOUT, consented=Sound("a.wav", SOUND), container="wav")
    with pytest.raises(FeedbackError, match="last hour"):
        add("sad", ANSWER, **ABOUT, consented=Sound("a.wav", SOUND), container="wav")
    add("sad", ANSWER, **ABOUT)
    with pytest.raises(FeedbackError, match="last hour"):
        add("sad", ANSWER, **ABOUT)
    for shift in (datetime.timedelta(hours=-2), datetime.timedelta(hours=2)):
        with writing() as connection:
            connection.execute(sa.update(table).values(time=now() + shift))
        add("sad", ANSWER, **ABOUT)


def test_a_sound_that_can_not_be_removed_stays_listed(database, token, monkeypatch):
    add("sad", ANSWER, **ABOUT, consented=Sound("a.wav", SOUND), container="wav")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(entries.Path, "unlink", refuse)
    entry = list_feedback(token)[0]
    with pytest.raises(FeedbackError, match="cannot be removed: Permission denied"):
        delete(token, entry.id)
    assert list_feedback(token) == [entry]


def test_agreement_is_counted_by_day_and_model(database, token):
    for label in ("sad", "sad", "calm"):
        add(label, ANSWER, **ABOUT)
    yesterday = now() - datetime.timedelta(days=1)
    with writing() as connection:
        connection.execute(sa.update(table).where(table.c.label == "calm").values(time=yesterday))
    add("happy", ANSWER, **ABOUT | {"model": "reference-402dca03"})
    rows = agreement(token).to_dict("records")
    assert [(row["model"], row["n"], row["agreement"]) for row in rows] == [
        ("voice-0123abcd", 1, 0.0),
        ("reference-402dca03", 1, 0.0),
        ("voice-0123abcd", 2, 1.0),
    ]
    assert rows[0]["day"] == yesterday.date()


def test_feedback_is_shown_to_administrators_alone(database):
    for act in (lambda: list_feedback("guess"), lambda: agreement(""), lambda: delete("guess", 1)):
        with pytest.raises(NotSignedIn):
            act()
