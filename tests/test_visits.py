"""What a visit holds of its sounds, and who goes on with it."""

import gc

import pytest
import streamlit as st

from core.audio.sound import Sound
from pages.ui.shared import state, visits
from pages.ui.shared.visits import Visit, follow_visit, visit


class Sessions:
    """Sessions by name, of a server without any of Streamlit's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.states: dict[str, dict[str, object]] = {}
        self.monkeypatch = monkeypatch

    def enter(self, name: str, word: object = None) -> Visit:
        """Run a page in a session, in a tab that holds a word, and return its visit."""
        self.monkeypatch.setattr(st, "session_state", self.states.setdefault(name, {}))
        self.monkeypatch.setattr(visits, "tell_word", lambda **_: {"before": word})
        follow_visit()
        return visit()


@pytest.fixture
def sessions(monkeypatch) -> Sessions:
    monkeypatch.setattr(visits.uploads, "keep", lambda *_: None)
    monkeypatch.setattr(visits.cache, "session", lambda: "one")
    return Sessions(monkeypatch)


SOUNDS = {"a": Sound("a.wav", b"RIFF")}


def test_a_page_that_is_loaded_anew_goes_on_with_its_visit(sessions):
    before = sessions.enter("before")
    before.keep("sound-kept", "Record", SOUNDS)
    before.chosen["sound-source"] = "Record"
    after = sessions.enter("after", before.word)
    assert after.kept("sound-kept", "Record") == SOUNDS
    assert sessions.states["after"]["sound-source"] == "Record"
    assert after.word != before.word
    after.forget("sound-kept", "Record")
    assert before.kept("sound-kept", "Record") == SOUNDS
    assert sessions.enter("after", before.word).kept("sound-kept", "Record") == {}


@pytest.mark.parametrize("word", [None, "", "no visit's", 5, {"a": 1}, ["x"]])
def test_words_of_no_visit_bring_nothing(sessions, word):
    assert sessions.enter("one", word).sounds == {}


def test_a_visit_that_holds_sounds_takes_no_others(sessions):
    before = sessions.enter("before")
    before.keep("sound-kept", "Upload", SOUNDS)
    here = sessions.enter("here")
    here.keep("sound-kept", "Upload", {"b": Sound("b.wav", b"RIFF")})
    assert list(sessions.enter("here", before.word).kept("sound-kept", "Upload")) == ["b"]


def test_a_visit_ends_with_its_session(sessions):
    before = sessions.enter("before")
    before.keep("sound-kept", "Upload", SOUNDS)
    word = before.word
    del before, sessions.states["before"][state.VISIT]
    gc.collect()
    assert sessions.enter("after", word).sounds == {}
