"""Figures of what a model reads, and of what moved its answer."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from core.audio.features.base import Picture
from core.plots.sound import wave_traces
from core.plots.style import MUTED_COLOR, SPECTRUM_SCALE, color_of, frame
from core.serving.explanation import Explanation


def model_input(picture: Picture) -> go.Figure:
    """Draw what a model reads of a sound, with rows named or numbered as its feature set says."""
    n_rows = len(picture.rows)
    figure = go.Figure(
        go.Heatmap(
            x=picture.times,
            y=np.arange(n_rows),
            z=picture.values,
            customdata=np.repeat(np.array(picture.rows)[:, None], len(picture.times), axis=1),
            colorscale=SPECTRUM_SCALE,
            colorbar={"thickness": 8, "title": {"text": picture.unit, "side": "right"}},
            hovertemplate="%{x:.2f} s, %{customdata}: %{z:.2f}<extra></extra>",
        )
    )
    ticks: dict[str, object] = {"title": picture.row_title, "nticks": 8}
    if picture.ticks:
        ticks = {"tickvals": list(picture.ticks.values()), "ticktext": list(picture.ticks)}
    if picture.limit is not None:
        figure.update_traces(zmin=-picture.limit, zmax=picture.limit)
    title = "What the model reads of this sound"
    return frame(figure, title, 420, xaxis={"title": "time in what it reads (s)"}, yaxis=ticks, margin={"b": 44})


def occlusion_by_time(explanation: Explanation, y: NDArray[np.float32], sr: int) -> go.Figure:
    """Draw, under the waveform, how far the probability falls without each stretch.

    Parameters
    ----------
    explanation : Explanation
        As from ``core.serving.explanation.explain``.
    y : np.ndarray [shape=(n,), dtype=float32]
        The sound.
    sr : int
        Sampling rate, in Hz.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[1, 1.3], vertical_spacing=0.06)
    figure.add_traces(wave_traces(y, sr), rows=[1, 1], cols=[1, 1])
    starts, ends = explanation.stretches.T
    # Stretches overlap by half: each bar stands for the middle half of its stretch.
    bars = go.Bar(
        x=(starts + ends) / 2,
        y=explanation.fall_by_stretch,
        width=(ends - starts) / 2,
        marker={"color": color_of(explanation.emotion), "line": {"width": 0}},
        customdata=explanation.stretches,
        hovertemplate="without %{customdata[0]:.2f}-%{customdata[1]:.2f} s: %{y:+.3f} lower<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, row=2, col=1)
    if best := explanation.most_important_stretch:
        figure.add_vrect(x0=best[0], x1=best[1], fillcolor=MUTED_COLOR, opacity=0.2, line_width=0)
    figure.update_yaxes(title="amplitude", nticks=3, row=1, col=1)
    figure.update_yaxes(title="probability lost<br>without it", nticks=5, row=2, col=1)
    figure.update_xaxes(title="time (s)", row=2, col=1)
    title = f"Which moments speak for {explanation.emotion}"
    return frame(figure, title, 360, margin={"b": 44}, bargap=0)


def occlusion_by_group(explanation: Explanation) -> go.Figure:
    """Draw how far the probability falls without each group of features, the most important on top."""
    ranked = sorted(explanation.fall_by_group.items(), key=lambda item: item[1])
    values = [fall for _, fall in ranked]
    figure = go.Figure(
        go.Bar(
            x=values,
            y=[name for name, _ in ranked],
            orientation="h",
            marker_color=color_of(explanation.emotion),
            text=[f"{value:+.2f}" if abs(value) >= 0.005 else "0" for value in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="without %{y}: %{x:+.3f} lower<extra></extra>",
        )
    )
    low, high = min(0.0, *values), max(0.05, *values)
    reach = 0.36 * (high - low)  # room for a figure on each side, on a phone too
    return frame(
        figure,
        f"Which features speak for {explanation.emotion}",
        360,
        xaxis={"title": "probability lost without it", "range": [low - (reach if low < 0 else 0), high + reach]},
        yaxis={"ticksuffix": " "},
        margin={"b": 44, "r": 16},
    )
