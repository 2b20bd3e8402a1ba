"""Compare: one sentence in all emotions by one actor, or one emotion by all actors."""

from typing import Any

import pandas as pd
import streamlit as st

from core.corpus.browsing import FIELD_VALUES, same_emotion, same_sentence
from pages.ui.dataset.detail import show_player
from pages.ui.shared import state
from pages.ui.shared.answer import EMOTION_ICONS
from pages.ui.shared.corpus import Corpus

ONE_ACTOR, ONE_EMOTION = "One actor, all emotions", "One emotion, all actors"
COLUMNS = 4


def show_compare(corpus: Corpus, clips: pd.DataFrame) -> None:
    """Show the tab."""
    kind = st.segmented_control(
        "Listen to",
        [ONE_ACTOR, ONE_EMOTION],
        default=ONE_ACTOR,
        required=True,
        key=state.COMPARISON,
        label_visibility="collapsed",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if kind == ONE_ACTOR:
            actor = _choose("actor", sorted(clips["actor"].unique()))
        else:
            emotion = _choose("emotion")
        fields: dict[str, Any] = {
            field: _choose(field) for field in ("channel", "statement", "intensity", "repetition")
        }
    if kind == ONE_ACTOR:
        found = same_sentence(clips, actor=actor, **fields)
    else:
        found = same_emotion(clips, emotion=emotion, **fields)
    if found.empty:
        st.info(
            "There is no such clip. Song has no disgust and no surprise, actor 18 did not sing, and this corpus may be "
            "incomplete.",
            icon=":material/music_off:",
        )
        return
    _show_grid(corpus, found, kind)
    st.caption("Below each player: what a model answered that never heard the actor. Neutral has one intensity only.")


def _choose(field: str, values: Any = None) -> Any:
    return st.selectbox(
        "Sentence" if field == "statement" else field.capitalize(),
        values or FIELD_VALUES[field],
        key=f"{state.COMPARED}-{field}",
        width=235 if field == "statement" else 115,
    )


def _show_grid(corpus: Corpus, found: pd.DataFrame, kind: str | None) -> None:
    """Show players row by row, so that they stand in order on a phone too."""
    records = found.to_dict("records")
    for start in range(0, len(records), COLUMNS):
        for place, clip in zip(st.columns(COLUMNS), records[start : start + COLUMNS], strict=False):
            emotion = f"{EMOTION_ICONS[clip['emotion']]} {clip['emotion'].capitalize()}"
            with place:
                show_player(corpus, clip, emotion if kind == ONE_ACTOR else f"Actor {clip['actor']} · {clip['gender']}")
