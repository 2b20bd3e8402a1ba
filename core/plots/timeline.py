"""Figures of an answer over time."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from core.labels import EMOTIONS
from core.plots.style import EMOTION_COLORS, MUTED_COLOR, WAVE_COLOR, frame
from core.serving.segments import NO_SPEECH, UNSURE, Reading, find_segments

LABEL_COLORS: Final = {**EMOTION_COLORS, UNSURE: "#6B7280", NO_SPEECH: "#C9CED6"}
MIN_LABELLED: Final = 0.07
"""Share of the time axis from which on a segment has room for its label."""
LEVEL_RANGE: Final = (-70.0, 0.0)
PITCH_RANGE: Final = (60.0, 600.0)


def moving_bars(y_proba: NDArray[np.float64] | None) -> go.Figure:
    """Draw the probability of each emotion in a fixed order, so that only the bars move.

    Parameters
    ----------
    y_proba : np.ndarray [shape=(8,)] or None
        In the order of ``EMOTIONS``; None while nobody speaks, which draws no bars.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    values = np.zeros(len(EMOTIONS)) if y_proba is None else y_proba
    figure = go.Figure(
        go.Bar(
            x=values,
            y=list(EMOTIONS),
            orientation="h",
            marker_color=[EMOTION_COLORS[name] for name in EMOTIONS],
            text=["" if y_proba is None else f"{value:.2f}" for value in values],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    return frame(
        figure,
        "Probability of each emotion",
        300,
        xaxis={"title": "probability", "range": [0, 1.15], "tickvals": [0, 0.25, 0.5, 0.75, 1]},
        yaxis={"title": None, "ticksuffix": " ", "autorange": "reversed"},
        bargap=0.35,
    )


def timeline(readings: Sequence[Reading], start: float, end: float) -> go.Figure:
    """Draw probabilities stacked over time with gaps where nobody speaks, and level and pitch beneath.

    Parameters
    ----------
    readings : sequence of Reading
        As from ``core.serving.segments.smooth``; at least one.
    start, end : float
        Ends of the time axis, in seconds.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = make_subplots(rows=3, shared_xaxes=True, vertical_spacing=0.05, row_heights=[0.56, 0.22, 0.22])
    # A step begins where its window's stretch does; the last one is closed at its end.
    times = [reading.window.start for reading in readings] + [readings[-1].window.end]
    nobody = np.zeros(len(EMOTIONS))
    y_proba = np.stack([nobody if r.y_proba is None else r.y_proba for r in [*readings, readings[-1]]])
    silence = [float(reading.y_proba is None) for reading in [*readings, readings[-1]]]
    for k, emotion in enumerate(EMOTIONS):
        _add_area(figure, times, y_proba[:, k].round(3), emotion, EMOTION_COLORS[emotion])
    _add_area(figure, times, silence, NO_SPEECH, "rgba(138,144,153,0.18)")
    for segment in find_segments(readings):
        if segment.duration >= MIN_LABELLED * (end - start):
            figure.add_annotation(
                x=(max(segment.start, start) + segment.end) / 2,
                y=1,
                yanchor="bottom",
                text=segment.label,
                showarrow=False,
                font={"size": 11, "color": MUTED_COLOR},
                row=1,
                col=1,
            )
    centres = [(reading.window.start + reading.window.end) / 2 for reading in readings]
    level = [max(reading.window.level, LEVEL_RANGE[0]) for reading in readings]
    pitch = [reading.window.pitch for reading in readings]
    line = {"color": WAVE_COLOR, "width": 1.5}
    options = {"showlegend": False, "mode": "lines+markers"}
    figure.add_scatter(
        x=centres, y=np.round(level, 1), line=line, marker_size=2, name="level (dBFS)", row=2, col=1, **options
    )
    figure.add_scatter(x=centres, y=pitch, line=line, marker_size=4, name="pitch (Hz)", row=3, col=1, **options)
    figure.update_xaxes(range=[start, end], tickvals=_ticks(start, end), ticktext=list(map(clock, _ticks(start, end))))
    figure.update_xaxes(title="time (min:s)", row=3, col=1)
    figure.update_yaxes(title="probability", range=[0, 1.0], row=1, col=1, tickvals=[0, 0.5, 1])
    figure.update_yaxes(title="level<br>(dBFS)", range=LEVEL_RANGE, row=2, col=1, tickvals=[-60, -30, 0])
    figure.update_yaxes(
        title="pitch<br>(Hz)", type="log", range=np.log10(PITCH_RANGE).tolist(), row=3, col=1, tickvals=[100, 200, 400]
    )
    legend = {"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0, "traceorder": "normal"}
    return frame(
        figure, "Emotion over time", 470, legend=legend, hovermode="x unified", uirevision="timeline", margin={"t": 56}
    )


def shares(share_of_time: dict[str, float]) -> go.Figure:
    """Draw the share of time of each label as one horizontal bar a label.

    Parameters
    ----------
    share_of_time : dict of str to float
        As from ``core.serving.segments.share_of_time``.

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
            marker_color=[LABEL_COLORS[name] for name in names],
            text=[f"{value:.0%}" for value in values],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    return frame(
        figure,
        "Share of time",
        110 + 26 * len(names),
        xaxis={"title": "share of time", "range": [0, 1.15], "tickformat": ".0%", "tickvals": [0, 0.5, 1]},
        yaxis={"title": None, "ticksuffix": " ", "autorange": "reversed"},
        bargap=0.35,
    )


def clock(seconds: float) -> str:
    """Return a time for people.

    >>> clock(0), clock(75.25), clock(3601)
    ('0:00', '1:15.2', '60:01')
    """
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}".removesuffix(".0")


def _add_area(figure: go.Figure, x: list[float], y: Sequence[float], name: str, color: str) -> None:
    """Add one of the stacked areas, in steps."""
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        stackgroup="probability",
        line={"width": 0, "shape": "hv", "color": color},
        fillcolor=color,
        hovertemplate="%{y:.2f}",
        row=1,
        col=1,
    )


def _ticks(start: float, end: float) -> list[float]:
    """Return up to nine round times within an interval."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900)
    step = next((s for s in steps if (end - start) / s <= 8), 900)
    return [float(t) for t in np.arange(np.ceil(start / step) * step, end + 1e-9, step)]
