"""Uploads and recordings of a visit, which outlive a change of page and a reload.

A page that is loaded anew begins a new session, and Streamlit forgets the old one only about two minutes later. The tab
holds the word of its visit; a session that is told the word of one that is still there takes over its sounds. Nothing
is kept any longer for that.
"""

import secrets
import weakref
from typing import Final, TypeAlias

import streamlit as st

from core.audio.sound import Sound
from pages.ui.shared import cache, state
from pages.ui.shared.strangers import uploads

JS: Final = """
export default function ({ data, setStateValue }) {
  const before = sessionStorage.getItem(data.name)
  if (before === data.word) return
  sessionStorage.setItem(data.name, data.word)
  if (before) setStateValue("before", before)
}
"""
NAME: Final = "soundweb-visit"
"""What the tab keeps the word under."""

Sounds: TypeAlias = dict[str, Sound]
"""Those of a widget, by the ids of its files."""

tell_word = st.components.v2.component("visit", js=JS)


class Visit:
    """What a session holds of its visitor's sounds."""

    def __init__(self) -> None:
        self.word = secrets.token_urlsafe(32)
        """Tells it from others; known to its tab alone."""
        self.sounds: dict[str, dict[str, Sounds]] = {}
        """By choice of a sound, as ``state.SoundKeys.kept`` names it, and by the way that they came."""
        self.chosen: dict[str, str] = {}
        """What was chosen last, by the key of its widget: the way to a sound, the sample, the clip."""
        self.before = ""
        """Word of the visit that this one goes on with."""

    def keep(self, choice: str, source: str, sounds: Sounds) -> None:
        """Hold the sounds of a widget."""
        self.sounds.setdefault(choice, {})[source] = sounds

    def kept(self, choice: str, source: str) -> Sounds:
        """Return the sounds that a widget held last."""
        return self.sounds.get(choice, {}).get(source, {})

    def forget(self, choice: str, source: str) -> None:
        """Drop them."""
        self.sounds.get(choice, {}).pop(source, None)

    def go_on_with(self, other: "Visit") -> list[Sound]:
        """Take over what another visit holds, and return its sounds."""
        self.sounds = {
            choice: {source: dict(sounds) for source, sounds in by_source.items()}
            for choice, by_source in other.sounds.items()
        }
        self.chosen = dict(other.chosen)
        return [
            sound for by_source in self.sounds.values() for sounds in by_source.values() for sound in sounds.values()
        ]


_visits: Final[weakref.WeakValueDictionary[str, Visit]] = weakref.WeakValueDictionary()
"""Those of sessions that are still there, by their words."""


def visit() -> Visit:
    """Return the visit of the session that runs."""
    if state.VISIT not in st.session_state:
        st.session_state[state.VISIT] = begun = Visit()
        _visits[begun.word] = begun
    found: Visit = st.session_state[state.VISIT]
    return found


def follow_visit() -> None:
    """Go on with the visit that this tab held before it was loaded anew, where it is still there."""
    here = visit()
    told = tell_word(key=state.VISIT_WORD, data={"name": NAME, "word": here.word}, on_before_change=state.noted)
    before = told.get("before")
    if not isinstance(before, str) or before in (here.before, here.word):
        return
    here.before = before
    other = _visits.get(before)
    if other is None or any(any(by_source.values()) for by_source in here.sounds.values()):
        return
    for sound in here.go_on_with(other):
        uploads.keep(cache.session(), sound)
    is_named = [
        keys
        for keys in (state.SOUND, state.OTHER_SOUND)
        if st.query_params.get(keys.linked) or st.query_params.get(keys.linked_sample)
    ]
    taken = tuple(key for keys in is_named for key in (keys.source, keys.sample, keys.clip))
    for key, value in here.chosen.items():
        if not key.startswith(taken):  # a sound that the address names is the one that is wanted
            st.session_state[key] = value
