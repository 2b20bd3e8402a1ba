"""Choosing a sound: upload, microphone, sample, or a clip of the corpus."""

import dataclasses

import streamlit as st

from core.corpus.base import describe
from pages.ui.shared import cache, state
from pages.ui.shared.corpus import FoundCorpus, choose_corpus, find_corpus

UPLOAD, RECORD, SAMPLE, CLIP = "Upload", "Record", "Samples", "Corpus"
ICONS = {
    UPLOAD: ":material/upload_file:",
    RECORD: ":material/mic:",
    SAMPLE: ":material/graphic_eq:",
    CLIP: ":material/library_music:",
}
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


def choose_sounds(keys: state.SoundKeys = state.SOUND) -> list[Sound]:
    """Show the ways to a sound, and return what was chosen: nothing, one sound, or several uploads."""
    corpus = find_corpus(st.query_params.get(state.CORPUS)) or find_corpus()
    _open_linked_clip(corpus, keys)
    st.session_state.setdefault(keys.source, UPLOAD if keys is state.SOUND else CLIP if corpus else SAMPLE)
    source = st.segmented_control(
        "Sound from",
        [UPLOAD, RECORD, SAMPLE, *([CLIP] if corpus else [])],
        required=True,
        format_func=lambda name: f"{ICONS[name]} {name}",
        key=keys.source,
        label_visibility="collapsed",
        persist_state="session",
        wrap=True,
    )
    if source == CLIP and corpus:
        return _clip(choose_corpus() or corpus, keys)
    return {RECORD: _recording, SAMPLE: _sample}.get(source or UPLOAD, _uploads)(keys)


def _open_linked_clip(corpus: FoundCorpus | None, keys: state.SoundKeys) -> None:
    """Turn to the clip that the address names, unless it was opened before."""
    linked = st.query_params.get(state.CLIP)
    if corpus is None or keys is not state.SOUND or linked in (None, st.session_state.get(state.OPENED_CLIP)):
        return
    st.session_state[state.OPENED_CLIP] = linked
    if linked in set(corpus.clips["clip"]):
        st.session_state[keys.source], st.session_state[corpus.key(keys.clip)] = CLIP, linked


def _uploads(keys: state.SoundKeys) -> list[Sound]:
    files = st.file_uploader(
        "Drop sound files here",
        type=ENDINGS,
        accept_multiple_files=True,
        key=keys.uploads,
        on_change=_forget,
        args=(keys, UPLOAD),
    )
    if len(files) > MAX_FILES:
        st.warning(f"Only the first {MAX_FILES} of {len(files)} files are analysed.", icon=":material/warning:")
    return _keep(keys, UPLOAD, [Sound(file.name, file.getvalue()) for file in files[:MAX_FILES]])


def _recording(keys: state.SoundKeys) -> list[Sound]:
    file = st.audio_input(
        "Press the microphone and speak for two to four seconds",
        sample_rate=RECORDING_RATE,
        key=keys.recording,
        on_change=_forget,
        args=(keys, RECORD),
    )
    st.caption("The recording stays in this session and is not kept. The microphone needs https, or localhost.")
    return _keep(keys, RECORD, [Sound("recording.wav", file.getvalue())] if file else [])


def _keep(keys: state.SoundKeys, source: str, sounds: list[Sound]) -> list[Sound]:
    """Return the sounds of a widget, or those it held before another page was opened."""
    kept: dict[str, list[Sound]] = st.session_state.setdefault(keys.kept, {})
    if sounds:
        kept[source] = sounds
    elif kept.get(source):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(f"Still here: {', '.join(sound.name for sound in kept[source][:3])}")
            st.button("Remove", icon=":material/close:", type="tertiary", on_click=_forget, args=(keys, source))
    return kept.get(source, [])


def _forget(keys: state.SoundKeys, source: str) -> None:
    """Drop what was kept of a widget: somebody changed it."""
    st.session_state.get(keys.kept, {}).pop(source, None)


def _sample(keys: state.SoundKeys) -> list[Sound]:
    samples = {sample.title: sample for sample in cache.samples()}
    title = st.selectbox("Sample", list(samples), key=keys.sample, persist_state="session")
    sample = samples[title]
    if not sample.is_real:
        st.caption("This voice was made by a speech synthesizer; nobody felt anything while it spoke.")
    return [Sound(sample.path.name, sample.path.read_bytes())]


def _clip(corpus: FoundCorpus, keys: state.SoundKeys) -> list[Sound]:
    by_name = corpus.clips.set_index("clip", drop=False)
    clip = st.selectbox(
        f"Clip of {corpus.corpus.title}; type to search",
        corpus.clips["clip"].tolist(),
        format_func=lambda name: describe(by_name.loc[name], corpus.corpus),
        key=corpus.key(keys.clip),
        persist_state="session",
    )
    if keys is state.SOUND:
        st.query_params[state.CLIP] = st.session_state[state.OPENED_CLIP] = clip
    return [Sound(f"{clip}.flac", corpus.read(clip))]
