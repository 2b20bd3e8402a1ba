"""The personal baseline in the sidebar: recorded, loaded, shown while active, removed by one click."""

from collections.abc import Callable

import streamlit as st

from core.audio.decode import decode
from core.audio.personal import STRENGTHS
from core.errors import BaselineError, SoundWebError
from core.serving.baseline import MAX_BYTES, MAX_SENTENCES, MIN_SENTENCES, Baseline, Shift, enrol, read_baseline
from pages.ui.shared import cache, state

VERDICT = (
    "On unseen speakers, a baseline moved answers from one emotion to another and made them no "
    "better on the whole; the study stands in the model's card where it was made. So it is off unless you turn it on."
)


def personal_shift() -> Shift | None:
    """Return what the baseline in use does to the features, None without one that fits the model in use."""
    baseline: Baseline | None = st.session_state.get(state.BASELINE)
    predictor = cache.predictor()
    if baseline is None or not baseline.fits(predictor):
        return None
    strength = float(st.session_state.get(state.BASELINE_STRENGTH, STRENGTHS[0]))
    return Shift(f"{baseline.digest}-{strength}", baseline.shift(predictor, strength))


def note_baseline() -> None:
    """Say beside an answer that a baseline shifts it: on phones the sidebar is folded away."""
    if personal_shift() is not None:
        strength = st.session_state.get(state.BASELINE_STRENGTH, STRENGTHS[0])
        st.caption(f":material/person_check: Personal baseline active, strength {strength:g}")


def show_baseline() -> None:
    """Show the baseline in use with a way to remove it, or the ways to one."""
    baseline: Baseline | None = st.session_state.get(state.BASELINE)
    if baseline is None:
        with st.popover("Personal baseline", icon=":material/person:", width="stretch"):
            _show_ways()
        return
    with st.container(border=True):
        st.markdown(":material/person_check: **Personal baseline active**")
        st.caption(f"From {baseline.n_sentences} neutral sentences. Answers on Predict and Live are shifted by it.")
        if not baseline.fits(cache.predictor()):
            st.warning("Made for another model: it has no effect now.", icon=":material/warning:")
        st.selectbox("Strength", STRENGTHS, key=state.BASELINE_STRENGTH, persist_state="session")
        with st.container(horizontal=True):
            st.download_button(
                "Save", baseline.to_json(), "baseline.json", "application/json", icon=":material/download:"
            )
            st.button("Remove", icon=":material/close:", on_click=_remove)


def _show_ways() -> None:
    """Offer to record neutral sentences or to load a saved baseline."""
    st.markdown(
        f"Does it always say the same about your voice? Record {MIN_SENTENCES} to {MAX_SENTENCES} sentences in your "
        "neutral voice; the features of later sounds are shifted by how it differs from the usual one."
    )
    st.caption(VERDICT)
    recordings = [
        st.audio_input(f"Neutral sentence {k + 1}", sample_rate=48_000, key=f"{state.BASELINE}-{k}")
        for k in range(MAX_SENTENCES)
    ]
    spoken = [recording.getvalue() for recording in recordings if recording is not None]
    if st.button("Use as baseline", disabled=len(spoken) < MIN_SENTENCES, icon=":material/person_check:"):
        _use(lambda: enrol([decode(data) for data in spoken], cache.predictor()))
    saved = st.file_uploader("Or load a saved baseline", type=["json"], key=f"{state.BASELINE}-file", max_upload_size=1)
    if saved is not None and st.button("Load", icon=":material/upload_file:"):
        _use(lambda: read_baseline(saved.getvalue()[: MAX_BYTES + 1]))


def _use(make: Callable[[], Baseline]) -> None:
    """Put a baseline in use, or say why there is none."""
    try:
        with cache.in_turn():
            baseline = make()
        if not baseline.fits(cache.predictor()):
            raise BaselineError("The baseline was made for another model. Record the neutral sentences again.")
    except SoundWebError as error:
        st.error(error.told, icon=":material/error:")
        return
    st.session_state[state.BASELINE] = baseline
    st.rerun()


def _remove() -> None:
    """Take the baseline out of use."""
    st.session_state.pop(state.BASELINE, None)
