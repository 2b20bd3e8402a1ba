"""Figures of what a model learned and how far it can be trusted, from the tables of ``core.learning.reports``."""

import itertools
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.corpus.base import CORPUS_PREFIX, Listeners
from core.learning.reports.cards import LEAKING
from core.plots.style import CONTRAST_COLOR, LEGEND_ABOVE, MUTED_COLOR, SEQUENTIAL_SCALE, WAVE_COLOR, frame

RECALL: Final = "right, averaged over emotions (%)"
_LOG_TICKS: Final = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]
_NEWNESS: Final = dict(zip(LEAKING, ("same clips", "same voices"), strict=True))
"""What the evaluated clips share with those trained on; in the other protocols not even the voices."""
_ON_DARK, _ON_LIGHT = "#FFFFFF", "#000000"


def cell_bars(table: pd.DataFrame, title: str) -> go.Figure:
    """Draw which groups of clips fall into a cell of the confusion matrix, as bars from the largest share down.

    Parameters
    ----------
    table : pandas.DataFrame
        As from ``core.learning.reports.tables.tabulate_cell``.
    title : str
        What the shares are of.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    ranked = table.sort_values(["share", "group"], ascending=[False, True])
    bars = go.Bar(
        x=ranked["group"],
        y=100 * ranked["share"],
        customdata=ranked["n_clips"],
        marker_color=WAVE_COLOR,
        hovertemplate="%{x}: %{y:.0f} % of the answers for %{customdata} clips<extra></extra>",
    )
    figure = frame(go.Figure(bars), title, 210, yaxis={"ticksuffix": " %", "rangemode": "tozero", "fixedrange": True})
    return figure.update_xaxes(type="category", fixedrange=True)


def confusion_matrix(counts: pd.DataFrame, chosen: tuple[str, str] | None = None) -> go.Figure:
    """Draw a confusion matrix, shaded by the share of the true emotion's clips.

    An unseen marker lies on each cell: Plotly reports clicks on markers, not on heat maps. Its custom data are the true
    and the answered emotion.

    Parameters
    ----------
    counts : pandas.DataFrame
        As from ``core.learning.reports.tables.tabulate_confusion``, or its mean over seeds.
    chosen : tuple of str, optional
        True and answered emotion of the cell to outline.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    n = counts.to_numpy(dtype=float)
    share = 100 * n / n.sum(axis=1, keepdims=True)
    true, answered = [[str(name) for name in names] for names in (counts.index, counts.columns)]
    heat = go.Heatmap(
        z=share, x=answered, y=true, colorscale=SEQUENTIAL_SCALE, zmin=0, zmax=100, xgap=2, ygap=2, showscale=False,
        hoverinfo="skip",
    )  # fmt: skip
    cells = [(i, j) for i in range(len(true)) for j in range(len(answered))]
    places = {"x": [answered[j] for _, j in cells], "y": [true[i] for i, _ in cells], "showlegend": False}
    numbers = go.Scatter(
        **places, mode="text", hoverinfo="skip",
        text=[f"<b>{n[c]:.0f}</b><br>{share[c]:.0f} %" if n[c] else "0" for c in cells],
        textfont={"size": 11, "color": [_ON_LIGHT if share[c] >= 50 else _ON_DARK for c in cells]},
    )  # fmt: skip
    marks = go.Scatter(
        **places, mode="markers", marker={"symbol": "square", "size": 38, "opacity": 0},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
        customdata=[(true[i], answered[j]) for i, j in cells],
        text=[f"{_count(n[i, j])} of {n[i].sum():,.0f} {true[i]} clips" for i, j in cells],
        hovertemplate="%{text}<br>answered %{x}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure([heat, numbers, marks])
    if chosen is not None and chosen[0] in true and chosen[1] in answered:
        i, j = true.index(chosen[0]), answered.index(chosen[1])
        figure.add_shape(
            type="rect", x0=j - 0.5, x1=j + 0.5, y0=i - 0.5, y1=i + 0.5, line={"color": CONTRAST_COLOR, "width": 3}
        )
    axis = {"showgrid": False, "fixedrange": True}
    return frame(
        figure,
        "Which emotion is taken for which",
        92 + 38 * len(true),
        xaxis=axis | {"title": None, "side": "top", "tickangle": -40, "range": [-0.5, len(answered) - 0.5]},
        yaxis=axis | {"title": None, "ticksuffix": " \u2192", "range": [len(true) - 0.5, -0.5]},
        dragmode=False,
        clickmode="event+select",
        margin={"t": 92},
        title_y=0.98,
        title_yanchor="top",
    )


def _count(n: float) -> str:
    """Return a number of clips; with a decimal where it is a mean over seeds."""
    return f"{n:,.0f}" if n == round(n) else f"{n:,.1f}"


def training_curves(history: pd.DataFrame) -> go.Figure:
    """Draw loss and accuracy of a fold by epoch, with the average that the choice goes by and the chosen epoch.

    Parameters
    ----------
    history : pandas.DataFrame
        Rows of one fold of a model's ``history.csv``.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09)
    series = (
        ("accuracy", "training", 100, 1, {"color": WAVE_COLOR}),
        ("val_accuracy", "validation", 100, 1, {"color": CONTRAST_COLOR}),
        ("average_accuracy", "average of both", 100, 1, {"color": MUTED_COLOR, "dash": "dot"}),
        ("loss", "training", 1, 2, {"color": WAVE_COLOR}),
        ("val_loss", "validation", 1, 2, {"color": CONTRAST_COLOR}),
    )
    for column, name, scale, row, line in series:
        unit = "%{y:.1f} %" if row == 1 else "%{y:.3f}"
        curve = go.Scatter(
            x=history["epoch"], y=scale * history[column], name=name, line={"width": 1.6, **line},
            legendgroup=name, showlegend=row == 1, hovertemplate=unit,
        )  # fmt: skip
        figure.add_trace(curve, row=row, col=1)
    chosen = history.loc[history["is_chosen"], "epoch"]
    for epoch in chosen:
        figure.add_vline(x=epoch, line={"color": MUTED_COLOR, "dash": "dash", "width": 1})
    if len(chosen):
        at = 100 * history.loc[history["is_chosen"], "average_accuracy"].iloc[0]
        mark = {"symbol": "diamond", "size": 10, "color": MUTED_COLOR}
        point = go.Scatter(
            x=chosen, y=[at], mode="markers", marker=mark, name=f"chosen: epoch {chosen.iloc[0]}", hoverinfo="skip"
        )
        figure.add_trace(point, row=1, col=1)
    figure.update_yaxes(title="right (%)", row=1)
    figure.update_yaxes(title="loss", type="log", tickvals=_LOG_TICKS, row=2)
    figure.update_xaxes(title="epoch", row=2)
    below = {"orientation": "h", "y": -0.14, "yanchor": "top", "x": 0}  # at a phone's width it takes two lines
    return frame(figure, "Training, epoch by epoch", 520, hovermode="x unified", legend=below)


def reliability_diagram(bins: pd.DataFrame, calibration_error: float) -> go.Figure:
    """Draw how often answers are right by their confidence, and how many there are.

    Parameters
    ----------
    bins : pandas.DataFrame
        As from ``core.learning.reports.tables.tabulate_reliability``.
    calibration_error : float
        Expected calibration error of the same answers.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.76, 0.24], vertical_spacing=0.06)
    diagonal = go.Scatter(
        x=[0, 1], y=[0, 100], mode="lines", line={"color": MUTED_COLOR, "dash": "dash", "width": 1.5},
        name="confidence kept", hoverinfo="skip",
    )  # fmt: skip
    middles, widths = (bins["low"] + bins["high"]) / 2, bins["high"] - bins["low"]
    figure.add_trace(diagonal, row=1, col=1)
    right = go.Scatter(
        x=bins["confidence"], y=100 * bins["accuracy"], mode="lines+markers", line={"color": WAVE_COLOR},
        customdata=bins["n_answers"], name="this model",
        hovertemplate="confidence %{x:.2f}: %{y:.1f} % right of %{customdata:,}<extra></extra>",
    )  # fmt: skip
    figure.add_trace(right, row=1, col=1)
    counts = go.Bar(
        x=middles, y=bins["n_answers"], width=0.92 * widths, marker_color=WAVE_COLOR, showlegend=False,
        hovertemplate="%{y:,} answers<extra></extra>",
    )  # fmt: skip
    figure.add_trace(counts, row=2, col=1)
    figure.update_yaxes(title="right (%)", range=[0, 102], row=1)
    figure.update_yaxes(title="answers", row=2, nticks=3)
    figure.update_xaxes(range=[0, 1])
    figure.update_xaxes(title="confidence", row=2)
    title = f"Is it as often right as it is sure? ECE {calibration_error:.3f}"
    return frame(figure, title, 430, legend=LEGEND_ABOVE, margin={"t": 76})


