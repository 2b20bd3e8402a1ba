"""Figures of a corpus: counts by a field, and the map of its clips."""

from collections.abc import Collection
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from core.corpus.base import Corpus
from core.corpus.browsing import values_of
from core.labels import EMOTIONS
from core.plots.style import CONTRAST_COLOR, EMOTION_COLORS, SEQUENTIAL_SCALE, WAVE_COLOR, color_of, frame

SYMBOLS: Final = dict(
    zip(EMOTIONS, ("circle", "square", "diamond", "cross", "x", "triangle-up", "pentagon", "star"), strict=True)
)
"""Shapes beside the colours of emotions."""
FAINT: Final = 0.3
"""Opacity of what a filter leaves out."""


def count_bars(counts: pd.Series, field: str, chosen: Collection[Any] = (), *, horizontal: bool = False) -> go.Figure:
    """Draw the number of clips with each value of a field.

    Parameters
    ----------
    counts : pandas.Series
        As from ``core.corpus.browsing.count_clips``.
    field : str
        Name of the field.
    chosen : collection
        Values that the filter lets through; the others are faint. Empty for all.
    horizontal : bool
        Whether bars lie.

    Returns
    -------
    plotly.graph_objects.Figure
        ``customdata`` of a bar is its value of the field.
    """
    # Lists: the browser sends no selection of a bar or point that came as a binary array.
    names, numbers = [str(value) for value in counts.index], counts.tolist()
    colors = [EMOTION_COLORS.get(name, WAVE_COLOR) for name in names]
    bars = go.Bar(
        x=numbers if horizontal else names,
        y=names if horizontal else numbers,
        orientation="h" if horizontal else "v",
        customdata=counts.index.tolist(),
        marker={"color": colors, "opacity": [1 if not chosen or v in chosen else FAINT for v in counts.index]},
        # Both must be there: a click fails in the browser where opacity is a list and they are left to their defaults.
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": FAINT}},
        text=[f"{n:,}" for n in numbers],
        textposition="outside",
        textangle=0,
        textfont={"size": 9 if len(counts) > 12 else 11},
        constraintext="none",
        cliponaxis=False,
        hovertemplate=f"{field} %{{{'y' if horizontal else 'x'}}}: %{{text}} clips<extra></extra>",
    )
    top = {"title": "clips", "range": [0, 1.18 * max(int(counts.max()), 1)], "nticks": 4, "fixedrange": True}
    category = {"title": None, "type": "category", "fixedrange": True, "ticksuffix": " " if horizontal else ""}
    if horizontal:
        axes = {"xaxis": top | {"showticklabels": False}, "yaxis": category | {"autorange": "reversed"}}
    else:
        axes = {"xaxis": category, "yaxis": top}
    height = 74 + 30 * len(counts) if horizontal else 250
    return frame(go.Figure(bars), f"Clips by {field}", height, bargap=0.3, dragmode=False, **axes)


def projection_scatter(
    places: pd.DataFrame,
    field: str,
    method: str,
    axes: tuple[str, str],
    corpus: Corpus,
    ringed: str | None = None,
) -> go.Figure:
    """Draw clips as points, coloured by a field.

    Parameters
    ----------
    places : pandas.DataFrame
        As from ``core.corpus.projection.Projection.table``.
    field : str
        Column that gives the colour.
    method : str
        Name of the projection.
    axes : tuple of str
        Titles of the axes.
    corpus : Corpus
        Says in which order the values of the field stand.
    ringed : str, optional
        Name of the clip whose point is ringed until another one is selected.

    Returns
    -------
    plotly.graph_objects.Figure
        ``customdata`` of a point is the clip's name.
    """
    figure = go.Figure()
    if pd.api.types.is_float_dtype(places[field]):
        bar = {"title": {"text": field, "side": "right"}, "thickness": 12}
        marker = {"color": places[field], "colorscale": SEQUENTIAL_SCALE, "showscale": True, "colorbar": bar}
        figure.add_trace(_points(places, field, marker))
    else:
        values = [v for v in values_of(places, field, corpus) if (places[field] == v).any()]
        for value, marker in zip(values, _markers(values, are_emotions=field in ("emotion", "answer")), strict=True):
            figure.add_trace(_points(places[places[field] == value], str(value), marker))
    selection = {"selected": {"marker": {"size": 14, "opacity": 1}}, "unselected": {"marker": {"opacity": FAINT}}}
    figure.update_traces(marker_size=6, marker_opacity=0.75, mode="markers", **selection)
    if (places["clip"] == ringed).any():
        figure.add_trace(_ring(places[places["clip"] == ringed]))
    legend = {"orientation": "h", "y": -0.14, "yanchor": "top", "itemsizing": "constant", "title": None}
    hidden = {"showgrid": False, "zeroline": False, "nticks": 5}
    return frame(
        figure,
        f"Clips by {method}, coloured by {field}",
        560,
        xaxis={"title": axes[0], **hidden},
        yaxis={"title": axes[1], **hidden},
        legend=legend,
        dragmode="pan",
        margin={"b": 100},
    )


def _points(places: pd.DataFrame, name: str, marker: dict[str, Any]) -> go.Scatter:
    hover = places["emotion"] + ", speaker " + places["speaker"].astype(str) + ", " + places["channel"]
    return go.Scatter(
        x=places["x"].tolist(),
        y=places["y"].tolist(),
        name=name,
        marker=marker,
        customdata=places["clip"].tolist(),
        text=hover.tolist(),
        hovertemplate="%{text}<br>%{customdata}<extra></extra>",
    )


def _ring(place: pd.DataFrame) -> go.Scatter:
    """Return a ring around a point, which leaves clicks and words to it, and goes where a point is selected."""
    line = {"color": CONTRAST_COLOR, "width": 3}
    return go.Scatter(
        x=place["x"].tolist(),
        y=place["y"].tolist(),
        mode="markers",
        marker={"symbol": "circle-open", "size": 18, "line": line, "color": CONTRAST_COLOR},
        unselected={"marker": {"opacity": 0}},
        hoverinfo="skip",
        showlegend=False,
    )


def _markers(values: list[Any], *, are_emotions: bool) -> list[dict[str, Any]]:
    """Return colour and shape of each value: the emotions' own, else one scale, two values in contrast."""
    if are_emotions:
        return [{"color": color_of(value), "symbol": SYMBOLS.get(value, "hexagon")} for value in values]
    if len(values) <= 2:
        return [
            {"color": color, "symbol": symbol}
            for color, symbol in zip((WAVE_COLOR, CONTRAST_COLOR), ("circle", "diamond"), strict=True)
        ][: len(values)]
    colors, symbols = list(EMOTION_COLORS.values()), list(SYMBOLS.values())
    # Rounds of colours, each with another shape: 64 values differ.
    return [
        {"color": colors[i % len(colors)], "symbol": symbols[(i // len(colors)) % len(symbols)]}
        for i in range(len(values))
    ]
