"""The confusion matrix, and the clips of a cell to listen to."""

from collections import Counter
from collections.abc import Collection, Sequence

import pandas as pd
import streamlit as st

from core.corpus.browsing import fields_of
from core.errors import SoundWebError
from core.learning.reports.tables import find_right, list_cell, rank_cells, tabulate_cell, tabulate_confusion
from core.plots import metrics as plots
from pages.ui.metrics.evaluated import Evaluated, say_missing
from pages.ui.shared import cache, links, state
from pages.ui.shared.charts import picture_button, show_chart
from pages.ui.shared.corpus import address, find_corpus, plain
from pages.ui.shared.player import show_player

CELL_FIELDS = {"speaker": "Speaker", "intensity": "Intensity", "statement": "Sentence"}
"""What the clips of a cell are told apart by."""
FINDING = ("speaker", "channel")
"""What a clip has in common with those among which it is shown, beside the emotion."""


def show_confusion(evaluated: Evaluated) -> None:
    """Show the matrix, and beside it the clips of the chosen cell."""
    answers = cache.report(tabulate_confusion, evaluated.key)
    cells = {f"{true} as {answered}": (true, answered) for true, answered in rank_cells(answers)}
    counts = answers / evaluated.rows["seed"].nunique()  # of clips, as means over seeds
    matrix_place, list_place = st.columns([6, 5], gap="medium")
    with list_place:
        cell = _choose_cell(cells, evaluated.model.manifest.labels)
        _show_cell(evaluated, counts, *cell)
    with matrix_place:
        st.plotly_chart(
            plots.confusion_matrix(counts, cell),
            key=state.METRICS_MATRIX,
            on_select=lambda: _take_click(cells),
            selection_mode="points",
            config=picture_button(f"{evaluated.words}-confusion"),
            alt="Confusion matrix: true emotions by answered ones; the numbers stand in the table below",
        )
        with st.expander("As a table", icon=":material/table:"):
            st.dataframe(counts.round(1).rename_axis("true, answered as"))
        _show_groups(evaluated, *cell)


def _take_click(cells: dict[str, tuple[str, str]]) -> None:
    """Put the cell that was clicked into the picker."""
    points = st.session_state[state.METRICS_MATRIX]["selection"]["points"]
    clicked = tuple(points[0].get("customdata", ())) if points else ()
    name = next((name for name, cell in cells.items() if cell == clicked), None)
    if name is not None:
        links.choose({state.METRICS_CELL: name, state.METRICS_CLIP: None})


def _choose_cell(cells: dict[str, tuple[str, str]], labels: Sequence[str]) -> tuple[str, str]:
    """Show the picker of a cell; until somebody chooses, it is the most frequent wrong answer."""
    default = next(iter(cells))
    chosen = st.selectbox(
        "Emotion, answered as",
        list(cells),
        index=None,
        placeholder=default,
        help="Or click a cell of the matrix. The most frequent wrong answers stand first.",
        **links.linked(state.METRICS_CELL, links.one_of(cells)),
    )
    told = st.query_params.get(state.METRICS_CELL)
    if told in {f"{true} as {answered}" for true in labels for answered in labels} - set(cells):
        st.caption(f":material/link_off: {plain(told)}: no clips here. Another cell is shown.")
    else:
        say_missing(state.METRICS_CELL, cells, "cell")
    return cells[chosen or default]


