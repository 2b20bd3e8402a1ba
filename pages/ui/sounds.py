"""Choosing a sound: upload, microphone or sample."""

import dataclasses

import streamlit as st

from pages.ui import cache, state

UPLOAD, RECORD, SAMPLE = "Upload", "Record", "Samples"
ICONS = {UPLOAD: ":material/upload_file:", RECORD: ":material/mic:", SAMPLE: ":material/library_music:"}
ENDINGS = ["wav", "flac", "mp3", "ogg", "oga", "opus", "m4a", "mp4", "aac", "webm", "mka", "amr", "3gp", "aif", "aiff"]
MAX_FILES = 50
RECORDING_RATE = 48_000
"""Rate asked of the microphone, in Hz: that of the corpus, well above the features' own."""


@dataclasses.dataclass(frozen=True)
class Sound:
    """A sound that somebody chose."""

    name: str
    """Name of the file, as its owner gave it: not to be trusted."""
    data: bytes
    """The encoded sound."""


def choose_sounds() -> list[Sound]:
    """Show the three ways to a sound, and return what was chosen: nothing, one sound, or several uploads."""
    source = st.segmented_control(
        "Sound from",
        [UPLOAD, RECORD, SAMPLE],
        default=UPLOAD,
        required=True,
        format_func=lambda name: f"{ICONS[name]} {name}",
        key=state.SOURCE,
        label_visibility="collapsed",
    )
    return {UPLOAD: _uploads, RECORD: _recording, SAMPLE: _sample}[source or UPLOAD]()


def _uploads() -> list[Sound]:
    files = st.file_uploader(
        "Drop sound files here",
        type=ENDINGS,
        accept_multiple_files=True,
        key=state.UPLOADS,
    )
    if len(files) > MAX_FILES:
        st.warning(f"Only the first {MAX_FILES} of {len(files)} files are analysed.", icon=":material/warning:")
    return [Sound(file.name, file.getvalue()) for file in files[:MAX_FILES]]


def _recording() -> list[Sound]:
    file = st.audio_input(
        "Press the microphone and speak for two to four seconds",
        sample_rate=RECORDING_RATE,
        key=state.RECORDING,
    )
    st.caption("The recording stays in this session and is not kept. The microphone needs https, or localhost.")
    return [Sound("recording.wav", file.getvalue())] if file else []


def _sample() -> list[Sound]:
    samples = {sample.title: sample for sample in cache.samples()}
    title = st.selectbox("Sample", list(samples), key=state.SAMPLE)
    sample = samples[title]
    if not sample.is_real:
        st.caption("This voice was made by a speech synthesizer; nobody felt anything while it spoke.")
    return [Sound(sample.path.name, sample.path.read_bytes())]