def risk_coverage(curve: pd.DataFrame, threshold: float | None) -> go.Figure:
    """Draw the share of wrong answers against the share of clips that are answered, with the model's threshold.

    Parameters
    ----------
    curve : pandas.DataFrame
        As from ``core.learning.reports.tables.tabulate_risk``.
    threshold : float or None
        Confidence below which the model is unsure.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    line = go.Scatter(
        x=100 * curve["coverage"], y=100 * curve["risk"], mode="lines", line={"color": WAVE_COLOR},
        customdata=curve["threshold"], name="wrong", showlegend=False,
        hovertemplate="answers %{x:.0f} %, wrong %{y:.1f} %<br>from confidence %{customdata:.2f}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(line)
    given = curve[curve["threshold"] >= threshold] if threshold is not None else curve.iloc[:0]
    if len(given):
        last = given.iloc[-1]
        point = {"x": 100 * last["coverage"], "y": 100 * last["risk"]}
        mark = {"symbol": "diamond", "size": 11, "color": CONTRAST_COLOR}
        figure.add_scatter(
            x=[point["x"]], y=[point["y"]], mode="markers", marker=mark, hoverinfo="skip", showlegend=False
        )
        label = f"in use: from {threshold:.2f}"
        figure.add_annotation(**point, text=label, ax=-30, ay=-36, arrowcolor=MUTED_COLOR, font={"color": MUTED_COLOR})
    return frame(
        figure,
        "Fewer answers, fewer wrong",
        430,
        xaxis={"title": "clips answered (%)", "range": [0, 101]},
        yaxis={"title": "wrong among them (%)", "rangemode": "tozero"},
        margin={"t": 76},
    )


def group_bars(table: pd.DataFrame, field: str, mean: float) -> go.Figure:
    """Draw the UAR of each group of clips, with its interval, and the mean of all.

    Parameters
    ----------
    table : pandas.DataFrame
        As from ``core.learning.reports.tables.tabulate_groups``.
    field : str
        By what the clips are grouped.
    mean : float
        UAR of all clips.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    bars = _recall_bars(table, [str(group) for group in table["group"]], WAVE_COLOR)
    figure = go.Figure(bars)
    _add_line(figure, 100 * mean, "mean")
    xaxis = {"title": field, "type": "category"}
    return _recall_frame(figure, f"By {field}", xaxis=xaxis, bargap=0.3 if len(table) > 5 else 0.6)


