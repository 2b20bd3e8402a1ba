"""The one player: a sound as a picture to hear, with regions and a stretch to choose and to be answered alone.

Its other half runs in the browser, in ``pages/ui/shared/wavesurfer``, and is served by this server. The sound is served
by Streamlit's media files, or streamed from there where it is long.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import streamlit as st
from plotly.colors import sequential
from streamlit import runtime
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

from core.audio.containers import describe_coding
from core.audio.decode import Waveform
from core.audio.sound import Sound
from core.config import DecodeLimits
from core.errors import BusyError, SoundWebError
from core.plots.style import CONTRAST_COLOR, SPECTRUM_SCALE, WAVE_COLOR, color_of
from core.plots.timeline import NO_EMOTION_COLORS, clock
from core.serving.exports import to_int16, wav_bytes
from core.serving.segments import NO_SPEECH
from pages.ui.shared import answer, cache, links, state
from pages.ui.shared.strangers import uploads

FOLDER: Final = Path(__file__).with_name("wavesurfer")
NAME: Final = "soundweb.player"
SPECTROGRAM_LIMIT: Final = 120.0
"""Length up to which the browser draws a spectrogram, in seconds."""
MIMES: Final = {
    "WAV": "audio/wav",
    "WAVEX": "audio/wav",
    "FLAC": "audio/flac",
    "OGG": "audio/ogg",
    "MP3": "audio/mpeg",
    "MOV": "audio/mp4",
    "MATROSKA": "audio/webm",
    "AAC": "audio/aac",
}
"""Media types of the containers that browsers play."""
EXACT: Final = ("audio/wav", "audio/flac", "audio/ogg")
"""Those whose times browsers and decoder read alike: MP3 and AAC can lack their length, and begin with a pause."""
PLAIN_CODINGS: Final = ("PCM", "FLOAT", "DOUBLE", "ULAW", "ALAW")
"""Beginnings of the codings that browsers play in a WAV file."""


class Stretch(Protocol):
    """A stretch of time with a label."""

    @property
    def start(self) -> float:
        """Beginning, in seconds."""

    @property
    def end(self) -> float:
        """End, in seconds."""

    @property
    def label(self) -> str:
        """What it is called."""


@dataclasses.dataclass(frozen=True)
class Region:
    """A stretch of a sound that the player marks."""

    start: float
    """In seconds."""
    end: float
    """In seconds."""
    label: str
    """What stands in it, as plain text."""
    color: str
    """As ``#rrggbb``."""


def regions_of(stretches: Iterable[Stretch]) -> list[Region]:
    """Return answered stretches as regions in the colours of their answers; time without speech is left out."""
    return [
        Region(s.start, s.end, s.label, NO_EMOTION_COLORS.get(s.label) or color_of(s.label))
        for s in stretches
        if s.label != NO_SPEECH
    ]


def show_player(
    sound: Sound, *, key: str, regions: Sequence[Region] = (), levels: Sequence[float] = (), small: bool = False
) -> None:
    """Show a sound to hear, and answer the stretch of it that somebody chooses, which stands in the address.

    Parameters
    ----------
    sound : Sound
        The sound; its name may come from outside.
    key : str
        Tells the players of a page apart.
    regions : sequence of Region
        What is marked.
    levels : sequence of float
        Levels of equal stretches, in dBFS, which stand for the waveform of a sound too long to be drawn from its
        samples.
    small : bool
        Whether the waveform alone is shown, for several players beside each other.
    """
    key = f"{state.PLAYER}-{key}-{_short_digest(sound)}"
    _show(sound, key, tuple(regions), tuple(levels), small=small)


def describe_sound(sound: Sound, waveform: Waveform) -> None:
    """Say what the file of a sound was."""
    channels = {1: "mono", 2: "stereo"}.get(waveform.channels, f"{waveform.channels} channels")
    level = cache.assessment(sound).level
    loudness = f"level {level:.0f} dBFS" if math.isfinite(level) else "silent"
    st.caption(
        f"{describe_coding(waveform.container)} · {waveform.file_rate / 1000:g} kHz · {channels} · "
        f"{waveform.duration:.1f} s · {loudness}"
    )


def ask_to_play(sound: Sound, start: float, end: float) -> None:
    """Let the player of a sound play a stretch in the next run, once."""
    before = st.session_state.get(state.PLAY, {}).get("id", 0)
    st.session_state[state.PLAY] = {"sound": sound.sha256, "start": start, "end": end, "id": before + 1}


