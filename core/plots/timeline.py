"""Figures of an answer over time."""

import html
from collections.abc import Sequence
from typing import Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.plots.style import MUTED_COLOR, WAVE_COLOR, color_of, frame
from core.serving.prediction import UNSURE
from core.serving.segments import NO_SPEECH, Reading, Segment, find_segments, share_by_block

NO_EMOTION_COLORS: Final = {UNSURE: "#6B7280", NO_SPEECH: "#C9CED6"}
SILENCE_COLOR: Final = "rgba(138,144,153,0.18)"
"""Time without speech in stacked figures: there, but not seen first, on both themes."""
UNSEEN: Final = {"opacity": 0}
"""Points that are there to be clicked."""
MIN_LABELLED: Final = 0.035
"""Share of the time axis from which on a segment has room for its label, upright."""
MIN_ACROSS: Final = 0.12
"""The same, across; on a phone too."""
BLOCKS: Final = (5.0, 10.0, 15.0, 30.0, 60.0)
"""Lengths of the blocks of an overview, in seconds."""
MAX_BLOCKS: Final = 120
LEVEL_RANGE: Final = (-70.0, 0.0)
PITCH_RANGE: Final = (60.0, 600.0)


def moving_bars(labels: Sequence[str], y_proba: NDArray[np.float64] | None) -> str:
    """Draw the probability of each emotion in a fixed order, so that only the bars move.

    A plain picture instead of a Plotly figure: it is drawn several times a second, on phones too.

    Parameters
    ----------
    labels : sequence of str
        The model's emotions.
    y_proba : np.ndarray [shape=(k,)] or None
        Of the labels; None while nobody speaks, which draws no bars.

    Returns
    -------
    str
        HTML of numbers and escaped names alone, in the colours of its surroundings.
    """
    rows = []
    for k, emotion in enumerate(labels):
        p = 0.0 if y_proba is None else float(y_proba[k])
        bar = f"display:inline-block;height:17px;width:{84 * p:.1f}%;background:{color_of(emotion)};"
        number = "" if y_proba is None else f"{p:.2f}"
        rows.append(
            '<div style="display:flex;align-items:center;gap:8px;height:27px">'
            f'<span style="width:76px;text-align:right">{html.escape(emotion)}</span>'
            '<span style="flex:1;display:flex;align-items:center;gap:6px">'
            f'<span style="{bar}"></span><span>{number}</span></span></div>'
        )
    return (
        '<div style="font-size:14px"><div style="font-size:16px;font-weight:600;padding:4px 0 8px">'
        f"Probability, 0 to 1</div>{''.join(rows)}</div>"
    )


