"""Filters of the clips: widgets that are also a link, and charts whose bars set them."""

import hashlib
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.corpus.browsing import ClipFilter, count_clips, fields_of, list_folds, values_of
from core.plots import corpus as plots
from pages.ui.shared import state
from pages.ui.shared.corpus import FoundCorpus

CHARTED: Final = ("emotion", "speaker", "channel", "gender", "intensity", "language")
"""Fields whose counts are drawn, where the corpus has them."""
MAX_PILLS: Final = 6
"""Values that fit beside each other; fields with more, or with sentences, get a list."""
MAX_BARS: Final = 120


def _turn_to_first_page() -> None:
    st.session_state[state.CLIPS_PAGE] = 1


LINKED: Final[Any] = {"bind": "query-params", "persist_state": "session", "on_change": _turn_to_first_page}
"""A widget with these is a part of the link and outlasts a visit to another page; a change shows the first clips."""


def choose_filter(corpus: FoundCorpus, clips: pd.DataFrame) -> ClipFilter:
    """Show the filters and return what is chosen."""
    with st.container(border=True):
        values = _choose_fields(corpus, clips)
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            duration = _choose_duration(corpus, clips)
            fold = st.selectbox(
                "Evaluated in fold",
                list_folds(clips),
                index=None,
                key=corpus.key(state.FILTER_FOLD),
                width=150,
                help="Each clip is evaluated by a model that was not trained on its speaker.",
                **LINKED,
            )
            wrong = st.toggle("Model got it wrong", key=corpus.key(state.FILTER_WRONG), **LINKED)
            st.button("Clear filters", icon=":material/filter_alt_off:", on_click=_clear, args=(corpus, _bounds(clips)))
    return ClipFilter(values, duration, fold, wrong)


def show_counts(corpus: FoundCorpus, clips: pd.DataFrame, chosen: ClipFilter) -> None:
    """Show how many clips each value of a field has; a click on a bar filters by it."""
    left, right = st.columns([3, 2], gap="large")
    titles = fields_of(corpus.corpus)
    for field in [field for field in CHARTED if field in titles]:
        counts = count_clips(clips, field, corpus.corpus, chosen)
        if len(counts) > MAX_BARS:
            continue
        is_small = len(counts) <= 2
        figure = plots.count_bars(counts, titles[field].lower(), chosen.values.get(field, ()), horizontal=is_small)
        # A new key with each filter: a bar that was clicked must not stay selected beside the filter it set.
        key = f"{corpus.key(state.COUNT_BARS)}-{field}-{fingerprint(chosen)}"
        with right if is_small else left:
            st.plotly_chart(
                figure,
                key=key,
                on_select=lambda field=field, key=key: _set_from_bar(corpus, clips, field, key),
                selection_mode="points",
                config={"displayModeBar": False},
                alt=", ".join(f"{value}: {n:,}" for value, n in counts.items()),
            )
    st.caption("Click a bar to filter by it, and again to take it back. Each chart leaves its own filter out.")


def fingerprint(chosen: ClipFilter) -> str:
    """Return a short name of a filter, for keys of widgets."""
    return hashlib.sha256(repr(chosen).encode()).hexdigest()[:8]


def _choose_fields(corpus: FoundCorpus, clips: pd.DataFrame) -> dict[str, list[object]]:
    """Show a widget for each field and return the chosen values."""
    titles = fields_of(corpus.corpus)
    values = {field: values_of(clips, field, corpus.corpus) for field in titles}
    few = [f for f in titles if f not in ("emotion", "statement", "speaker") and len(values[f]) <= MAX_PILLS]
    chosen: dict[str, list[object]] = {}
    for group in (["emotion"], few):
        with st.container(horizontal=True, gap="medium"):
            for field in group:
                chosen[field] = st.pills(
                    titles[field], values[field], selection_mode="multi", key=corpus.key(field), **LINKED
                )
    with st.container(horizontal=True, gap="medium"):
        for field in [f for f in titles if f not in chosen]:
            chosen[field] = st.multiselect(
                titles[field], values[field], key=corpus.key(field), placeholder="All", width=350, **LINKED
            )
    return chosen


def _choose_duration(corpus: FoundCorpus, clips: pd.DataFrame) -> tuple[float, float] | None:
    """Show the range of durations and return it; None where it is whole."""
    bounds = _bounds(clips)
    chosen = st.slider(
        "Duration",
        *bounds,
        value=bounds,
        step=0.1,
        format="%.1f s",
        key=corpus.key(state.FILTER_DURATION),
        width=230,
        **LINKED,
    )
    return None if chosen == bounds else chosen


def _bounds(clips: pd.DataFrame) -> tuple[float, float]:
    """Return the shortest and longest duration, rounded outwards to tenths of a second."""
    low, high = float(clips["duration"].min()), float(clips["duration"].max())
    return int(low * 10) / 10, int(high * 10 + 1) / 10


def _set_from_bar(corpus: FoundCorpus, clips: pd.DataFrame, field: str, key: str) -> None:
    """Add the value of a clicked bar to the filter, or take it back."""
    clicked = [point["customdata"] for point in st.session_state[key]["selection"]["points"]]
    clicked = [value[0] if isinstance(value, list) else value for value in clicked]
    kept = st.session_state.get(corpus.key(field)) or []
    _turn_to_first_page()
    values = values_of(clips, field, corpus.corpus)
    st.session_state[corpus.key(field)] = [v for v in values if (v in kept) != (v in clicked)]


def _clear(corpus: FoundCorpus, bounds: tuple[float, float]) -> None:
    # Set, not removed: the browser would send what it still shows.
    st.session_state.update({corpus.key(field): [] for field in fields_of(corpus.corpus)})
    cleared = {state.FILTER_DURATION: bounds, state.FILTER_FOLD: None, state.FILTER_WRONG: False}
    st.session_state.update({corpus.key(name): value for name, value in cleared.items()})
    _turn_to_first_page()
