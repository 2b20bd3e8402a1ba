"""Browse: filters, counts, and a paged table of clips with players."""

import base64
from typing import Any

import pandas as pd
import streamlit as st

from core.corpus.browsing import ClipFilter, count_pages, fields_of, filter_clips, find_clip, take_page
from pages.ui.dataset.detail import UNSEEN, mime, show_clip
from pages.ui.dataset.filters import choose_filter, fingerprint, show_counts
from pages.ui.shared import state
from pages.ui.shared.corpus import FoundCorpus

PAGE_SIZE = 10
SIGNS = {True: "✗ ", False: "✓ "}
FIRST, LAST = ["sound", "clip"], ["answer", "confidence"]
SHOWN = ("channel", "emotion", "intensity", "speaker", "language")
"""Fields of the table, where the corpus has them."""


def show_browse(corpus: FoundCorpus, clips: pd.DataFrame) -> None:
    """Show the tab."""
    top = st.container()
    chosen = choose_filter(corpus, clips)
    found = filter_clips(clips, chosen)
    with st.expander("How many clips of what", expanded=True, icon=":material/bar_chart:"):
        show_counts(corpus, clips, chosen)
    st.markdown(f"**{_count(found, clips)}**")
    picked = None
    if found.empty:
        st.info("No clip fits these filters. Take one back, or clear them.", icon=":material/filter_alt:")
    else:
        picked = _show_table(corpus, found, chosen)
    if picked is not None:
        show_clip(corpus, picked)
    elif state.CLIP in st.query_params:
        with top:
            _show_linked(corpus, clips)
    elif not found.empty:
        st.caption("Select a row to see everything about a clip.")


def _show_linked(corpus: FoundCorpus, clips: pd.DataFrame) -> None:
    """Show the clip that the link names, which may be any text."""
    clip = find_clip(clips, st.query_params[state.CLIP])
    if clip is None:
        st.warning("The link names a clip that is not in the corpus.", icon=":material/link_off:")
    else:
        show_clip(corpus, clip)
    st.button("Close", icon=":material/close:", on_click=lambda: st.query_params.pop(state.CLIP, None))


def _count(found: pd.DataFrame, clips: pd.DataFrame) -> str:
    """Tell how many clips fit, and how many of them the model got wrong."""
    evaluated = found[found["answer"] != ""]
    text = f"{len(found):,} of {len(clips):,} clips"
    return text if evaluated.empty else f"{text} · model wrong in {evaluated['is_wrong'].mean():.1%}"


def _show_table(corpus: FoundCorpus, found: pd.DataFrame, chosen: ClipFilter) -> dict[str, Any] | None:
    """Show one page of the clips and return the row that is picked."""
    n_pages = count_pages(found, PAGE_SIZE)
    place, titles = st.container(), fields_of(corpus.corpus)
    fields = [field for field in SHOWN if field in titles]
    page = st.pagination(n_pages, key=state.CLIPS_PAGE, bind="query-params") if n_pages > 1 else 1
    rows = take_page(found, page, PAGE_SIZE)
    with place:
        event = st.dataframe(
            rows.assign(
                sound=[_data_url(corpus, clip) for clip in rows["clip"]],
                answer=rows["answer"].where(rows["answer"] == "", rows["is_wrong"].map(SIGNS) + rows["answer"]),
            )[[*FIRST, *fields[:2], *LAST, *fields[2:], "duration"]],
            hide_index=True,
            column_config={
                "sound": st.column_config.AudioColumn("Play", help="Double-click to listen", width=60),
                "clip": st.column_config.TextColumn("Clip", width=160),
                **{field: st.column_config.TextColumn(titles[field]) for field in fields},
                "answer": st.column_config.TextColumn("Model's answer", help=UNSEEN),
                "confidence": st.column_config.ProgressColumn(
                    "Confidence", min_value=0, max_value=1, format="%.2f", width=110
                ),
                "duration": st.column_config.NumberColumn("Seconds", format="%.2f", width=70),
            },
            on_select="rerun",
            selection_mode="single-row",
            key=f"{corpus.key(state.CLIP_TABLE)}-{page}-{fingerprint(chosen)}",
        )
    picked = event["selection"]["rows"]
    return find_clip(rows, str(rows["clip"].iloc[picked[0]])) if picked and picked[0] < len(rows) else None


def _data_url(corpus: FoundCorpus, clip: str) -> str:
    data = corpus.read(clip).data
    return f"data:{mime(data)};base64,{base64.b64encode(data).decode()}"
