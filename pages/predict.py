"""Predict: a sound in, an emotion out, with what it rests on."""

import streamlit as st

from pages.ui.shared import cache
from pages.ui.shared.frame import DOMAIN_NOTICE, shown_errors
from pages.ui.shared.sounds import choose_sounds


def main() -> None:
    """Show the page: the sound on the left, the answer on the right, how it goes over time below."""
    st.title("Predict")
    notice = st.container()
    sound_place, answer_place = st.columns([5, 4], gap="large")
    with sound_place, shown_errors():
        sounds = choose_sounds()
    if sounds:
        from pages.ui.predict.answered import show_answered  # it imports what an answer needs

        show_answered(sounds, sound_place, answer_place)
        return
    with answer_place:
        _show_empty()
    with notice, shown_errors():
        cache.predictor()


def _show_empty() -> None:
    """Tell what will stand here."""
    with st.container(border=True):
        st.markdown("#### No sound yet")
        st.markdown(
            "Upload a file, record two to four seconds, or pick a sample. The answer appears here: the emotion, how "
            "confident the model is, and the probability of each."
        )
        st.caption(DOMAIN_NOTICE)


main()
