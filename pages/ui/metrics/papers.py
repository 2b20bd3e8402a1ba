"""Models side by side, and the papers of one: card, report, predictions."""

import streamlit as st

from core.errors import ModelError
from core.learning.reports.comparisons import tabulate_models
from core.learning.reports.tables import tabulate_classes, write_report
from core.serving.exports import spreadsheet_csv
from core.serving.registry import Registry
from pages.ui.metrics.judged import SUBSET_NAMES, Judged
from pages.ui.shared import cache, state
from pages.ui.shared.card import show_card
from pages.ui.shared.charts import show_shares

COLUMN_ORDER = (
    "n_clips", "recall", "recall_low", "recall_high", "calibration_error", "difference", "difference_low",
    "difference_high", "p_value", "accuracy", "accuracy_low", "accuracy_high", "twin_share",
)  # fmt: skip
DOWNLOAD = ":material/download:"


def show_models(judged: Judged) -> None:
    """Show the figures of all stored models in one table."""
    registry = Registry()
    models = [judged.model]
    for name in registry.names():
        try:
            models += [registry.load(name)] if name != judged.model.name else []
        except ModelError as error:
            st.caption(f":material/warning: {error}")
    root = str(registry.root)
    table = tabulate_models(
        {model.name: model.metrics() for model in models},
        {model.name: cache.st_predictions(root, model.name) for model in models},
        judged.protocol,
        judged.subset,
    )
    st.markdown(f"**All stored models: {judged.protocol}, {SUBSET_NAMES[judged.subset]}**")
    show_shares(table[["model", *COLUMN_ORDER]])
    st.caption(
        "All seeds; bounds of 95 % intervals over actors. The difference is that of the unweighted average recall "
        f"(UAR) from {judged.model.name}, on the same clips; p by flipping the signs of the actors' differences. "
        "An empty row: that model was not judged so, or on other clips."
    )


def show_papers(judged: Judged) -> None:
    """Show the model card and offer what can be downloaded."""
    with st.container(horizontal=True):
        if not judged.rows.empty:
            st.download_button(
                "Full report (JSON)", lambda: _report(judged), f"{judged.words}.json", "application/json", icon=DOWNLOAD
            )
            classes = cache.report(tabulate_classes, judged.key)
            st.download_button(
                "Classification report (CSV)",
                spreadsheet_csv(classes),
                f"{judged.words}.csv",
                "text/csv",
                icon=DOWNLOAD,
            )
        folder, name = judged.model.folder, judged.model.name
        st.download_button(
            "Predictions (CSV)",
            (folder / "predictions.csv").read_bytes,
            f"{name}-predictions.csv",
            "text/csv",
            icon=DOWNLOAD,
        )
        card = (folder / "card.md").read_text()
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


def _report(judged: Judged) -> str:
    about = {"model": judged.model.name, "protocol": judged.protocol, "clips": judged.subset, "seed": judged.seed}
    return write_report(judged.rows, judged.model.threshold, about)
