"""One clip: its fields in words, its sound, and what the model answered without having heard its actor."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.corpus.browsing import describe_clip, find_clip
from pages.ui.shared import answer, player, state
from pages.ui.shared.corpus import FoundCorpus, address, plain

UNSEEN = "By a model of the same recipe that was not trained on this speaker."


def linked_clip(clips: pd.DataFrame) -> dict[str, Any] | None:
    """Return the clip that the address names, None where it names none, and say so where it is not there."""
    name = st.query_params.get(state.CLIP)
    clip = find_clip(clips, name)
    if name is not None and clip is None:
        st.warning("The link names a clip that is not in the corpus.", icon=":material/link_off:")
    return clip


def show_clip(corpus: FoundCorpus, clip: Mapping[str, Any], *, is_listed: bool = True) -> None:
    """Show everything about a clip."""
    name = str(clip["clip"])
    with st.container(border=True):
        st.markdown(f"##### {clip['emotion'].capitalize()} · `{name.replace('`', '')}`")
        if not is_listed:
            st.caption(":material/filter_alt: Not among the listed clips: the filters leave it out.")
        player.show_player(corpus.read(name), key="clip")
        st.page_link(
            "pages/features.py",
            label="Open in Features",
            icon=":material/equalizer:",
            query_params=address(corpus, name),
        )
        _show_answer(corpus, clip)
        _show_fields(corpus, clip)


def show_card(corpus: FoundCorpus, clip: Mapping[str, Any], title: str) -> None:
    """Show a small card: a title, the player, and what the model answered."""
    with st.container(border=True):
        st.markdown(f"**{title}**")
        player.show_player(corpus.read(str(clip["clip"])), key=str(clip["clip"]), small=True)
        st.caption(describe_answer(clip))


def describe_answer(clip: Mapping[str, Any]) -> str:
    """Return in a few words what the model answered for a clip."""
    if not clip["answer"]:
        return "Not evaluated by this model"
    icon = ":material/close:" if clip["is_wrong"] else ":material/check:"
    return f"{icon} heard as {clip['answer']}, {clip['confidence']:.0%}"


def _show_fields(corpus: FoundCorpus, clip: Mapping[str, Any]) -> None:
    """Show all fields of a clip in words."""
    fields = describe_clip(clip, corpus.corpus)
    st.markdown(" · ".join(f"{plain(title)}: **{plain(value)}**" for title, value in fields.items()))


def _show_answer(corpus: FoundCorpus, clip: Mapping[str, Any]) -> None:
    """Show the out-of-fold probabilities of a clip."""
    if not clip["answer"]:
        st.info("This model was not evaluated on this clip.", icon=":material/info:")
        return
    if clip["is_wrong"]:
        st.markdown(f":material/close: The model hears **{clip['answer']}**, and it is **{clip['emotion']}**.")
    else:
        st.markdown(f":material/check: The model hears **{clip['answer']}**, as it is.")
    answer.show_probabilities({label: float(clip[label]) for label in corpus.corpus.labels if label in clip})
    st.caption(UNSEEN)
