"""Choosing a sound: upload, microphone, sample, or a clip of the corpus."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.audio.sound import ENDINGS, Sound
from core.config import DecodeLimits
from core.corpus.base import describe
from core.corpus.catalogue import list_places
from pages.ui.shared import cache, links, state
from pages.ui.shared.corpus import FoundCorpus, address, choose_corpus, find_corpus
from pages.ui.shared.strangers import uploads
from pages.ui.shared.visits import follow_visit, visit

UPLOAD, RECORD, SAMPLE, CLIP = "Upload", "Record", "Samples", "Corpus"
MAX_FILES = 50
MOST_NAMED = 3
"""Files that are named where they are said to be still here."""
RECORDING_RATE = 48_000
"""Rate asked of the microphone, in Hz: that of the corpus, well above the features' own."""


def choose_sounds(keys: state.SoundKeys = state.SOUND) -> list[Sound]:
    """Show the ways to a sound, and return what was chosen: nothing, one sound, or several uploads."""
    if keys is state.SOUND:
        follow_visit()
    has_corpus = bool(list_places())
    first = UPLOAD if keys is state.SOUND else CLIP if has_corpus else SAMPLE
    sources = [UPLOAD, RECORD, SAMPLE, *([CLIP] if has_corpus else [])]
    _follow_address(keys, first)
    is_arrival = links.arrives(keys.source)
    _recall(keys.source, sources, first, is_arrival=is_arrival)
    source = st.segmented_control(
        "Sound from",
        sources,
        required=True,
        key=keys.source,
        label_visibility="collapsed",
        persist_state="session",
        wrap=True,
        on_change=_tell,
        args=(keys,),
    )
    _remember(keys.source)
    if source == CLIP and (corpus := choose_corpus(keys.corpus)):
        return _clip(corpus, keys, is_arrival=is_arrival)
    if source == SAMPLE:
        return _sample(keys, is_arrival=is_arrival)
    return _recording(keys) if source == RECORD else _uploads(keys)


def choose_sound(keys: state.SoundKeys = state.SOUND) -> Sound | None:
    """Show the ways to a sound, and return the chosen one: of several uploads the one that is looked at."""
    sounds = choose_sounds(keys)
    if len(sounds) < 2:
        return next(iter(sounds), None)
    looked_at = looked_at_among(sounds, keys)
    names = {sound.sha256: sound.name for sound in sounds}
    st.session_state[keys.file] = looked_at.sha256
    digest = st.selectbox("File", list(names), format_func=names.__getitem__, key=keys.file, persist_state="session")
    return next(sound for sound in sounds if sound.sha256 == digest)


def looked_at_among(sounds: list[Sound], keys: state.SoundKeys = state.SOUND) -> Sound:
    """Return which of several uploads is looked at, on all pages: the first one until somebody chooses."""
    looked_at = next((sound for sound in sounds if sound.sha256 == st.session_state.get(keys.file)), sounds[0])
    visit().chosen[keys.file] = looked_at.sha256
    return looked_at


def named_sound(keys: state.SoundKeys = state.SOUND) -> dict[str, str]:
    """Return the parameters that name the sound in this page's address, for links to other pages."""
    names = (keys.corpus, keys.linked, keys.linked_sample)
    return {name: st.query_params[name] for name in names if name in st.query_params}


def _corpus(keys: state.SoundKeys) -> FoundCorpus | None:
    """Return the corpus that the address or the visit names, or the first one; it is read for who needs its clips."""
    return find_corpus(st.query_params.get(keys.corpus) or st.session_state.get(keys.corpus)) or find_corpus()


def _follow_address(keys: state.SoundKeys, first: str) -> None:
    """Turn to the sound that the address names, where it names another one than before."""
    told = links.news(keys.linked, keys.linked_sample)
    if told is None:
        return
    clip, sample = told
    corpus = _corpus(keys) if clip else None
    if corpus is not None and clip in set(corpus.clips["clip"]):
        st.session_state[keys.source], st.session_state[corpus.key(keys.clip)] = CLIP, clip
    elif sample in {sample.title for sample in cache.samples()}:
        st.session_state[keys.source], st.session_state[keys.sample] = SAMPLE, sample
    else:
        st.session_state[keys.source] = first


def _recall(key: str, options: Sequence[str], default: str, *, is_arrival: bool) -> None:
    """Give a widget what the visit chose: on another page, Streamlit forgets what nobody clicked."""
    held = (st.session_state.get(key), visit().chosen.get(key), default)
    if is_arrival or held[0] not in options:
        st.session_state[key] = next(value for value in held if value in options)


def _remember(key: str) -> None:
    visit().chosen[key] = st.session_state[key]