def protocol_bars(table: pd.DataFrame, *, chance: float, listeners: Listeners | None) -> go.Figure:
    """Draw the UAR of a model by protocol, with chance and, if asked for, what listeners reach on speech.

    Parameters
    ----------
    table : pandas.DataFrame
        As from ``core.learning.reports.comparisons.tabulate_protocols``.
    chance : float
        UAR of answers drawn at random.
    listeners : Listeners or None
        People who were asked about these clips.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    names = [f"{protocol}<br>{_newness(protocol)}" for protocol in table["protocol"]]
    colors = np.where(table["protocol"].isin(list(_NEWNESS)), MUTED_COLOR, WAVE_COLOR)
    figure = go.Figure(_recall_bars(table, names, colors))
    _add_line(figure, 100 * chance, "chance")
    if listeners is not None:
        _add_line(figure, 100 * listeners.accuracy, "people")
    return _recall_frame(
        figure, "The same recipe, evaluated by different rules", xaxis={"title": "protocol"}, bargap=0.5
    )


def model_bars(table: pd.DataFrame, chance: float, clips: str) -> go.Figure:
    """Draw the UAR of several models on the same protocol, each with its interval.

    Parameters
    ----------
    table : pandas.DataFrame
        As from ``core.learning.reports.comparisons.tabulate_models``, the model that is compared with first.
    chance : float
        UAR of answers drawn at random.
    clips : str
        Protocol and clips, in words.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    colors = [WAVE_COLOR, *[MUTED_COLOR] * (len(table) - 1)]
    figure = go.Figure(_recall_bars(table, table["model"].tolist(), colors))
    _add_line(figure, 100 * chance, "chance")
    xaxis = {"title": "model", "type": "category"}
    return _recall_frame(figure, f"All stored models: {clips}", xaxis=xaxis, bargap=0.6)


