"""Browse: filters, counts, and a paged table of clips with players."""

import base64

import pandas as pd
import streamlit as st

from core.corpus.browsing import ClipFilter, count_pages, filter_clips, find_clip, take_page
from pages.ui import state
from pages.ui.corpus import Corpus
from pages.ui.dataset.detail import mime, show_clip
from pages.ui.dataset.filters import choose_filter, fingerprint, show_counts

PAGE_SIZE = 10
COLUMNS = ["sound", "clip", "channel", "emotion", "answer", "confidence", "intensity", "actor", "gender", "duration"]


def show_browse(corpus: Corpus, clips: pd.DataFrame) -> None:
    """Show the tab."""
    chosen = choose_filter(clips)
    found = filter_clips(clips, chosen)
    linked = find_clip(clips, st.query_params.get(state.CLIP))
    if state.CLIP in st.query_params and linked is None:
        st.warning("The link names a clip that is not in the corpus.", icon=":material/link_off:")
    with st.expander("How many clips of what", expanded=linked is None, icon=":material/bar_chart:"):
        show_counts(clips, chosen)
    st.markdown(f"**{_count(found, clips)}**")
    if found.empty:
        st.info("No clip fits these filters. Take one back, or clear them.", icon=":material/filter_alt:")
        return
    name = _show_table(corpus, found, chosen)
    linked = find_clip(clips, name) or linked
    if linked is not None:
        show_clip(corpus, linked)
    else:
        st.caption("Select a row to see everything about a clip.")


def _count(found: pd.DataFrame, clips: pd.DataFrame) -> str:
    """Tell how many clips fit, and how many of them the model got wrong."""
    judged = found[found["answer"] != ""]
    text = f"{len(found):,} of {len(clips):,} clips"
    return text if judged.empty else f"{text} · model wrong in {judged['is_wrong'].mean():.1%}"


def _show_table(corpus: Corpus, found: pd.DataFrame, chosen: ClipFilter) -> str | None:
    """Show one page of the clips and return the name of the clip whose row is chosen."""
    n_pages = count_pages(found, PAGE_SIZE)
    place = st.container()
    page = st.pagination(n_pages, key=state.CLIPS_PAGE, bind="query-params") if n_pages > 1 else 1
    rows = take_page(found, page, PAGE_SIZE)
    with place:
        event = st.dataframe(
            rows.assign(sound=[_data_url(corpus, clip) for clip in rows["clip"]])[COLUMNS],
            hide_index=True,
            column_config={
                "sound": st.column_config.AudioColumn("Play", help="Double-click to listen", width=60),
                "clip": "Clip",
                "channel": "Channel",
                "emotion": "Emotion",
                "answer": st.column_config.TextColumn(
                    "Model's answer", help="By a model of the same recipe that never heard this actor."
                ),
                "confidence": st.column_config.ProgressColumn("Confidence", min_value=0, max_value=1, format="%.2f"),
                "intensity": "Intensity",
                "actor": "Actor",
                "gender": "Gender",
                "duration": st.column_config.NumberColumn("Duration (s)", format="%.2f"),
            },
            on_select="rerun",
            selection_mode="single-row",
            key=f"{state.CLIP_TABLE}-{page}-{fingerprint(chosen)}",
        )
    picked = event["selection"]["rows"]
    if not picked or picked[0] >= len(rows):
        return None
    name = str(rows["clip"].iloc[picked[0]])
    st.query_params[state.CLIP] = name
    return name


def _data_url(corpus: Corpus, clip: str) -> str:
    data = corpus.read(clip)
    return f"data:{mime(data)};base64,{base64.b64encode(data).decode()}"
