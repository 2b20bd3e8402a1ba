"""Browse: search, filters and order in a line, all clips that fit in a table, and the chosen one beside it."""

from typing import Any, Final

import pandas as pd
import streamlit as st

from core.corpus.browsing import RIGHT, WRONG, fields_of, filter_clips, find_clip, sort_clips
from core.serving.exports import spreadsheet_csv
from pages.ui.dataset.detail import UNSEEN, linked_clip, show_clip
from pages.ui.dataset.filters import Choice, choose_clips, describe_choice, show_clear, show_counts
from pages.ui.shared import links, state
from pages.ui.shared.corpus import FoundCorpus

MOST_ROWS: Final = 10_000
"""Clips that are sent to the browser at once; the file holds all."""
HEIGHT: Final = 455
"""Of the table, in pixels: with all that stands above it, it ends within 800."""
SIGNS: Final = {True: "✗ ", False: "✓ "}
SHOWN: Final = ("speaker", "intensity", "channel", "statement", "language")
"""Fields of the table, where the corpus has them."""
NOT_IN_FILE: Final = ("path",)


def show_browse(corpus: FoundCorpus, clips: pd.DataFrame) -> None:
    """Show the tab."""
    chosen = choose_clips(corpus, clips)
    found = sort_clips(filter_clips(clips, chosen.filter), chosen.order)
    _show_count(corpus, found, clips, chosen)
    linked = linked_clip(clips)
    table_place, clip_place = st.columns([6, 5], gap="medium")
    with table_place:
        if found.empty:
            st.info("No clip fits these filters. Take one back, or clear them.", icon=":material/filter_alt:")
        else:
            _show_table(corpus, found[:MOST_ROWS], chosen, linked)
    with clip_place:
        clip = linked or (None if found.empty else find_clip(found, str(found["clip"].iloc[0])))
        if clip is not None:
            show_clip(corpus, clip, is_listed=bool((found["clip"] == clip["clip"]).any()))
    counts = st.expander("How many clips of what", key=state.COUNTS, icon=":material/bar_chart:", on_change="rerun")
    if counts.open:
        with counts:
            show_counts(corpus, clips, chosen)


def _show_count(corpus: FoundCorpus, found: pd.DataFrame, clips: pd.DataFrame, chosen: Choice) -> None:
    """Tell how many clips fit, what they are, and how many of them the model got wrong; offer them as a file."""
    evaluated = found[found["answer"] != ""]
    text = f"**{len(found):,} of {len(clips):,} clips**"
    if not evaluated.empty and chosen.filter.verdict not in (RIGHT, WRONG):  # which say it themselves
        text += f" · model wrong in {evaluated['is_wrong'].mean():.1%}"
    text += f" · the first {MOST_ROWS:,} are listed" if len(found) > MOST_ROWS else ""
    words = describe_choice(corpus, chosen.filter)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(f"{text} · {words}" if words else text, width="stretch")
        if words:
            show_clear(corpus, clips)
        st.download_button(
            "CSV",
            lambda: spreadsheet_csv(found.drop(columns=[column for column in NOT_IN_FILE if column in found])),
            f"{corpus.corpus.name}-clips.csv",
            "text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            help="All clips that are listed, with all their fields and the model's probabilities.",
        )


def _show_table(corpus: FoundCorpus, found: pd.DataFrame, chosen: Choice, linked: dict[str, Any] | None) -> None:
    """Show the clips; a click on a row puts the clip into the address."""
    titles, names = fields_of(corpus.corpus), found["clip"].tolist()
    fields = [field for field in SHOWN if field in titles]
    key = f"{corpus.key(state.CLIP_TABLE)}-{chosen.fingerprint}"
    shown = linked["clip"] if linked else names[0]
    answers = found["answer"].where(found["answer"] == "", found["is_wrong"].map(SIGNS) + found["answer"])
    has_answers = bool((found["answer"] != "").any())
    st.dataframe(
        found.assign(answer=answers)[
            ["emotion", *(["answer", "confidence"] if has_answers else []), *fields, "duration", "clip"]
        ],
        hide_index=True,
        height=HEIGHT,
        column_config={
            "emotion": st.column_config.TextColumn("Emotion", width=82),
            "answer": st.column_config.TextColumn("Model", help=UNSEEN, width=92),
            "confidence": st.column_config.ProgressColumn(
                "Confidence", min_value=0, max_value=1, format="%.2f", width=96
            ),
            **{field: st.column_config.TextColumn(titles[field]) for field in fields},
            "speaker": st.column_config.TextColumn(titles["speaker"], width=62),
            "duration": st.column_config.NumberColumn("Seconds", format="%.2f", width=70),
            "clip": st.column_config.TextColumn("Clip", width=170),
        },
        **links.linked_row(key, state.CLIP, names, shown),
    )