def _tell(keys: state.SoundKeys) -> None:
    """Put what somebody chose into the address; uploads and recordings have no name there."""
    source, named = st.session_state[keys.source], {keys.linked: "", keys.linked_sample: ""}
    if source == CLIP and (corpus := _corpus(keys)) is not None:
        clip = st.session_state.get(corpus.key(keys.clip)) or str(corpus.clips["clip"].iloc[0])
        named |= address(corpus, clip, keys)
    elif source == SAMPLE:
        named[keys.linked_sample] = st.session_state.get(keys.sample) or cache.samples()[0].title
    links.tell({name: [text] if text else [] for name, text in named.items()})


def _uploads(keys: state.SoundKeys) -> list[Sound]:
    files = st.file_uploader(
        "Drop sound files here",
        type=list(ENDINGS),
        accept_multiple_files=True,
        max_upload_size=DecodeLimits().max_bytes // 2**20,
        key=keys.uploads,
        on_change=_forget,
        args=(keys, UPLOAD),
    )
    if len(files) > MAX_FILES:
        st.warning(f"Only the first {MAX_FILES} of {len(files)} files are analysed.", icon=":material/warning:")
    return _keep(keys, UPLOAD, {file.file_id: file for file in files[:MAX_FILES]})


def _recording(keys: state.SoundKeys) -> list[Sound]:
    file = st.audio_input(
        "Press the microphone and speak for two to four seconds",
        sample_rate=RECORDING_RATE,
        key=keys.recording,
        on_change=_forget,
        args=(keys, RECORD),
    )
    st.caption("The recording stays in this session and is not kept. The microphone needs https, or localhost.")
    return _keep(keys, RECORD, {file.file_id: file} if file else {})


def _keep(keys: state.SoundKeys, source: str, files: dict[str, Any]) -> list[Sound]:
    """Return the sounds of a widget's files by their ids, or those it held before a page was opened or loaded anew."""
    before = visit().kept(keys.kept, source)
    if files:
        # What is here already is kept as the object that it is, with its digest.
        sounds = {key: before.get(key) or _sound_of(file, source) for key, file in files.items()}
        visit().keep(keys.kept, source, sounds)
    elif before:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.text(f"Still here: {_name_some(list(before.values()), st.session_state.get(keys.file))}")
            label = "Remove" if len(before) == 1 else f"Remove all {len(before)}"
            st.button(label, icon=":material/close:", type="tertiary", on_click=_forget, args=(keys, source))
    return list(visit().kept(keys.kept, source).values())


def _name_some(sounds: list[Sound], looked_at: str | None) -> str:
    """Return the names of some sounds, of which one is looked at, and how many more there are."""
    shown = sounds[:MOST_NAMED]
    shown[-1:] = [sound for sound in sounds[MOST_NAMED:] if sound.sha256 == looked_at] or shown[-1:]
    more = len(sounds) - len(shown)
    return ", ".join(sound.name for sound in shown) + (f" and {more} more" if more else "")


def _sound_of(file: Any, source: str) -> Sound:
    """Return the sound that a widget holds."""
    sound = Sound("recording.wav" if source == RECORD else file.name, file.getvalue())
    uploads.keep(cache.session(), sound)
    return sound


def _forget(keys: state.SoundKeys, source: str) -> None:
    """Drop what was kept of a widget: somebody changed it."""
    visit().forget(keys.kept, source)


def _sample(keys: state.SoundKeys, *, is_arrival: bool) -> list[Sound]:
    samples = {sample.title: sample for sample in cache.samples()}
    _recall(keys.sample, list(samples), next(iter(samples)), is_arrival=is_arrival)
    title = st.selectbox(
        "Sample", list(samples), key=keys.sample, persist_state="session", on_change=_tell, args=(keys,)
    )
    _remember(keys.sample)
    sample = samples[title]
    if not sample.is_real:
        st.caption("This voice was made by a speech synthesizer; nobody felt anything while it spoke.")
    return [cache.stored_sound(str(sample.path), str(sample.path.stat().st_mtime_ns))]


def _clip(corpus: FoundCorpus, keys: state.SoundKeys, *, is_arrival: bool) -> list[Sound]:
    by_name, names = corpus.clips.set_index("clip", drop=False), corpus.clips["clip"].tolist()
    key = corpus.key(keys.clip)
    _recall(key, names, names[0], is_arrival=is_arrival)
    clip = st.selectbox(
        f"Clip of {corpus.corpus.title}; type to search",
        names,
        format_func=lambda name: describe(by_name.loc[name], corpus.corpus),
        key=key,
        persist_state="session",
        on_change=_tell,
        args=(keys,),
    )
    _remember(key)
    return [corpus.read(clip)]
