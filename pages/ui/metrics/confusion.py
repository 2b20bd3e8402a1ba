"""The confusion matrix, and the clips of a cell to listen to."""

import streamlit as st

from core.errors import SoundWebError
from core.learning.reports.tables import largest_confusion, list_cell, tabulate_confusion
from core.plots import metrics as plots
from pages.ui.metrics.evaluated import Evaluated, forget_other
from pages.ui.shared import cache, state
from pages.ui.shared.answer import show_player
from pages.ui.shared.charts import picture_button
from pages.ui.shared.corpus import find_corpus


def show_confusion(evaluated: Evaluated) -> None:
    """Show the matrix, and beside it the clips of the chosen cell."""
    counts, labels = cache.report(tabulate_confusion, evaluated.key), evaluated.model.manifest.labels
    matrix_place, list_place = st.columns([5, 4], gap="large")
    with list_place:
        cell = _choose_cell(labels, largest_confusion(counts))
        _show_cell(evaluated, *cell)
    with matrix_place:
        st.plotly_chart(
            plots.confusion_matrix(counts, cell),
            key=state.METRICS_MATRIX,
            on_select=lambda: _take_click(labels),
            selection_mode="points",
            config=picture_button(f"{evaluated.words}-confusion"),
            alt="Confusion matrix: true emotions by answered ones; the numbers stand in the table below",
        )
        with st.expander("As a table", icon=":material/table:"):
            st.dataframe(counts.rename_axis("true, answered as"))


def _take_click(labels: tuple[str, ...]) -> None:
    """Put the cell that was clicked into the pickers."""
    points = st.session_state[state.METRICS_MATRIX]["selection"]["points"]
    cell = points[0].get("customdata", ()) if points else ()
    if len(cell) == 2 and set(cell) <= set(labels):
        st.session_state[state.METRICS_TRUE], st.session_state[state.METRICS_ANSWER] = cell


def _choose_cell(labels: tuple[str, ...], default: tuple[str, str]) -> tuple[str, str]:
    """Show the pickers of a cell; until somebody chooses, it is the most frequent wrong answer."""
    for key in (state.METRICS_TRUE, state.METRICS_ANSWER):
        forget_other(key, labels)
    columns = st.columns(2)
    chosen = [
        columns[i].selectbox(
            label, labels, index=None, placeholder=default[i], key=key, bind="query-params",
            help="Or click a cell of the matrix.",
        )
        for i, (label, key) in enumerate((("True emotion", state.METRICS_TRUE), ("Answered", state.METRICS_ANSWER)))
    ]  # fmt: skip
    return chosen[0] or default[0], chosen[1] or default[1]


def _show_cell(evaluated: Evaluated, true: str, answered: str) -> None:
    """List the clips of a cell and play the chosen one."""
    clips = cache.report(list_cell, evaluated.key, true, answered)
    verb = "recognised as" if true == answered else "taken for"
    st.markdown(f"**{true} {verb} {answered}** · {len(clips):,} answers, {clips['clip'].nunique():,} clips")
    if clips.empty:
        st.caption("No clip was answered so. Click another cell.")
        return
    event = st.dataframe(
        clips[["clip", "confidence", "seed", "speaker", "intensity", "channel", "statement"]],
        hide_index=True,
        height=min(36 * len(clips) + 38, 322),
        column_config={
            "clip": "Clip",
            "confidence": st.column_config.NumberColumn("Confidence", format="%.2f"),
            "speaker": "Speaker",
            "channel": "Channel",
            "intensity": "Intensity",
            "statement": "Sentence",
            "seed": st.column_config.NumberColumn("Seed", format="%d"),
        },
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0]}},
        key=f"{state.METRICS_CLIP}-{evaluated.words}-{true}-{answered}",
    )
    rows = event["selection"]["rows"]
    chosen = clips.iloc[rows[0] if rows and rows[0] < len(clips) else 0]
    _play(chosen["corpus"], chosen["clip"])


def _play(name: str, clip: str) -> None:
    """Play a clip of a corpus, or say why it cannot be played."""
    try:
        corpus = find_corpus(name)
        if corpus is None:
            st.caption(":material/volume_off: To listen, name the corpus folder to the server; Dataset says how.")
            return
        sound = corpus.read(clip)
        st.code(clip, language=None)
        show_player(sound, cache.waveform(sound))
    except SoundWebError as error:
        st.caption(f":material/volume_off: {error}")