def _show_cell(evaluated: Evaluated, counts: pd.DataFrame, true: str, answered: str) -> None:
    """List the clips of a cell and play the chosen one."""
    clips = cache.report(list_cell, evaluated.key, true, answered)
    verb = "recognised as" if true == answered else "taken for"
    share = counts.loc[true, answered] / counts.loc[true].sum()
    n_seeds, mean = int(evaluated.rows["seed"].nunique()), counts.loc[true, answered]
    counted = f"{len(clips):,} clips" + (f", {mean:.0f} a seed on average" if n_seeds > 1 else "")
    st.markdown(f"**{true} {verb} {answered}** · {share:.0%} of {true} · {counted}")
    if clips.empty:
        st.caption("No clip was answered so. Click another cell.")
        return
    agreement = ["n_answered"] if n_seeds > 1 else []
    channel = ["channel"] if clips["channel"].nunique() > 1 else []  # else the page says it above
    sentences = first_words(sorted(evaluated.rows["statement"].unique()))
    names, told = clips["clip"].tolist(), st.query_params.get(state.METRICS_CLIP)
    shown = told if told in names else names[0]
    st.dataframe(
        # What finds a clip and weighs it stands first: on a small screen the others are scrolled to.
        clips.assign(statement=clips["statement"].map(sentences))[
            ["clip", "speaker", *agreement, "confidence", "intensity", "statement", *channel]
        ],
        hide_index=True,
        height=min(36 * len(clips) + 38, 322),
        column_config={
            "clip": st.column_config.TextColumn("Clip", width=152),
            "speaker": st.column_config.TextColumn("Speaker", width=60),
            "n_answered": st.column_config.NumberColumn("Seeds", help=f"Of {n_seeds} trainings answered so", width=50),
            "confidence": st.column_config.NumberColumn("Sure", help="Mean confidence", format="%.2f", width=46),
            "intensity": st.column_config.TextColumn("Intensity", width=66),
            "statement": st.column_config.TextColumn("Sentence", help=" · ".join(filter(None, sentences))),
            "channel": "Channel",
        },
        **links.linked_row(
            f"{state.METRICS_CLIP}-{evaluated.words}-{true}-{answered}", state.METRICS_CLIP, names, shown
        ),
    )
    _play(evaluated, clips.iloc[names.index(shown)], true, answered)


def first_words(sentences: Collection[str]) -> dict[str, str]:
    """Return sentences by the first word of each, whole where others begin with it too.

    >>> first_words(["Dogs are sitting by the door", "Kids are talking", "Kids play"])
    {'Dogs are sitting by the door': 'dogs', 'Kids are talking': 'Kids are talking', 'Kids play': 'Kids play'}
    """
    first = {sentence: sentence.partition(" ")[0].lower() for sentence in sentences}
    common = Counter(first.values())
    return {sentence: word if common[word] == 1 else sentence for sentence, word in first.items()}


def _show_groups(evaluated: Evaluated, true: str, answered: str) -> None:
    """Show by whom, or how spoken, the emotion is answered so."""
    fields = {field: title for field, title in CELL_FIELDS.items() if (evaluated.rows[field] != "").any()}
    field = st.segmented_control(
        "Answered so, by",
        list(fields),
        required=True,
        format_func=lambda field: fields[field],
        **links.linked(state.METRICS_CELL_FIELD, links.one_of(fields, next(iter(fields)))),
    )
    table = cache.report(tabulate_cell, evaluated.key, true, answered, field)
    title = f"{true.capitalize()} answered as {answered}, by {fields[field].lower()}"
    show_chart(plots.cell_bars(table, title), f"{evaluated.words}-cell", title, table, share="Share of the answers")


def _play(evaluated: Evaluated, clip: pd.Series, true: str, answered: str) -> None:
    """Play a clip of a corpus with ways on, or say why it cannot be played."""
    try:
        corpus = find_corpus(clip["corpus"])
        if corpus is None:
            st.caption(":material/volume_off: To listen, the corpus must be here.")
            st.page_link("pages/dataset.py", label="Get the corpus", icon=":material/download:")
            return
        sound = corpus.read(clip["clip"])
        show_player(sound, key="cell")
    except SoundWebError as error:
        st.caption(f":material/volume_off: {error.told}")
        return
    with st.container(horizontal=True, gap="medium"):
        where = address(corpus, clip["clip"])
        explain = where | {state.FEATURES_TAB: "Model", state.FEATURES_MODEL: evaluated.model.name}
        explain |= {state.FEATURES_EMOTION: answered}
        st.page_link("pages/features.py", label="Explain", icon=":material/troubleshoot:", query_params=explain)
        # With as few others that the chosen row is in sight there.
        alike = {corpus.key(field): str(clip[field]) for field in FINDING if field in fields_of(corpus.corpus)}
        alike[corpus.key("emotion")] = true
        st.page_link(
            "pages/dataset.py", label="Open in Dataset", icon=":material/library_music:", query_params=alike | where
        )
        right = "" if true == answered else cache.report(find_right, evaluated.key, true, clip["speaker"])
        if right:
            st.page_link(
                "pages/features.py",
                label=f"Compare with a {true} one that was recognised",
                icon=":material/compare:",
                query_params=where | address(corpus, right, state.OTHER_SOUND) | {state.FEATURES_COMPARE: "true"},
            )
