"""Map: every clip a point, near those that sound alike to the model."""

import pandas as pd
import streamlit as st

from core.config import data_folder
from core.corpus.browsing import fields_of
from core.corpus.projection import MAX_CLIPS, METHODS, Projection
from core.plots import corpus as plots
from core.serving.corpus_map import compute_map, read_map
from pages.ui.dataset.detail import linked_clip, show_clip
from pages.ui.shared import cache, links, state
from pages.ui.shared.corpus import FoundCorpus

MEASURES = ("duration", "answer", "confidence")


def show_map(corpus: FoundCorpus, clips: pd.DataFrame) -> None:
    """Show the tab."""
    predictor, work = cache.predictor(), cache.st_map_work()
    if work.state.is_running:
        _follow()
        return
    projection = read_map(predictor.model, corpus.clips, data_folder())
    if projection is not None:
        _show_points(corpus, clips, projection)
        return
    if work.state.failure is not None:
        st.error(str(work.state.failure), icon=":material/error:")

    def start() -> None:
        work.start(lambda report: compute_map(predictor, corpus.clips, corpus.root, data_folder(), report))

    started: set[tuple[str, str]] = st.session_state.setdefault(state.MAP_STARTED, set())
    wanted = (predictor.model.name, corpus.digest)
    if wanted not in started:
        started.add(wanted)
        start()
        _follow()
        return
    with st.container(border=True):
        st.markdown("#### No map yet")
        st.markdown(
            "Each clip becomes a point, near those that sound alike to the model in use. It is computed once and kept: "
            "under a minute where the features are stored, some minutes where they have to be computed."
        )
        st.button(
            "Draw the map",
            type="primary",
            icon=":material/scatter_plot:",
            on_click=start,
        )


@st.fragment(run_every=1.0)
def _follow() -> None:
    """Show how far the map is, and the whole page anew at its end."""
    work = cache.st_map_work()
    found = work.state
    if not found.is_running:
        st.rerun()
    with st.container(border=True):
        st.markdown("##### Drawing the map")
        st.progress(found.progress.overall, text=str(found.progress))
        st.caption("It goes on when you leave this page.")
        st.button("Stop", icon=":material/stop:", on_click=work.stop)


def _show_points(corpus: FoundCorpus, clips: pd.DataFrame, projection: Projection) -> None:
    """Show the map, and beside it the clip whose point is chosen."""
    map_place, clip_place = st.columns([6, 5], gap="medium")
    with clip_place:
        chosen = linked_clip(clips)
        if chosen is None:
            st.info("Click a point to listen to its clip.", icon=":material/touch_app:")
        else:
            show_clip(corpus, chosen)
    with map_place:
        _show_map(corpus, clips, projection, None if chosen is None else str(chosen["clip"]))


def _show_map(corpus: FoundCorpus, clips: pd.DataFrame, projection: Projection, chosen: str | None) -> None:
    """Show the points; a click on one puts its clip into the address."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        method = st.segmented_control("Projection", METHODS, default=METHODS[0], required=True, key=state.MAP_METHOD)
        fields = [*fields_of(corpus.corpus), *MEASURES]
        field = st.selectbox("Colour", fields, key=corpus.key(state.MAP_FIELD), width=200)
    places = projection.table(clips, method or METHODS[0])
    axes = ("t-SNE 1 (no unit)", "t-SNE 2 (no unit)")
    if method == "PCA":
        first, second = projection.explained
        axes = (f"component 1 ({first:.0%} of the variance)", f"component 2 ({second:.0%} of the variance)")
    drawn = places[places["answer"] != ""] if field == "answer" else places
    key, ringed = _mark(f"{state.MAP_POINTS}-{method}-{field}", chosen)
    st.plotly_chart(
        plots.projection_scatter(drawn, field, method, axes, corpus.corpus, ringed),
        key=key,
        on_select=lambda: _take_click(key),
        selection_mode="points",
        config={"displaylogo": False, "scrollZoom": True},
        alt=f"{len(places):,} clips on a plane by {method}, coloured by {field}",
    )
    share = f"{len(places):,} of {len(clips):,} clips, drawn at random" if len(clips) > MAX_CLIPS else "All clips"
    st.caption(
        f"{share}, by the features that `{cache.predictor().model.name}` reads. "
        + ("Distances are kept as far as two axes can." if method == "PCA" else "Only near neighbours mean something.")
    )


def _mark(name: str, chosen: str | None) -> tuple[str, str | None]:
    """Return the key of the chart and the clip that is ringed in it.

    A point that was clicked is marked by the browser, and the chart stays as it is: another one would lose the view
    that somebody zoomed to. What is chosen otherwise, by a link or by Back, is ringed in a chart that is drawn anew.
    """
    ringed, n_drawn = st.session_state.get(state.MAP_RINGED, (None, 0))
    marked = _clicked(f"{name}-{n_drawn}") or ringed
    if marked != chosen:
        ringed, n_drawn = chosen, n_drawn + 1
        st.session_state[state.MAP_RINGED] = (ringed, n_drawn)
    return f"{name}-{n_drawn}", ringed


def _clicked(key: str) -> str | None:
    """Return the clip whose point is marked in the browser."""
    points = st.session_state.get(key, {}).get("selection", {}).get("points")
    if not points:
        return None
    told = points[0]["customdata"]
    return str(told[0] if isinstance(told, list) else told)


def _take_click(key: str) -> None:
    """Put the clip whose point was clicked into the address, or take it back."""
    clicked = _clicked(key)
    links.tell({state.CLIP: [] if clicked is None else [clicked]})
