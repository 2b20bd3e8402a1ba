"""Figures of models in use: two compared, and what users say of their answers."""

from collections.abc import Mapping
from typing import Final

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.plots.style import CONTRAST_COLOR, LEGEND_ABOVE, MUTED_COLOR, WAVE_COLOR, color_of, frame

_SERIES: Final = (WAVE_COLOR, CONTRAST_COLOR, MUTED_COLOR)


def class_differences(per_class: pd.DataFrame, first: str, second: str) -> go.Figure:
    """Draw how much more of each emotion the first of two models finds.

    Parameters
    ----------
    per_class : pandas.DataFrame
        As in ``core.operations.models.comparison.Comparison``.
    first, second : str
        Names of the models.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    value = 100 * per_class["difference"]
    figure = go.Figure(
        go.Bar(
            x=value, y=per_class["emotion"], orientation="h", marker_color=per_class["emotion"].map(color_of),
            text=[f"{one:+.1f}" for one in value], textposition="outside", cliponaxis=False,
            customdata=per_class[["first", "second", "n_clips"]],
            hovertemplate="%{y}: %{customdata[0]:.1%} against %{customdata[1]:.1%} of %{customdata[2]:,} clips"
            "<extra></extra>",
        )
    )  # fmt: skip
    reach = 1.35 * max(float(value.abs().max()), 1.0)
    figure.add_vline(x=0, line={"color": MUTED_COLOR, "width": 1})
    return frame(
        figure,
        f"Recall: {first}<br>minus {second}",
        380,
        xaxis={"title": "difference of recall (percentage points)", "range": [-reach, reach], "zeroline": False},
        yaxis={"title": None, "autorange": "reversed", "automargin": True, "ticksuffix": " "},
        margin={"t": 64},
    )


def agreement_lines(table: pd.DataFrame) -> go.Figure:
    """Draw the share of answers that users confirm, day by day, larger marks for more of them.

    Parameters
    ----------
    table : pandas.DataFrame
        As from ``core.operations.feedback.entries.agreement``.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = go.Figure()
    for k, (model, rows) in enumerate(table.groupby("model", sort=False)):
        figure.add_scatter(
            x=rows["day"], y=100 * rows["agreement"], customdata=rows["n"], name=str(model), mode="lines+markers",
            line={"color": _SERIES[k % len(_SERIES)], "width": 1.6},
            marker={"size": 8 + 4 * rows["n"].clip(upper=100) ** 0.5, "opacity": 0.8},
            hovertemplate="%{x|%Y-%m-%d}: %{y:.0f} % of %{customdata:,}",
        )  # fmt: skip
    days = sorted(set(table["day"]))
    ticks = {"tickvals": days} if len(days) <= 4 else {"nticks": 6}
    return frame(
        figure,
        "Answers that users confirm",
        320,
        xaxis={"title": "day (UTC)", "tickformat": "%Y-%m-%d", **ticks},
        yaxis={"title": "confirmed (%)", "range": [0, 108], "tickvals": [0, 25, 50, 75, 100]},
        legend=LEGEND_ABOVE,
        showlegend=True,
        margin={"t": 76},
    )


def run_curves(curves: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Draw how several trainings learned: validation accuracy above, loss below.

    Parameters
    ----------
    curves : mapping of str to pandas.DataFrame
        By name of the training, as from ``core.operations.jobs.monitor.mean_curves``.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09)
    dashes = ("solid", "dash", "dot", "dashdot")
    for k, (name, rows) in enumerate(curves.items()):
        for row, (column, scale, unit) in enumerate((("val_accuracy", 100, ".1f"), ("val_loss", 1, ".3f")), start=1):
            curve = go.Scatter(
                x=rows["epoch"], y=scale * rows[column], name=name, legendgroup=name, showlegend=row == 1,
                mode="lines+markers" if len(rows) == 1 else "lines", hovertemplate=f"%{{y:{unit}}}",
                line={"color": _SERIES[k % len(_SERIES)], "dash": dashes[k % len(dashes)], "width": 1.8},
                marker={"size": 10},
            )  # fmt: skip
            figure.add_trace(curve, row=row, col=1)
    figure.update_yaxes(title="right (%)", row=1)
    figure.update_yaxes(title="loss", row=2)
    figure.update_xaxes(title="epoch", row=2)
    below = {"orientation": "h", "y": -0.14, "yanchor": "top", "x": 0}
    return frame(figure, "On validation clips, epoch by epoch", 460, hovermode="x unified", legend=below)
