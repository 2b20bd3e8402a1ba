"""Showing a sound over time: figure, shares, segments to hear, files."""

import bisect
import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.audio.sound import Sound
from core.audio.stream import Stream
from core.config import DecodeLimits
from core.plots import timeline as plots
from core.plots.style import SAVING
from core.serving.exports import file_stem, segment_table, spreadsheet_csv, timeline_json, window_table
from core.serving.prediction import Prediction, share_of_time
from core.serving.segments import HALF_LIFE, Reading, Segment, find_segments, smooth
from core.serving.timeline import LIVE, Window, follow
from core.work.turns import LATEST
from pages.ui.shared import cache, state
from pages.ui.shared.baseline import personal_shift
from pages.ui.shared.player import ask_to_play, regions_of, show_player

UNASKED_DURATION = 60.0
"""Length up to which the timeline is computed without being asked for, in seconds."""
N_LEVELS = 1_200
"""Levels that stand for the waveform of a sound that is only followed."""
STRETCH = 120.0
"""What the timeline of a longer sound shows at once, in seconds."""


def choose_half_life() -> float:
    """Show how much is smoothed, and return the half-life in seconds."""
    return float(
        st.slider(
            "Smoothing: half-life in seconds",
            0.0,
            3.0,
            HALF_LIFE,
            0.25,
            key=state.TIMELINE_HALF_LIFE,
            persist_state="session",
            help="After this time, a window counts half as much in what is shown. 0 shows every window as it is. A "
            "pause ends the smoothing.",
        )
    )


def known_windows(sound: Sound) -> list[Window]:
    """Return the windows of a sound that was followed, none before."""
    return cache.st_timeline(sound, cache.predictor(), personal_shift()).result or []


def levels_of(windows: list[Window]) -> list[float]:
    """Return the levels of equal stretches of a sound that was followed, in dBFS, none before."""
    if not windows:
        return []
    ends, step = [window.end for window in windows], windows[-1].end / N_LEVELS
    return [windows[min(bisect.bisect(ends, k * step), len(windows) - 1)].level for k in range(N_LEVELS)]


def show_upload_timeline(sound: Sound, duration: float) -> list[Window]:
    """Show the timeline of an uploaded sound, and return its windows; of a long one when asked for, none before."""
    personal, predictor = personal_shift(), cache.predictor()
    timeline = cache.st_timeline(sound, predictor, personal)
    st.subheader("Over time")
    place = st.empty()
    if timeline.result is None and duration > UNASKED_DURATION and not _ask(place.container(), duration):
        return []

    def listen() -> list[Window]:
        windows, bar = [], place.progress(0.0, text="Listening ...")
        shift = personal.values if personal else None
        with cache.in_turn(behind=LATEST):
            blocks = Stream(sound.data, part=sound.part)
            for window in follow(blocks, predictor, shift=shift):
                windows.append(window)
                share = min(window.end / duration, 1.0) if duration else 0.0
                done, whole = plots.clock(window.end), plots.clock(duration)
                bar.progress(share, text=f"Listened to {done} of {whole}. Stay on this page.")
        bar.empty()
        return windows

    if timeline.result is None and duration > DecodeLimits().max_duration:
        timeline.get(listen)
        st.rerun()  # the player above shows what was found
    windows = timeline.get(listen)
    show_timeline(windows, sound, key="upload", name=file_stem(sound.name))
    return windows


def _ask(place: DeltaGenerator, duration: float) -> bool:
    """Offer to follow a long sound; tell whether that was wanted."""
    place.caption(f"{duration / 60:.0f} minutes of sound; an hour takes about a minute.")
    return bool(place.button("Follow over time", icon=":material/timeline:"))


def show_timeline(
    windows: list[Window], sound: Sound, key: str, *, name: str, player: DeltaGenerator | None = None
) -> None:
    """Show windows as figure, shares and table; a chosen segment is played. Files begin with ``name``.

    The sound's player stands elsewhere on the page, or in the given place.
    """
    model = cache.predictor().model
    if not windows:
        st.info("The sound is too short to be followed over time.", icon=":material/info:")
        return
    picture = st.container()
    is_live = any(isinstance(window.prediction, Prediction) for window in windows)
    readings = smooth(windows, model.threshold, choose_half_life() if is_live else 0.0)
    segments = find_segments(readings)
    with picture:
        _show_picture(readings, segments, sound, key)
    table_place, share_place = st.columns([3, 2], gap="large")
    if player is not None:
        with player:
            show_player(sound, key=key, regions=regions_of(segments))
    with table_place:
        _show_segments(segments, sound, key)
    with share_place:
        shares = share_of_time(segments)
        alt = ", ".join(f"{label} {share:.0%}" for label, share in shares.items())
        st.plotly_chart(plots.shares(shares), config={"displayModeBar": False}, key=f"{key}-shares", alt=alt)
    _show_downloads(segments, readings, model.name, name)
    rests = f"the {LIVE.length:g} s before it, on less after a pause" if is_live else "one stretch of voice"
    st.caption(
        f"Each answer rests on {rests}. Silence and noise are no speech and have no emotion. Answers by {model.name}."
    )


