"""Models side by side, and the papers of one: card, report, predictions."""

import streamlit as st

from core.errors import ModelError
from core.learning.reports.comparisons import tabulate_models
from core.learning.reports.tables import tabulate_classes, write_report
from core.serving.exports import spreadsheet_csv
from core.serving.registry import PREDICTIONS_FILE
from pages.ui.metrics.evaluated import Evaluated
from pages.ui.shared import cache, state
from pages.ui.shared.card import show_card
from pages.ui.shared.charts import show_shares

COLUMN_ORDER = (
    "n_clips", "recall", "recall_low", "recall_high", "calibration_error", "difference", "difference_low",
    "difference_high", "p_value", "accuracy", "accuracy_low", "accuracy_high", "twin_share",
)  # fmt: skip
DOWNLOAD = ":material/download:"


def show_models(evaluated: Evaluated) -> None:
    """Show the figures of all stored models in one table."""
    registry = cache.VerifiedModels()
    models = [evaluated.model]
    for name in registry.names():
        try:
            models += [registry.load(name)] if name != evaluated.model.name else []
        except ModelError as error:
            st.caption(f":material/warning: {error}")
    table = tabulate_models(
        {model.name: model.metrics() for model in models},
        {model.name: cache.predictions(model) for model in models},
        evaluated.protocol,
        evaluated.subset,
    )
    st.markdown(f"**All stored models: {evaluated.protocol}, {evaluated.subset_name}**")
    show_shares(table[["model", *COLUMN_ORDER]])
    st.caption(
        "All seeds; bounds of 95 % intervals over speakers. The difference is that of the unweighted average recall "
        f"(UAR) from {evaluated.model.name}, on the same clips; p by flipping the signs of the speakers' differences. "
        "An empty row: that model was not evaluated so, or on other clips."
    )


def show_papers(evaluated: Evaluated) -> None:
    """Show the model card and offer what can be downloaded."""
    with st.container(horizontal=True):
        if not evaluated.rows.empty:
            st.download_button(
                "Full report (JSON)",
                lambda: _report(evaluated),
                f"{evaluated.words}.json",
                "application/json",
                icon=DOWNLOAD,
            )
            classes = cache.report(tabulate_classes, evaluated.key)
            st.download_button(
                "Classification report (CSV)",
                spreadsheet_csv(classes),
                f"{evaluated.words}.csv",
                "text/csv",
                icon=DOWNLOAD,
            )
        model, name = evaluated.model, evaluated.model.name
        st.download_button(
            "Predictions (CSV)",
            lambda: model.read(PREDICTIONS_FILE),
            f"{name}-predictions.csv",
            "text/csv",
            icon=DOWNLOAD,
        )
        card = model.card()
        st.download_button("Model card (Markdown)", card, f"{name}-card.md", "text/markdown", icon=DOWNLOAD)
    st.segmented_control(
        "Charts are saved as",
        ["png", "svg"],
        default="png",
        required=True,
        key=state.METRICS_PICTURE,
        persist_state="session",
        help="By the camera button that each chart shows.",
    )
    with st.container(border=True):
        show_card(card)


def _report(evaluated: Evaluated) -> str:
    about = {
        "model": evaluated.model.name,
        "protocol": evaluated.protocol,
        "clips": evaluated.subset,
        "seed": evaluated.seed,
    }
    return write_report(evaluated.rows, evaluated.model.threshold, about)