@st.fragment
def _show(sound: Sound, key: str, regions: tuple[Region, ...], levels: tuple[float, ...], *, small: bool) -> None:
    """Show the player and the answer for the stretch; a choice runs this part of the page alone."""
    duration = cache.duration(sound)
    is_long = duration > DecodeLimits().max_duration
    told = st.session_state.get(state.PLAY, {})
    try:
        address = _address(sound, key, is_long=is_long)
    except BusyError as error:
        st.warning(str(error), icon=":material/hourglass:")
        return
    stretch = linked_stretch(sound, duration)
    _renderer(get_bidi_component_manager())(
        key=key,
        data={
            "url": address,
            "name": sound.name,
            "regions": [dataclasses.asdict(region) for region in regions],
            "peaks": _peaks(levels) if is_long else None,
            "duration": duration if is_long else None,
            "spectrogram": duration <= SPECTROGRAM_LIMIT and not small,
            "small": small,
            "wave": WAVE_COLOR,
            "cursor": CONTRAST_COLOR,
            "scale": getattr(sequential, SPECTRUM_SCALE),
            "play": told if told.get("sound") == sound.sha256 else None,
            "stretch": None if stretch is None else {"start": stretch[0], "end": stretch[1]},
        },
        on_stretch_change=functools.partial(_tell_stretch, sound, duration, key),
    )
    if stretch is not None:
        _answer_stretch(sound, *stretch, key)


def linked_stretch(sound: Sound, duration: float) -> tuple[float, float] | None:
    """Return the ends of the stretch of a sound that the address names, in seconds; None where it names none of it."""
    digest, _, told = st.query_params.get(state.STRETCH, "").partition(":")
    start, _, end = told.partition("-")
    try:
        ends = {"start": float(start), "end": float(end)}
    except ValueError:
        return None
    return read_stretch(ends, duration) if digest == _short_digest(sound) else None


def _tell_stretch(sound: Sound, duration: float, key: str) -> None:
    """Put the stretch that somebody chose into the address, with the sound that it is of."""
    stretch = read_stretch(st.session_state[key]["stretch"], duration)
    text = [] if stretch is None else [f"{_short_digest(sound)}:{stretch[0]:.3f}-{stretch[1]:.3f}"]
    links.tell({state.STRETCH: text})


def _short_digest(sound: Sound) -> str:
    return sound.sha256[:12]


def read_stretch(told: object, duration: float) -> tuple[float, float] | None:
    """Return the ends of a stretch in seconds, as a browser tells it, or None where that is no stretch of the sound.

    >>> read_stretch({"start": 0.5, "end": 9}, 2.0), read_stretch({"start": "x"}, 2.0), read_stretch(None, 2.0)
    ((0.5, 2.0), None, None)
    """
    if not isinstance(told, Mapping):
        return None
    ends = [told.get("start"), told.get("end")]
    if not all(isinstance(end, int | float) and math.isfinite(end) for end in ends):
        return None
    start, end = max(float(ends[0]), 0.0), min(float(ends[1]), duration)
    return (start, end) if start < end else None


def _answer_stretch(sound: Sound, start: float, end: float, key: str) -> None:
    """Answer a stretch as a sound of its own, and say that it is one."""
    with st.container(border=True, key=f"{key}-answer"):
        st.markdown(f"**{clock(start)} to {clock(end)}, answered by itself**")
        try:
            part = cache.stretch(sound, start, end)
            predictor = cache.predictor()
            prediction = cache.prediction(part, predictor, None)
        except SoundWebError as error:
            st.warning(error.told, icon=":material/warning:")
            return
        answer.show_short_answer(prediction)
        is_long = cache.duration(sound) > DecodeLimits().max_duration
        answer.note_known(prediction.known or (None if is_long else cache.known(sound, predictor.model)))
        st.download_button(
            "Stretch, WAV", part.data, part.name, "audio/wav", icon=":material/download:", key=f"{key}-file",
            on_click="ignore",
        )  # fmt: skip


def _address(sound: Sound, key: str, *, is_long: bool) -> str:
    """Return where the server has the sound for the browser: as it is, or as the voice that was found in it."""
    coding, n_channels = cache.coding(sound)
    container, _, codec = coding.partition(" ")
    mime = MIMES.get(container, "")
    if mime == "audio/wav" and not codec.startswith(PLAIN_CODINGS):
        mime = ""
    data = sound.data
    if not is_long and not (mime in EXACT and n_channels == 1):
        data, mime = wav_bytes(to_int16(cache.waveform(sound).y)), "audio/wav"
    if not runtime.exists():
        return ""
    if data is not sound.data and not uploads.has_room(cache.session(), len(data)):
        raise BusyError("There is no room to play this sound at the moment. Its answer stands; try again in a while.")
    # As ``st.audio`` does it; there is no public name for it.
    url = runtime.get_instance().media_file_mgr.add(data, mime or "application/octet-stream", key)
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}{url}" if base else url


def _peaks(levels: Sequence[float]) -> list[float]:
    """Return levels in dBFS as heights of a waveform, 0 to 1."""
    return [round(min(10 ** (level / 20) * 2, 1.0), 3) if level > -90 else 0.0 for level in levels] or [0.0, 0.0]


@functools.lru_cache(maxsize=2)
def _renderer(manager: BidiComponentManager) -> Callable[..., Any]:
    """Return the component on a server, whose files it then serves; a package would be found by its manifest."""
    package, _, component = NAME.partition(".")
    manifest = ComponentManifest(package, "", [ComponentConfig(component, FOLDER.name)])
    manager.register_from_manifest(manifest, FOLDER.parent)
    return st.components.v2.component(NAME, css="player.css", js="player.js")
