"""One clip: its fields in words, its sound, and what the model answered without having heard its actor."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.audio.sound import Sound
from core.corpus.browsing import describe_clip
from core.plots import features as feature_plots
from core.plots.style import SAVING
from pages.ui.shared import answer, cache
from pages.ui.shared.corpus import FoundCorpus, address, plain

UNSEEN = "By a model of the same recipe that was not trained on this speaker."


def show_clip(corpus: FoundCorpus, clip: Mapping[str, Any]) -> None:
    """Show everything about a clip."""
    name, sound = str(clip["clip"]), corpus.read(str(clip["clip"]))
    with st.container(border=True):
        st.markdown(f"#### {clip['emotion'].capitalize()} · `{name.replace('`', '')}`")
        sound_place, answer_place = st.columns([5, 4], gap="large")
        with sound_place:
            st.audio(sound.data, format=mime(sound.data))
            _show_fields(corpus, clip)
            with st.container(horizontal=True, gap="medium"):
                st.page_link(
                    "pages/features.py",
                    label="Open in Features",
                    icon=":material/equalizer:",
                    query_params=address(corpus, name),
                )
                # Streamlit's own links do nothing on the page that they lead to.
                link = f"dataset?{urllib.parse.urlencode(address(corpus, name))}"
                st.link_button("Link to this clip", link, icon=":material/link:", type="tertiary")
        with answer_place:
            _show_answer(corpus, clip)
        _show_spectrum(sound)


def show_player(corpus: FoundCorpus, clip: Mapping[str, Any], title: str) -> None:
    """Show a small card: a title, the player, and what the model answered."""
    data = corpus.read(str(clip["clip"])).data
    with st.container(border=True):
        st.markdown(f"**{title}**")
        st.audio(data, format=mime(data))
        st.caption(describe_answer(clip))


def describe_answer(clip: Mapping[str, Any]) -> str:
    """Return in a few words what the model answered for a clip."""
    if not clip["answer"]:
        return "Not evaluated by this model"
    icon = ":material/close:" if clip["is_wrong"] else ":material/check:"
    return f"{icon} heard as {clip['answer']}, {clip['confidence']:.0%}"


def mime(data: bytes) -> str:
    """Return the media type of a clip's file: WAV or FLAC."""
    return "audio/flac" if data.startswith(b"fLaC") else "audio/wav"


def _show_fields(corpus: FoundCorpus, clip: Mapping[str, Any]) -> None:
    """Show all fields of a clip in words."""
    fields = describe_clip(clip, corpus.corpus)
    st.markdown("\n".join(f"- {plain(title)}: **{plain(value)}**" for title, value in fields.items()))


def _show_spectrum(sound: Sound) -> None:
    """Show waveform, spectrogram and pitch of a clip."""
    analysis = cache.analysis(sound, 0.0)
    st.plotly_chart(
        feature_plots.spectrum(analysis, feature_plots.common_ranges([analysis])),
        config=SAVING,
        alt=f"Waveform, spectrogram and pitch of {analysis.duration:.1f} s",
    )


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
