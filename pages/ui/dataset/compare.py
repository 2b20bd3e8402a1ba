"""Compare: one sentence in all emotions by one actor, or one emotion by all actors."""

from typing import Any

import pandas as pd
import streamlit as st

from core.corpus.browsing import ONE_SENTENCE, fields_of, same_sentence, values_of
from pages.ui.dataset.detail import show_card
from pages.ui.shared import state
from pages.ui.shared.answer import icon_of
from pages.ui.shared.corpus import FoundCorpus, plain

COLUMNS = 4


def show_compare(corpus: FoundCorpus, clips: pd.DataFrame) -> None:
    """Show the tab."""
    titles = fields_of(corpus.corpus)
    speaker = corpus.corpus.field("speaker").title
    one_speaker, one_emotion = f"One {speaker.lower()}, all emotions", f"One emotion, all {speaker.lower()}s"
    kind = st.segmented_control(
        "Listen to",
        [one_speaker, one_emotion],
        default=one_speaker,
        required=True,
        key=corpus.key(state.COMPARISON),
        label_visibility="collapsed",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = ["speaker" if kind == one_speaker else "emotion", *(f for f in ONE_SENTENCE if f in titles)]
        fields: dict[str, Any] = {field: _choose(corpus, clips, field) for field in chosen}
    found = same_sentence(clips, fields)
    if found.empty:
        gaps = corpus.corpus.texts.notes.get("gaps", "")
        st.info(f"There is no such clip. {gaps} This corpus may be incomplete.", icon=":material/music_off:")
        return
    _show_grid(corpus, found, by_emotion=kind == one_speaker)
    st.caption("Below each player: what a model answered that was not trained on the speaker.")


def _choose(corpus: FoundCorpus, clips: pd.DataFrame, field: str) -> Any:
    values = sorted(clips[field].unique()) if field == "speaker" else values_of(clips, field, corpus.corpus)
    return st.selectbox(
        fields_of(corpus.corpus).get(field, field.capitalize()),
        values,
        key=corpus.key(f"{state.COMPARED}-{field}"),
        width=235 if field == "statement" else 115,
    )


def _show_grid(corpus: FoundCorpus, found: pd.DataFrame, *, by_emotion: bool) -> None:
    """Show players row by row, so that they stand in order on a phone too."""
    records = found.to_dict("records")
    for start in range(0, len(records), COLUMNS):
        for place, clip in zip(st.columns(COLUMNS), records[start : start + COLUMNS], strict=False):
            emotion = f"{icon_of(clip['emotion'])} {clip['emotion'].capitalize()}"
            with place:
                show_card(corpus, clip, emotion if by_emotion else _describe_speaker(corpus, clip))


def _describe_speaker(corpus: FoundCorpus, clip: dict[Any, Any]) -> str:
    words = [corpus.corpus.speaker_title(str(clip["speaker"])), *([str(clip["gender"])] if clip["gender"] else [])]
    return plain(" · ".join(words))
