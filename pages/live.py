"""Live: speak, and see the emotion move while you speak."""

import streamlit as st

from core.serving.timeline import LIVE
from pages.ui.live.capture import can_start, capture
from pages.ui.live.picture import show_live
from pages.ui.live.report import show_report
from pages.ui.shared import cache, state
from pages.ui.shared.baseline import note_baseline
from pages.ui.shared.frame import DOMAIN_NOTICE, shown_errors
from pages.ui.shared.timeline import choose_half_life


def main() -> None:
    """Show the page: the microphone above, the moving picture or the last take beneath."""
    st.title("Live")
    with shown_errors():
        cache.predictor()
        is_open = can_start()
        with st.container(key=state.LIVE_CONTROLS):
            worker = capture() if is_open else None
    if worker is not None:
        note_baseline()
        picture = st.container()
        half_life = choose_half_life()
        with picture:
            show_live(worker, half_life)
        st.caption("Another page ends the take; its report waits here.")
    elif state.LIVE_TAKE in st.session_state:
        show_report(st.session_state[state.LIVE_TAKE])
    elif is_open:
        _show_empty()
    st.caption(DOMAIN_NOTICE)


def _show_empty() -> None:
    """Tell what will stand here."""
    with st.container(border=True):
        st.markdown("#### Nobody speaks yet")
        st.markdown(
            f"Press Start and allow the microphone. Every {LIVE.hop:g}\u00a0s the last {LIVE.length:g}\u00a0s are "
            "answered: the emotion, how confident the model is, and how it moves. After Stop, the whole take stands "
            "here with its segments, to hear and to download."
        )
        st.caption(
            "The sound goes to this server, unchanged by the browser's filters for calls, and stays in this session. "
            "The microphone needs https, or localhost."
        )


main()