def timeline(readings: Sequence[Reading], start: float, end: float, *, clickable: bool = False) -> go.Figure:
    """Draw probabilities stacked over time with gaps where nobody speaks, and level and pitch beneath.

    Parameters
    ----------
    readings : sequence of Reading
        As from ``core.serving.segments.smooth``; at least one.
    start, end : float
        Ends of the time axis, in seconds.
    clickable : bool
        Whether a click on the probabilities tells a time; it costs points that nobody sees.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    # A step begins where its window's stretch does; the last one is closed at its end.
    closed = [*readings, readings[-1]]
    times = np.array([reading.window.start for reading in readings] + [readings[-1].window.end])
    labels = next((reading.labels for reading in readings if reading.labels), ())
    nobody = np.zeros(len(labels))
    y_proba = np.stack([nobody if reading.y_proba is None else reading.y_proba for reading in closed]).round(3)
    silence = np.array([float(reading.y_proba is None) for reading in closed])
    areas = [_area(times, y_proba[:, k], name, color_of(name)) for k, name in enumerate(labels)]
    areas.append(_area(times, silence, NO_SPEECH, SILENCE_COLOR))
    if clickable:
        for area in areas:
            area.update(mode="lines+markers", marker=UNSEEN, selected_marker=UNSEEN, unselected_marker=UNSEEN)
    centres = np.array([(reading.window.start + reading.window.end) / 2 for reading in readings])
    level = np.array([max(reading.window.level, LEVEL_RANGE[0]) for reading in readings]).round(1)
    pitch = np.array([reading.window.pitch or np.nan for reading in readings]).round(1)
    figure = go.Figure(
        [
            *areas,
            _line(centres, level, "level (dBFS)", "y2"),
            _line(centres, pitch, "pitch (Hz)", "y3"),
        ]
    )
    ticks = _ticks(start, end)
    x_axis = {"title": "time (min:s)", "range": [start, end], "anchor": "y3", "hoverformat": ".1f"}
    marked = [(s, s.duration / (end - start)) for s in find_segments(readings) if s.emotion]
    marked = [(segment, share) for segment, share in marked if share >= MIN_LABELLED]
    is_across = all(share >= MIN_ACROSS for _, share in marked)
    still = {"fixedrange": True}  # time alone is moved and zoomed
    # One layout at once, without subplots: this is drawn twice a second.
    return frame(
        figure,
        "Emotion over time",
        470,
        margin={"t": 56 if is_across else 92},
        hovermode="x unified",
        uirevision="timeline",
        legend={"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0, "traceorder": "normal"},
        xaxis=x_axis | {"tickvals": ticks, "ticktext": list(map(clock, ticks))},
        yaxis=still | {"title": "probability", "range": [0, 1], "tickvals": [0, 0.5, 1], "domain": [0.48, 1]},
        yaxis2=still
        | {"title": "level<br>(dBFS)", "range": LEVEL_RANGE, "tickvals": [-60, -30, 0], "domain": [0.24, 0.44]},
        yaxis3=still
        | {"title": "pitch<br>(Hz)", "type": "log", "range": np.log10(PITCH_RANGE), "tickvals": [100, 200, 400]}
        | {"domain": [0, 0.2]},
        annotations=[
            {"x": (max(segment.start, start) + segment.end) / 2, "y": 1, "yanchor": "bottom", "showarrow": False}
            | {"text": segment.label, "font": {"size": 11, "color": MUTED_COLOR}}
            | {"textangle": 0 if share >= MIN_ACROSS else -90}
            for segment, share in marked
        ],
    )


def shares(share_of_time: dict[str, float]) -> go.Figure:
    """Draw the share of time of each label as one horizontal bar a label.

    Parameters
    ----------
    share_of_time : dict of str to float
        As from ``core.serving.prediction.share_of_time``.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    names, values = list(share_of_time), list(share_of_time.values())
    figure = go.Figure(
        go.Bar(
            x=values,
            y=names,
            orientation="h",
            marker_color=[NO_EMOTION_COLORS.get(name) or color_of(name) for name in names],
            text=[f"{value:.0%}" if value >= 0.01 else "&lt;1%" for value in values],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    return frame(
        figure,
        "Share of the whole time, silence too",
        110 + 26 * len(names),
        xaxis={"title": "share of time", "range": [0, 1.15], "tickformat": ".0%", "tickvals": [0, 0.5, 1]},
        yaxis={"title": None, "ticksuffix": " ", "autorange": "reversed"},
        bargap=0.35,
    )


def overview(segments: Sequence[Segment], start: float, end: float) -> go.Figure:
    """Draw what long sounds are made of: the shares of time of labels, block by block, and the part shown in detail.

    Parameters
    ----------
    segments : sequence of Segment
        As from ``core.serving.segments.find_segments``; at least one.
    start, end : float
        The part that is shown in detail elsewhere, in seconds.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    duration = segments[-1].end
    block = next((length for length in BLOCKS if duration / length <= MAX_BLOCKS), BLOCKS[-1])
    edges = np.append(np.arange(0, duration, block), duration)
    colors = NO_EMOTION_COLORS | {NO_SPEECH: SILENCE_COLOR}
    bars = [
        go.Bar(
            x=edges[:-1],
            y=share.round(3),
            width=np.diff(edges),
            offset=0,
            name=label,
            marker={"color": colors.get(label) or color_of(label), "line": {"width": 0}},
            customdata=list(map(clock, edges[:-1])),
            hovertemplate="from %{customdata}: %{y:.0%}",
        )
        for label, share in share_by_block(segments, edges).items()
    ]
    ticks = _ticks(0.0, duration)
    return frame(
        go.Figure(bars),
        f"Share of time in blocks of {block:.0f} s",
        340,
        barmode="stack",
        bargap=0,
        uirevision="overview",
        legend={"orientation": "h", "y": -0.5, "yanchor": "top", "x": 0, "traceorder": "normal"},
        xaxis={"title": "time (min:s)", "range": [0, duration], "tickvals": ticks, "ticktext": list(map(clock, ticks))},
        yaxis={"title": "share of time", "range": [0, 1], "tickvals": [0, 0.5, 1], "tickformat": ".0%"},
        shapes=[
            {"type": "rect", "x0": start, "x1": end, "y0": 0, "y1": 1, "yref": "paper"}
            | {"line": {"color": MUTED_COLOR, "width": 2}}
        ],
    )


def clock(seconds: float) -> str:
    """Return a time for people.

    >>> clock(0), clock(75.25), clock(3601)
    ('0:00', '1:15.2', '60:01')
    """
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}".removesuffix(".0")


def _area(x: NDArray[np.float64], y: NDArray[np.float64], name: str, color: str) -> go.Scatter:
    """Return one of the stacked areas, in steps."""
    line = {"width": 0, "shape": "hv", "color": color}
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line=line,
        fillcolor=color,
        stackgroup="probability",
        hovertemplate="%{y:.2f}",
    )


def _line(x: NDArray[np.float64], y: NDArray[np.float64], name: str, axis: str) -> go.Scatter:
    """Return a line on an axis of its own, broken where there are no values."""
    line = {"color": WAVE_COLOR, "width": 1.5}
    return go.Scatter(
        x=x, y=y, name=name, yaxis=axis, mode="lines+markers", line=line, marker={"size": 3}, showlegend=False
    )


def _ticks(start: float, end: float) -> list[float]:
    """Return up to nine round times within an interval."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900)
    step = next((s for s in steps if (end - start) / s <= 8), 900)
    return [float(t) for t in np.arange(np.ceil(start / step) * step, end + 1e-9, step)]