def study_bars(table: pd.DataFrame, title: str) -> go.Figure:
    """Draw the UAR on each channel of each case of a study.

    Parameters
    ----------
    table : pandas.DataFrame
        As from ``core.learning.reports.comparisons.tabulate_study``.
    title : str
        Title of the figure.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = go.Figure()
    channels = [str(column) for column in table if column not in ("case", "accuracy", "mean_confidence")]
    for channel, color in zip(channels, itertools.cycle((WAVE_COLOR, CONTRAST_COLOR, MUTED_COLOR)), strict=False):
        if table[channel].notna().any():
            figure.add_bar(
                x=100 * table[channel], y=table["case"], orientation="h", name=channel, marker_color=color,
                text=[f"{100 * value:.1f}" for value in table[channel]], textposition="outside", textangle=0,
                cliponaxis=False, hovertemplate="%{y}, " + channel + ": %{x:.1f} %<extra></extra>",
            )  # fmt: skip
    return frame(
        figure,
        title,
        120 + 44 * len(table),
        xaxis={"title": RECALL, "range": [0, 108], "tickvals": [0, 25, 50, 75, 100]},
        yaxis={"title": None, "autorange": "reversed", "automargin": True, "ticksuffix": " "},
        legend=LEGEND_ABOVE,
        margin={"t": 76},
        bargap=0.25,
    )


def _recall_bars(table: pd.DataFrame, names: list[str], color: Any) -> go.Bar:
    """Return bars of UAR in per cent, with intervals where there are some."""
    bounds = {end: 100 * pd.to_numeric(table[f"recall_{end}"]) for end in ("low", "high")}
    value = 100 * table["recall"]
    return go.Bar(
        x=names, y=value, marker={"color": color, "opacity": 0.6}, showlegend=False, customdata=table["n_clips"],
        error_y={"array": bounds["high"] - value, "arrayminus": value - bounds["low"], "color": MUTED_COLOR},
        hovertemplate="%{x}: %{y:.1f} % of %{customdata:,} clips<extra></extra>",
    )  # fmt: skip


def _add_line(figure: go.Figure, value: float, name: str) -> None:
    line = {"color": CONTRAST_COLOR, "dash": "dash", "width": 1.5}
    figure.add_hline(y=value, line=line)
    figure.add_annotation(
        x=1.01, xref="paper", xanchor="left", y=value, showarrow=False, text=f"{name}<br>{value:.1f}", align="left",
        font={"color": CONTRAST_COLOR},
    )  # fmt: skip


def _recall_frame(figure: go.Figure, title: str, **layout: Any) -> go.Figure:
    return frame(figure, title, 380, yaxis={"title": RECALL, "range": [0, 104]}, margin={"r": 58}, **layout)


def _newness(protocol: str) -> str:
    """Return in two words what the evaluated clips share with those trained on, or what is new about them."""
    return "new corpus" if protocol.startswith(CORPUS_PREFIX) else _NEWNESS.get(protocol, "new voices")
