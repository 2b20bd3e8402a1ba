"""Filters of the clips: widgets that are also a link, and charts whose bars set them."""

import dataclasses
import hashlib
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.corpus.browsing import (
    ORDERS,
    VERDICTS,
    ClipFilter,
    count_clips,
    fields_of,
    list_folds,
    values_of,
)
from core.plots import corpus as plots
from pages.ui.shared import links, state
from pages.ui.shared.corpus import FoundCorpus, plain

CHARTED: Final = ("emotion", "speaker", "channel", "gender", "intensity", "language")
"""Fields whose counts are drawn, where the corpus has them."""
MAX_PILLS: Final = 8
"""Values that fit beside each other; fields with more, or with sentences, get a list."""
MAX_BARS: Final = 120


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is listed, and how."""

    filter: ClipFilter
    """Which clips."""
    order: str
    """One of ``core.corpus.browsing.ORDERS``."""

    @property
    def fingerprint(self) -> str:
        """A short name, for keys of widgets."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]


def choose_clips(corpus: FoundCorpus, clips: pd.DataFrame) -> Choice:
    """Show search, filters and order in a line, and return what is chosen."""
    is_evaluated = bool((clips["answer"] != "").any())
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        words = st.text_input(
            "Search",
            placeholder="sad door 15",
            help="All words must stand in a clip's name, its fields, or the model's answer.",
            width=150,
            **links.linked(corpus.key(state.FILTER_WORDS), links.words()),
        )
        verdict = None
        if is_evaluated:
            verdict = st.segmented_control(
                "Model",
                VERDICTS,
                help="Right or wrong by its most likely emotion, as a model that was not trained on the speaker "
                "answered. Unsure: below the confidence from which it answers.",
                width="content",
                **links.linked(corpus.key(state.FILTER_VERDICT), links.one_of(VERDICTS)),
            )
        orders = links.one_of(ORDERS, next(iter(ORDERS)))
        order = st.selectbox("Order", list(ORDERS), width=130, **links.linked(corpus.key(state.CLIP_ORDER), orders))
        with st.popover("More filters", icon=":material/filter_alt:"):
            values = _choose_fields(corpus, clips, is_evaluated=is_evaluated)
            duration = _choose_duration(corpus, clips)
            fold = _choose_fold(corpus, clips)
    return Choice(ClipFilter(values, duration, fold, verdict, words), order)


def describe_choice(corpus: FoundCorpus, chosen: ClipFilter) -> str:
    """Return what the filters let through in words, empty where that is everything."""
    titles = fields_of(corpus.corpus) | {"answer": "answered"}
    words = [
        f"{titles[field].lower()} {' or '.join(map(str, values))}" for field, values in chosen.values.items() if values
    ]
    words += [f"{chosen.duration[0]:g} to {chosen.duration[1]:g} s"] if chosen.duration else []
    words += [f"fold {chosen.fold}"] if chosen.fold is not None else []
    words += [f"model {chosen.verdict}"] if chosen.verdict else []
    words += [f"“{chosen.words.strip()}”"] if chosen.words.strip() else []
    return plain(" · ".join(words))


def show_clear(corpus: FoundCorpus, clips: pd.DataFrame) -> None:
    """Offer to take all filters back."""
    st.button("Clear filters", icon=":material/filter_alt_off:", type="tertiary", on_click=_clear, args=(corpus, clips))


def show_counts(corpus: FoundCorpus, clips: pd.DataFrame, chosen: Choice) -> None:
    """Show how many clips each value of a field has; a click on a bar filters by it."""
    left, right = st.columns([3, 2], gap="large")
    titles = fields_of(corpus.corpus)
    for field in [field for field in CHARTED if field in titles]:
        counts = count_clips(clips, field, corpus.corpus, chosen.filter)
        if len(counts) > MAX_BARS:
            continue
        is_small = len(counts) <= 2
        values = chosen.filter.values.get(field, ())
        figure = plots.count_bars(counts, titles[field].lower(), values, horizontal=is_small)
        # A new key with each filter: a bar that was clicked must not stay selected beside the filter it set.
        key = f"{corpus.key(state.COUNT_BARS)}-{field}-{chosen.fingerprint}"
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


def _choose_fields(corpus: FoundCorpus, clips: pd.DataFrame, *, is_evaluated: bool) -> dict[str, list[object]]:
    """Show a widget for each field, and for the model's answer, and return the chosen values."""
    titles = fields_of(corpus.corpus)
    values = {field: values_of(clips, field, corpus.corpus) for field in titles}
    if is_evaluated:
        titles, values = titles | {"answer": "Answered as"}, values | {"answer": list(corpus.corpus.labels)}
    chosen: dict[str, list[object]] = {}
    for field, title in titles.items():
        options = links.linked(corpus.key(field), links.some_of(values[field]))
        if len(values[field]) <= MAX_PILLS and field not in ("statement", "speaker"):
            chosen[field] = st.pills(title, values[field], selection_mode="multi", **options)
        else:
            chosen[field] = st.multiselect(title, values[field], placeholder="All", **options)
    return chosen


def _choose_duration(corpus: FoundCorpus, clips: pd.DataFrame) -> tuple[float, float] | None:
    """Show the range of durations and return it; None where it is whole."""
    bounds = _bounds(clips)
    chosen = st.slider(
        "Duration",
        *bounds,
        step=0.1,
        format="%.1f s",
        **links.linked(corpus.key(state.FILTER_DURATION), links.span(*bounds)),
    )
    return None if chosen == bounds else chosen


def _choose_fold(corpus: FoundCorpus, clips: pd.DataFrame) -> int | None:
    """Show the folds and return the chosen one."""
    folds = list_folds(clips)
    return st.selectbox(
        "Evaluated in fold",
        folds,
        index=None,
        help="Each clip is evaluated by a model that was not trained on its speaker.",
        **links.linked(corpus.key(state.FILTER_FOLD), links.one_of(folds)),
    )


def _bounds(clips: pd.DataFrame) -> tuple[float, float]:
    """Return the shortest and longest duration, rounded outwards to tenths of a second."""
    low, high = float(clips["duration"].min()), float(clips["duration"].max())
    return int(low * 10) / 10, int(high * 10 + 1) / 10


def _set_from_bar(corpus: FoundCorpus, clips: pd.DataFrame, field: str, key: str) -> None:
    """Add the value of a clicked bar to the filter, or take it back."""
    clicked = [point["customdata"] for point in st.session_state[key]["selection"]["points"]]
    clicked = [value[0] if isinstance(value, list) else value for value in clicked]
    kept = st.session_state.get(corpus.key(field)) or []
    values = values_of(clips, field, corpus.corpus)
    links.choose({corpus.key(field): [v for v in values if (v in kept) != (v in clicked)]})


def _clear(corpus: FoundCorpus, clips: pd.DataFrame) -> None:
    """Let every clip through; their order stays."""
    cleared: dict[str, Any] = {field: [] for field in (*fields_of(corpus.corpus), state.FILTER_ANSWER)}
    cleared |= {state.FILTER_FOLD: None, state.FILTER_WORDS: "", state.FILTER_VERDICT: None}
    cleared[state.FILTER_DURATION] = _bounds(clips)
    links.clear({corpus.key(name): value for name, value in cleared.items()})
