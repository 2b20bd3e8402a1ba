"""Figures of a sound and of the answer for it."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.plots.style import WAVE_COLOR, color_of, frame

_ENVELOPE_BINS: Final = 800
LEAST_SHOWN: Final = 0.005
"""Probability under which two digits would be 0.00."""


def probability_bars(probabilities: Mapping[str, float]) -> go.Figure:
    """Draw the probability of each emotion as a horizontal bar, the most probable on top.

    Parameters
    ----------
    probabilities : mapping of str to float
        Probability of each emotion.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    ranked = sorted(probabilities.items(), key=lambda item: item[1])
    names = [name for name, _ in ranked]
    values = [value for _, value in ranked]
    figure = go.Figure(
        go.Bar(
            x=values,
            y=names,
            orientation="h",
            marker_color=[color_of(name) for name in names],
            text=[f"{value:.2f}" if value >= LEAST_SHOWN else "< 0.01" for value in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    return frame(
        figure,
        "Probability of each emotion",
        330,
        xaxis={"title": "probability", "range": [0, 1.12], "tickvals": [0, 0.25, 0.5, 0.75, 1]},
        yaxis={"title": None, "ticksuffix": " "},
        bargap=0.35,
    )


def wave_traces(y: NDArray[np.float32], sr: int, start: float = 0.0) -> list[go.Scatter]:
    """Return a waveform as two lines with the space between them filled, for a panel among others.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Samples.
    sr : int
        Sampling rate, in Hz.
    start : float
        Time of the first sample, in seconds.

    Returns
    -------
    list of plotly.graph_objects.Scatter
    """
    times, low, high = envelope(y, sr)
    line = {"mode": "lines", "line": {"width": 1, "color": WAVE_COLOR}, "hoverinfo": "skip", "showlegend": False}
    return [go.Scatter(x=times + start, y=low, **line), go.Scatter(x=times + start, y=high, fill="tonexty", **line)]


def envelope(y: NDArray[np.float32], sr: int) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Return times (s), minima and maxima of at most 800 equal stretches of a waveform: no peak is lost.

    >>> times, low, high = envelope(np.array([0, 1, 0, -1], np.float32), 4)
    >>> high.tolist()
    [0.0, 1.0, 0.0, -1.0]
    """
    starts = np.unique(np.linspace(0, len(y), _ENVELOPE_BINS, endpoint=False).astype(int))
    return starts / sr, np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
