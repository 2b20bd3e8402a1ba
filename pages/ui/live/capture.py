"""The microphone of this session: the browser's stream, and the worker that answers it."""

from typing import Any

import av
import streamlit as st
from streamlit_webrtc import WebRtcMode, create_audio_sink_track, webrtc_streamer

from core.serving.live import LiveWorker
from pages.ui.live.access import WORDS, show_access
from pages.ui.live.buttons import dress_buttons
from pages.ui.live.connection import rtc_configuration
from pages.ui.shared import cache, state
from pages.ui.shared.baseline import personal_shift

RAW_AUDIO = {"echoCancellation": False, "noiseSuppression": False, "autoGainControl": False}
"""What browsers do to voices for telephony takes out what an emotion is heard by."""
LABELS = {
    "start": "Start",
    "stop": "Stop",
    "select_device": "Choose microphone",
    "media_api_not_available": WORDS["insecure"],
    "device_ask_permission": "Allow the microphone in the browser's question.",
    "device_not_available": WORDS["missing"],
    "device_access_denied": WORDS["denied"],
}


class Intake:
    """Passes the stream's frames on to the worker of the moment; lives as long as the session."""

    def __init__(self) -> None:
        self.worker: LiveWorker | None = None

    def push(self, frame: av.AudioFrame) -> None:
        """Take in a frame; called by the stream's own thread."""
        worker = self.worker
        if worker is not None:
            worker.push_frame(frame)

    def end(self) -> None:
        """End the worker: the stream has ended, by a stop, another page or a closed browser."""
        worker = self.worker
        if worker is not None:
            worker.stop()


def can_start() -> bool:
    """Say what stands in the way of a stream; tell whether one can be started, or runs, all the same."""
    slots = cache.st_live_slots()
    if _intake().worker is None and slots.is_full:
        st.warning(
            f"All places for live streams are taken ({slots.maximum} of {slots.maximum}). Try again in a minute, or "
            "upload a recording on Predict.",
            icon=":material/hourglass_top:",
        )
        st.button("Try again", icon=":material/refresh:")
        return False
    return show_access()


def capture() -> LiveWorker | None:
    """Show start, stop and the choice of the microphone; return the worker while a stream runs.

    Raises
    ------
    BusyError
        If a stream was started and no place is free for a worker.
    """
    intake = _intake()
    dress_buttons()
    context = webrtc_streamer(
        key=state.LIVE_STREAM,
        mode=WebRtcMode.SENDONLY,
        sink_audio_track=create_audio_sink_track(intake.push, key=state.LIVE_SINK, on_ended=intake.end),
        rtc_configuration=rtc_configuration(),
        media_stream_constraints={"audio": RAW_AUDIO, "video": False},
        translations=LABELS,
    )
    if context.state.playing:
        if intake.worker is None:
            worker = LiveWorker(cache.predictor())
            cache.st_live_slots().start(worker)
            intake.worker = worker
            st.session_state.pop(state.LIVE_TAKE, None)
        intake.worker.set_shift(_shift())
    elif intake.worker is not None:
        intake.worker.stop()
        intake.worker.join()
        if intake.worker.taken:
            st.session_state[state.LIVE_TAKE] = intake.worker
        intake.worker = None
    if context.state.signalling and not context.state.playing:
        st.caption(
            "Connecting. If this lasts longer than 20 seconds, the network lets no direct connection through: the "
            "server needs STUN or TURN addresses in its secrets, under [webrtc]."
        )
    return intake.worker


def _intake() -> Intake:
    intake: Intake = st.session_state.setdefault(state.LIVE_INTAKE, Intake())
    return intake


def _shift() -> Any:
    personal = personal_shift()
    return personal.values if personal else None
