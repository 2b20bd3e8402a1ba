"""The tabs of Metrics below the matrix; each computes only while it is open."""

import streamlit as st

from core.corpus.base import Listeners
from core.learning.evaluation import summarize
from core.learning.reports import comparisons
from core.learning.reports.cards import STUDIES
from core.learning.reports.tables import (
    groups_of,
    tabulate_classes,
    tabulate_groups,
    tabulate_reliability,
    tabulate_risk,
)
from core.plots import metrics as plots
from core.settings import PROGRAM
from pages.ui.metrics.evaluated import Evaluated
from pages.ui.shared import cache, state
from pages.ui.shared.charts import show_chart, show_shares
from pages.ui.shared.links import linked, one_of

INFO = ":material/info:"
PROTOCOLS_TEXT = """`reference` repeats a common practice: every clip stands twice, the files are split at
random, and most evaluated clips have a twin in training. It says how well the model remembers. `random` takes each clip
once, but the same voices still stand on both sides. The `speaker` protocols keep whole people apart: this is what a
new user gets."""

STUDY_NOTES = {
    "baseline": "A protocol of its own: each unseen speaker is enrolled with neutral clips of speech, the first "
    "repetition of each sentence. These are evaluated in no row but the first. The app shifts features to the mean of "
    "the training clips, at the strength that is chosen in the sidebar; models hold no neutral mean.",
}
"""What must be known to read a study."""


def show_curves(evaluated: Evaluated) -> None:
    """Show how the model was trained, fold by fold."""
    history = evaluated.model.history()
    history = history[history["protocol"] == evaluated.protocol]
    if history.empty:
        st.info(f"The files of this model hold no training for {evaluated.protocol}.", icon=INFO)
        return
    seed = evaluated.seed if evaluated.seed is not None else history["seed"].iloc[0]
    history = history[history["seed"] == seed].drop(columns=["protocol", "seed"])
    if (history.groupby("fold").size() == 1).all():
        st.markdown(
            "This model is solved in one step: there are no epochs to draw. Each fold ended with these figures."
        )
        show_shares(history.drop(columns=["epoch", "is_chosen", "average_accuracy"]))
        return
    folds = history["fold"].unique().tolist()
    fold = st.selectbox("Fold", folds, width=160, **linked(state.METRICS_FOLD, one_of(folds, folds[0])))
    history = history[history["fold"] == fold]
    show_chart(
        plots.training_curves(history),
        f"{evaluated.words}-fold-{fold}-training",
        "Loss and accuracy on training and validation clips by epoch",
        history,
    )
    st.caption(
        f"Seed {seed}. The epoch with the highest average of training and validation accuracy is taken. In the "
        "protocol `reference`, the validation clips are the evaluated ones."
    )


def show_groups(evaluated: Evaluated) -> None:
    """Show figures by speaker, gender, channel or intensity, and by emotion."""
    groups = groups_of(evaluated.rows)
    by = linked(state.METRICS_GROUP, one_of(groups, groups[0]))
    field = str(st.segmented_control("By", groups, required=True, **by))
    table = cache.report(tabulate_groups, evaluated.key, field)
    mean = cache.report(summarize, evaluated.key)["unweighted_average_recall"]["mean"]
    show_chart(
        plots.group_bars(table, field, mean),
        f"{evaluated.words}-by-{field}",
        f"Share of right answers, averaged over emotions, by {field}",
        table,
    )
    if field == "speaker":
        st.caption("One speaker: no interval over speakers can be drawn for a single bar.")
    else:
        st.caption(
            "Bars with 95 % intervals by a bootstrap that draws speakers. A group without some of the emotions, such "
            "as song or strong intensity, is averaged over those it has."
        )
    st.markdown("**By emotion**")
    st.caption("The classification report: the average's recall is the unweighted average recall (UAR).")
    classes = cache.report(tabulate_classes, evaluated.key)
    n_clips = (classes["n_answers"] / evaluated.rows["seed"].nunique()).round().astype(int)
    show_shares(classes.drop(columns="n_answers").assign(n_clips=n_clips), recall="Recall")


def show_calibration(evaluated: Evaluated) -> None:
    """Show how far confidence can be taken at its word, and what saying "unsure" brings."""
    threshold = evaluated.model.threshold
    places = st.columns(2, gap="large")
    with places[0]:
        bins = cache.report(tabulate_reliability, evaluated.key)
        ece = cache.report(summarize, evaluated.key)["expected_calibration_error"]
        show_chart(
            plots.reliability_diagram(bins, ece),
            f"{evaluated.words}-reliability",
            "Share of right answers by confidence",
            bins,
        )
        st.caption("Above the dashed line the model is too modest, below it too sure.")
    with places[1]:
        curve = cache.report(tabulate_risk, evaluated.key)
        show_chart(
            plots.risk_coverage(curve, threshold),
            f"{evaluated.words}-risk-coverage",
            "Share of wrong answers by share of clips answered",
            curve,
        )
        unsure = "always unsure" if threshold is None else f"unsure below a confidence of {threshold:.3f}"
        st.caption(f"The surest clips are answered first. This model is {unsure}.")


def show_protocols(evaluated: Evaluated) -> None:
    """Show the protocols side by side and say why they differ."""
    table = comparisons.tabulate_protocols(evaluated.model.metrics(), evaluated.subset)
    missing = [name for name in evaluated.model.manifest.corpus.protocols if name not in set(table.get("protocol", []))]
    if table.empty:
        st.info(f"This model has evaluated no clips of {evaluated.subset_name}.", icon=INFO)
        return
    listeners = evaluated.listeners if evaluated.listeners and evaluated.listeners.channel == evaluated.subset else None
    show_chart(
        plots.protocol_bars(table, chance=evaluated.chance, listeners=listeners),
        f"{evaluated.model.name}-{evaluated.subset}-protocols",
        "Share of right answers, averaged over emotions, by protocol",
        table,
    )
    st.markdown(f"{PROTOCOLS_TEXT} {_describe_listeners(evaluated.listeners)}")
    if missing:
        st.caption(f"The files of this model hold no answers for: {', '.join(missing)}.")


def _describe_listeners(listeners: Listeners | None) -> str:
    if listeners is None:
        return ""
    return (
        f"People who listened to the {listeners.channel} clips chose the intended emotion in {listeners.accuracy:.1%} "
        f"of the cases ([{listeners.title}]({listeners.source}))."
    )


def show_studies(evaluated: Evaluated) -> None:
    """Show the model on degraded sound and with parts missing."""
    studies = evaluated.model.studies()
    if not studies:
        st.info(
            f"The files of this model hold no studies. `{PROGRAM} train --studies` trains one with them: the same "
            "clips in noise, rooms and telephones, and the recipe with parts missing.",
            icon=INFO,
        )
        return
    predictions = cache.predictions(evaluated.model)
    for name, (key, unchanged, heading) in STUDIES.items():
        if name in studies:
            table = comparisons.tabulate_study(studies[name], key, unchanged, predictions)
            show_chart(plots.study_bars(table, heading), f"{evaluated.model.name}-{name}", f"UAR by {key}", table)
            if name in STUDY_NOTES:
                st.caption(STUDY_NOTES[name])
        else:
            st.caption(f"The files of this model hold no {name}.")
    st.caption(f"Unseen speakers, protocol `{evaluated.model.main_protocol}`, first seed.")
