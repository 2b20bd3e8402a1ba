"""The report of a take: player, timeline, segments, files; kept in the session alone."""

import streamlit as st

from core.audio.sound import Sound
from core.config import SAMPLE_RATE, DecodeLimits
from core.serving.exports import wav_bytes
from core.serving.live import TAKE_DURATION, LiveWorker
from core.serving.segments import utterances
from pages.ui.shared import cache, state
from pages.ui.shared.answer import note_known
from pages.ui.shared.timeline import show_timeline


def show_report(worker: LiveWorker) -> None:
    """Show the take of a worker that has ended."""
    st.subheader("The take")
    samples = worker.take
    sound = Sound("take.wav", wav_bytes(samples))
    player = st.container()
    limit = DecodeLimits().max_duration
    opening = sound
    if len(samples) > limit * SAMPLE_RATE:
        opening = Sound("opening.wav", wav_bytes(samples[: int(limit * SAMPLE_RATE)]))
    spoken = tuple(stretch for stretch in utterances(worker.taken) if stretch[1] <= limit)
    note_known(cache.known(opening, worker.predictor.model, spoken))
    with st.container(horizontal=True):
        st.download_button("WAV", sound.data, "take.wav", "audio/wav", icon=":material/download:", on_click="ignore")
        st.button("Remove the take", icon=":material/delete:", on_click=_remove)
    st.caption(
        f"It is in this session only and goes with it. At most {TAKE_DURATION / 60:.0f} minutes are kept of one take."
    )
    show_timeline(worker.taken, sound, key="take", name="take", player=player)


def _remove() -> None:
    """Forget the take."""
    st.session_state.pop(state.LIVE_TAKE, None)
