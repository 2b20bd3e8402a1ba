"""What all figures share: colours, scales and frames.

One colour an emotion, everywhere. The eight differ under the common colour-vision deficiencies, and each has a
contrast of at least 3:1 on white and on the dark theme's background; labels carry the meaning besides.
"""

import zlib
from typing import Any, Final

import plotly.graph_objects as go

EMOTION_COLORS: Final = {
    "angry": "#BE2D1D",
    "calm": "#249D9A",
    "disgust": "#768E54",
    "fearful": "#9447EA",
    "happy": "#C28000",
    "neutral": "#66675D",
    "sad": "#2E6A96",
    "surprised": "#ED3ECF",
}

OTHER_COLORS: Final = ("#7A5195", "#2F9E8F", "#C2A83E", "#B56576", "#5B8E3E", "#8C6D46")
"""Colours of emotions with other names than the usual ones."""

WAVE_COLOR: Final = "#4A7FB5"
"""Single series that stand for no emotion."""
CONTRAST_COLOR: Final = "#D9772B"
"""A second series beside ``WAVE_COLOR``."""
MUTED_COLOR: Final = "#8A9099"
"""Marks and notes that stand behind the data."""
SEQUENTIAL_SCALE: Final = "Cividis"
"""Counts and shares."""
SPECTRUM_SCALE: Final = "Viridis"
"""Levels in spectrograms and in pictures of features."""

LEGEND_ABOVE: Final = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "title": None}
"""Series in a line between title and axes; a top margin of 76 has room for both."""

SAVING: Final = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["lasso2d", "select2d"],
    "toImageButtonOptions": {"format": "svg"},
}
"""Plotly's configuration of a chart that can be zoomed and saved as SVG."""


def color_of(emotion: str) -> str:
    """Return the colour of an emotion: its own, or one that always goes with its name.

    >>> color_of("sad"), color_of("bored") == color_of("bored")
    ('#2E6A96', True)
    """
    return EMOTION_COLORS.get(emotion) or OTHER_COLORS[zlib.crc32(emotion.encode()) % len(OTHER_COLORS)]


def frame(figure: go.Figure, title: str, height: int, **layout: Any) -> go.Figure:
    """Give a figure its title, height and narrow margins, which leave room for the title alone; return it."""
    margin = {"l": 0, "r": 8, "t": 40, "b": 0} | layout.pop("margin", {})
    return figure.update_layout(title=title, height=height, margin=margin, **layout)
