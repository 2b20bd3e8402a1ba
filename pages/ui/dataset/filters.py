"""Filters of the clips: widgets that are also a link, and charts whose bars set them."""

import hashlib
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.corpus.browsing import FIELD_VALUES, ClipFilter, count_clips, list_folds
from core.plots import corpus as plots
from pages.ui.shared import state

CHARTED: Final = ("emotion", "actor", "channel", "gender", "intensity")


def _turn_to_first_page() -> None:
    st.session_state[state.CLIPS_PAGE] = 1


LINKED: Final[Any] = {"bind": "query-params", "persist_state": "session", "on_change": _turn_to_first_page}
"""A widget with these is a part of the link and outlasts a visit to another page; a change shows the first clips."""


def choose_filter(clips: pd.DataFrame) -> ClipFilter:
    """Show the filters and return what is chosen."""
    with st.container(border=True):
        values = _choose_fields()
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            duration = _choose_duration(clips)
            fold = st.selectbox(
                "Evaluated in fold",
                list_folds(clips),
                index=None,
                key=state.FILTER_FOLD,
                width=150,
                help="Folds of actors (EmoBox): each clip is evaluated by a model that never heard its actor.",
                **LINKED,
            )
            wrong = st.toggle("Model got it wrong", key=state.FILTER_WRONG, **LINKED)
            st.button("Clear filters", icon=":material/filter_alt_off:", on_click=_clear, args=(_bounds(clips),))
    return ClipFilter(values, duration, fold, wrong)


def show_counts(clips: pd.DataFrame, chosen: ClipFilter) -> None:
    """Show how many clips each value of a field has; a click on a bar filters by it."""
    left, right = st.columns([3, 2], gap="large")
    for field in CHARTED:
        counts = count_clips(clips, field, chosen)
        is_small = len(counts) == 2
        figure = plots.count_bars(counts, field, chosen.values.get(field, ()), horizontal=is_small)
        # A new key with each filter: a bar that was clicked must not stay selected beside the filter it set.
        key = f"{state.COUNT_BARS}-{field}-{fingerprint(chosen)}"
        with right if is_small else left:
            st.plotly_chart(
                figure,
                key=key,
                on_select=lambda field=field, key=key: _set_from_bar(field, key),
                selection_mode="points",
                config={"displayModeBar": False},
                alt=", ".join(f"{value}: {n:,}" for value, n in counts.items()),
            )
    st.caption("Click a bar to filter by it, and again to take it back. Each chart leaves its own filter out.")


def fingerprint(chosen: ClipFilter) -> str:
    """Return a short name of a filter, for keys of widgets."""
    return hashlib.sha256(repr(chosen).encode()).hexdigest()[:8]


def _choose_fields() -> dict[str, list[object]]:
    """Show a widget for each field and return the chosen values."""
    values: dict[str, list[object]] = {}
    options = {"selection_mode": "multi", **LINKED}
    values["emotion"] = st.pills("Emotion", FIELD_VALUES["emotion"], key="emotion", **options)
    with st.container(horizontal=True, gap="medium"):
        for field in ("channel", "gender", "intensity", "repetition"):
            values[field] = st.pills(field.capitalize(), FIELD_VALUES[field], key=field, **options)
    with st.container(horizontal=True, gap="medium"):
        for field, title in (("actor", "Actor"), ("statement", "Sentence")):
            values[field] = st.multiselect(
                title, FIELD_VALUES[field], key=field, placeholder="All", width=350, **LINKED
            )
    return values


def _choose_duration(clips: pd.DataFrame) -> tuple[float, float] | None:
    """Show the range of durations and return it; None where it is whole."""
    bounds = _bounds(clips)
    chosen = st.slider(
        "Duration",
        *bounds,
        value=bounds,
        step=0.1,
        format="%.1f s",
        key=state.FILTER_DURATION,
        width=230,
        **LINKED,
    )
    return None if chosen == bounds else chosen


def _bounds(clips: pd.DataFrame) -> tuple[float, float]:
    """Return the shortest and longest duration, rounded outwards to tenths of a second."""
    low, high = float(clips["duration"].min()), float(clips["duration"].max())
    return int(low * 10) / 10, int(high * 10 + 1) / 10


def _set_from_bar(field: str, key: str) -> None:
    """Add the value of a clicked bar to the filter, or take it back."""
    clicked = [point["customdata"] for point in st.session_state[key]["selection"]["points"]]
    clicked = [value[0] if isinstance(value, list) else value for value in clicked]
    kept = st.session_state.get(field) or []
    _turn_to_first_page()
    st.session_state[field] = [v for v in FIELD_VALUES[field] if (v in kept) != (v in clicked)]


def _clear(bounds: tuple[float, float]) -> None:
    # Set, not removed: the browser would send what it still shows.
    st.session_state.update({field: [] for field in state.FILTER_FIELDS})
    st.session_state.update({state.FILTER_DURATION: bounds, state.FILTER_FOLD: None, state.FILTER_WRONG: False})
    _turn_to_first_page()
