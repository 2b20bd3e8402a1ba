"""What a visitor says that a sound was."""

import logging

import streamlit as st

from core.audio.decode import Waveform
from core.audio.sound import Sound
from core.errors import DatabaseError, SoundWebError
from core.operations.feedback import entries
from core.serving.prediction import Prediction
from pages.ui.shared import state

logger = logging.getLogger(__name__)

KEPT = {"WAV": "wav", "WAVEX": "wav", "FLAC": "flac", "OGG": "ogg", "MP3": "mp3", "MOV": "m4a", "MATROSKA": "webm"}
"""Kinds of files that can be kept, as ``core.operations.feedback.entries.CONTAINERS``, by what the decoder found."""


def ask_verdict(sound: Sound, waveform: Waveform, prediction: Prediction) -> None:
    """Ask what a sound was, once; what goes wrong with it leaves the answer alone."""
    given: set[str] = st.session_state.setdefault(state.FEEDBACK_GIVEN, set())
    if sound.sha256 in given:
        st.caption(":material/check: Thank you. What you said helps to evaluate the model.")
        return
    with st.popover("Correct this answer", icon=":material/rate_review:"):
        labels = list(prediction.probabilities)
        label = st.selectbox(
            "What was it?",
            labels,
            index=labels.index(prediction.told_emotion),
            key=f"{state.FEEDBACK_LABEL}-{sound.sha256}",
        )
        container = KEPT.get(waveform.container.split()[0])
        consents = container is not None and st.checkbox(
            "The sound may be kept, and models trained with it",
            key=f"{state.FEEDBACK_CONSENT}-{sound.sha256}",
            help="In a folder that only the people who run this app can read; they can delete it. Without this, only "
            "what you chose and the model's answer are kept.",
        )
        is_sent = st.button("Send", key=f"{state.FEEDBACK_SEND}-{sound.sha256}")
        if is_sent and _keep(label, prediction, sound, container if consents else None):
            given.add(sound.sha256)
            st.rerun()


def _keep(label: str, prediction: Prediction, sound: Sound, container: str | None) -> bool:
    """Keep what was said, and the sound where a container is named; tell whether that worked."""
    kept = {"consented": sound, "container": container} if container else {}
    # Of a recording that the model remembers, what people were told is the answer of those that do not.
    told = (prediction.unheard or prediction).probabilities
    try:
        entries.add(label, told, model=prediction.model, clip=sound.sha256, **kept)
    except DatabaseError as error:
        logger.exception("Feedback was not kept.")  # where the database is, is nobody's business
        why = f": {error.reason}" if error.reason else ""
        st.warning(f"This cannot be kept just now{why}. Try again later.", icon=":material/warning:")
    except SoundWebError as error:
        st.warning(error.told, icon=":material/warning:")
    else:
        return True
    return False
