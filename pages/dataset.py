"""Dataset: what the models learned from, to filter, hear, check and see at a glance."""

import pandas as pd
import streamlit as st

from core.corpus.browsing import without_answers
from core.errors import ModelError
from core.labels import order_channels
from pages.ui.dataset.browse import show_browse
from pages.ui.dataset.compare import show_compare
from pages.ui.dataset.download import show_first_visit
from pages.ui.dataset.integrity import show_integrity
from pages.ui.dataset.map import show_map
from pages.ui.shared import cache, state
from pages.ui.shared.corpus import FoundCorpus, choose_corpus, plain
from pages.ui.shared.frame import shown_errors
from pages.ui.shared.links import linked, one_of

VIEWS = ("Browse", "Compare", "Integrity", "Map")


def main() -> None:
    """Show the page: the corpus in four views, or the ways to it where there is none."""
    st.title("Dataset")
    with shown_errors():
        corpus = choose_corpus()
        if corpus is None:
            show_first_visit()
            return
        clips = _with_answers(corpus)
    _show_totals(corpus, clips)
    browse, compare, integrity, projection = st.tabs(VIEWS, **linked(state.DATASET_VIEW, one_of(VIEWS, VIEWS[0])))
    # Only the open tab is computed.
    if browse.open:
        with browse, shown_errors():
            show_browse(corpus, clips)
    elif compare.open:
        with compare, shown_errors():
            show_compare(corpus, clips)
    elif integrity.open:
        with integrity, shown_errors():
            show_integrity(corpus)
    elif projection.open:
        with projection, shown_errors():
            show_map(corpus, clips)


def _with_answers(corpus: FoundCorpus) -> pd.DataFrame:
    """Return the clips with the out-of-fold answers of the model in use, if there is one."""
    try:
        return cache.st_answers(corpus.corpus.name, corpus.digest, cache.predictor().model, corpus.clips)
    except ModelError as error:
        st.caption(f":material/info: Without a model's answers: {plain(error.told)}")
        return without_answers(corpus.clips)


def _show_totals(corpus: FoundCorpus, clips: pd.DataFrame) -> None:
    """Show in a line what the corpus holds in all."""
    by_channel = clips["channel"].value_counts()
    totals = [f"{len(clips):,} clips"]
    totals += [f"{by_channel[channel]:,} {plain(channel)}" for channel in order_channels(clips["channel"])]
    totals += [f"{clips['speaker'].nunique()} {plain(corpus.corpus.field('speaker').title.lower())}s"]
    totals += [f"{clips['duration'].sum() / 3600:.1f} hours"]
    st.markdown(f"**{plain(corpus.corpus.title)}** · {' · '.join(totals)}")


main()
