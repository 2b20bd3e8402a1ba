"""The moving picture: the emotion of the moment, its probabilities, the last minutes."""

import streamlit as st

from core.plots import timeline as plots
from core.serving.live import RECENT, LiveWorker
from core.serving.segments import Reading, smooth
from pages.ui.shared import cache
from pages.ui.shared.answer import icon_of

REDRAW = 0.3
"""Time between two drawings of the moment, in seconds."""
REDRAW_TIMELINE = 2.0
"""Time between two drawings of the timeline, in seconds: the dearer picture, of which less depends on the moment."""
MIN_SPAN = 15.0
"""Time that the timeline spans at least, in seconds."""
LEVEL_FLOOR = -70.0
"""Level at which the meter is empty, in dBFS."""


def show_live(worker: LiveWorker, half_life: float) -> None:
    """Show what the worker knows; both parts are drawn again by themselves."""
    _show_moment(worker, half_life)
    _show_timeline(worker, half_life)


@st.fragment(run_every=REDRAW)
def _show_moment(worker: LiveWorker, half_life: float) -> None:
    """Draw the input level, the emotion of the moment and its probabilities: no figure, so that it stays cheap."""
    readings = _smoothed(worker, half_life)
    if not worker.is_running:
        st.warning("The connection has ended. Press Stop, then Start.", icon=":material/signal_disconnected:")
    level = worker.level
    full = min(max((level - LEVEL_FLOOR) / -LEVEL_FLOOR, 0.0), 1.0)
    st.progress(full, text=f"Input level {level:.0f} dBFS" if level > LEVEL_FLOOR else "Input level: silence")
    answer_place, bars_place = st.columns([4, 5], gap="large")
    with answer_place:
        _show_now(readings)
    with bars_place:
        st.html(plots.moving_bars(cache.predictor().labels, readings[-1].y_proba if readings else None))


@st.fragment(run_every=REDRAW_TIMELINE)
def _show_timeline(worker: LiveWorker, half_life: float) -> None:
    """Draw the last minutes."""
    readings = _smoothed(worker, half_life)
    if readings:
        end = max(readings[-1].window.end, MIN_SPAN)
        figure = plots.timeline(readings, max(end - RECENT, 0.0), end)
        st.plotly_chart(figure, config={"displayModeBar": False}, key="live-timeline", alt="Emotion over time")


def _smoothed(worker: LiveWorker, half_life: float) -> list[Reading]:
    """Return the windows of the last minutes, smoothed."""
    return smooth(worker.recent, cache.predictor().model.threshold, half_life)


def _show_now(readings: list[Reading]) -> None:
    """Show the emotion of the moment, large; always three lines, so that nothing jumps."""
    newest = readings[-1] if readings else None
    if newest is None:
        words, detail = "Listening", ":material/hearing: The first answer comes with the first words."
    elif newest.emotion is None:
        words, detail = "No speech", ":material/mic: Silence and noise have no emotion."
    elif newest.label == newest.emotion:
        words = newest.emotion.capitalize()
        detail = f"{icon_of(newest.emotion)} **{newest.confidence:.0%}** confident"
    elif newest.is_beginning:
        words, detail = "Listening", ":material/hearing: A voice begins; there is too little of it yet."
    else:
        words = "Unsure"
        detail = f":material/help: perhaps {newest.emotion}, **{newest.confidence:.0%}** confident"
    st.markdown(f"# {words}")
    st.markdown(detail)
    st.caption(f"{plots.clock(newest.window.end) if newest else '0:00'} of this take")