def _show_picture(readings: list[Reading], segments: list[Segment], sound: Sound, key: str) -> None:
    """Show probabilities, level and pitch over time; of long sounds a stretch, and an overview above. A click plays."""
    start, end = _choose_stretch(segments, key)
    shown = [reading for reading in readings if reading.window.end > start and reading.window.start < end]
    key = f"{key}-timeline"

    def play() -> None:
        for point in st.session_state[key]["selection"]["points"][:1]:
            _play_from(sound, point.get("x"), segments)

    st.plotly_chart(
        plots.timeline(shown, start, end, clickable=True),
        config=SAVING,
        key=key,
        on_select=play,
        selection_mode="points",
        alt="Emotion over time; the table beneath tells the same",
    )


def _play_from(sound: Sound, start: object, segments: list[Segment]) -> None:
    """Play a sound from a time, as a browser tells it, to the end of the segment that it lies in."""
    if isinstance(start, int | float):
        ends = [segment.end for segment in segments if segment.start <= start < segment.end]
        if ends:
            ask_to_play(sound, float(start), ends[0])


def _choose_stretch(segments: list[Segment], key: str) -> tuple[float, float]:
    """Return the ends of the time to show: all of it, or a stretch that is chosen on an overview."""
    duration = segments[-1].end
    if duration <= STRETCH:
        return 0.0, duration
    starts = [k * STRETCH for k in range(math.ceil(duration / STRETCH))]
    place = st.container()
    start = st.select_slider(
        "Shown beneath",
        starts,
        format_func=lambda start: f"{plots.clock(start)} to {plots.clock(min(start + STRETCH, duration))}",
        key=f"{state.TIMELINE_STRETCH}-{key}",
    )
    end = min(start + STRETCH, duration)
    place.plotly_chart(
        plots.overview(segments, start, end),
        config=SAVING,
        key=f"{key}-overview",
        alt="Share of time of each answer over the whole sound; the table beneath tells the same",
    )
    return start, end


def _show_segments(segments: list[Segment], sound: Sound, key: str) -> None:
    """Show the table of segments; the chosen one is played."""
    table = segment_table(segments)
    table["emotion"] = table["emotion"].fillna("")
    is_heard = table["emotion"] != ""
    table["confidence"] = table["confidence"].fillna(0.0).map("{:.2f}".format).where(is_heard, "")
    table["start"], table["end"] = table["start"].map(plots.clock), table["end"].map(plots.clock)
    key = f"{state.TIMELINE_SEGMENT}-{key}"

    def play() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows and rows[0] < len(segments):
            ask_to_play(sound, segments[rows[0]].start, segments[rows[0]].end)

    st.dataframe(
        table,
        hide_index=True,
        height=min(36 * (len(table) + 1), 320),
        column_config={
            "start": st.column_config.TextColumn("From", help="Minutes and seconds", width=60),
            "end": st.column_config.TextColumn("To", help="Minutes and seconds", width=60),
            "label": st.column_config.TextColumn("Answer", width=90),
            "emotion": st.column_config.TextColumn("Most likely", width=90),
            "confidence": st.column_config.TextColumn("Confidence", alignment="right"),
        },
        on_select=play,
        selection_mode="single-row",
        key=key,
    )
    st.caption("Choose a row, or click the picture above, to hear what was said there.")


def _show_downloads(segments: list[Segment], readings: list[Reading], model: str, name: str) -> None:
    """Offer the figures behind the charts; files are made when asked for."""
    files = {
        "Segments, CSV": (lambda: spreadsheet_csv(segment_table(segments)), "segments.csv"),
        "Windows, CSV": (lambda: spreadsheet_csv(window_table(readings)), "windows.csv"),
        "JSON": (lambda: timeline_json(segments, readings, model), "timeline.json"),
    }
    with st.container(horizontal=True):
        for label, (make, kind) in files.items():
            st.download_button(
                label, make, f"{name}-{kind}", icon=":material/download:", key=f"{name}-{kind}", on_click="ignore"
            )
