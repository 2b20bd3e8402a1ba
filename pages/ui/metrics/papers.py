"""Models side by side, and the papers of one: card, report, predictions."""

import pandas as pd
import streamlit as st

from core.errors import ModelError
from core.learning.reports.comparisons import tabulate_models
from core.learning.reports.tables import tabulate_classes, with_bounds, write_report
from core.plots import metrics as plots
from core.serving.exports import spreadsheet_csv
from core.serving.registry import PREDICTIONS_FILE
from pages.ui.metrics.evaluated import Evaluated
from pages.ui.shared import cache, state
from pages.ui.shared.card import show_card
from pages.ui.shared.charts import show_chart

FIGURES = {"recall": "UAR, %", "difference": "Difference, points", "accuracy": "Accuracy, %"}
"""Figures that stand with their bounds in one column, so that the table fits."""
DOWNLOAD = ":material/download:"


def show_models(evaluated: Evaluated) -> None:
    """Show the figures of all stored models in one table."""
    registry = cache.VerifiedModels()
    models = [evaluated.model]
    for name in registry.names():
        try:
            models += [registry.load(name)] if name != evaluated.model.name else []
        except ModelError as error:
            st.caption(f":material/warning: {error.told}")
    table = tabulate_models(
        {model.name: model.metrics() for model in models},
        {model.name: cache.predictions(model) for model in models},
        evaluated.protocol,
        evaluated.subset,
    )
    compared = table.dropna(subset="recall")
    if not compared.empty:
        show_chart(
            plots.model_bars(compared, evaluated.chance, f"{evaluated.protocol}, {evaluated.subset_name}"),
            f"{evaluated.protocol}-{evaluated.subset}-models",
            "Share of right answers, averaged over emotions, by model",
            compared,
        )
    shown = table.assign(**{column: with_bounds(table, column) for column in FIGURES})
    shown["p_value"] = ["" if pd.isna(p) else "< 0.0001" if p < 1e-4 else f"{p:.4f}" for p in table["p_value"]]
    st.dataframe(
        shown[["model", "recall", "difference", "p_value", "calibration_error", "accuracy", "n_clips", "twin_share"]],
        hide_index=True,
        placeholder="",
        column_config={
            **FIGURES,
            "model": st.column_config.TextColumn("Model", width=150),
            "p_value": st.column_config.TextColumn("p", width=64),
            "calibration_error": st.column_config.NumberColumn("ECE", format="%.3f", width=56),
            "n_clips": st.column_config.NumberColumn("Clips", format="localized", width=60),
            "twin_share": st.column_config.NumberColumn(
                "Heard before", help="Evaluated clips seen in training", format="percent", width=100
            ),
        },
    )
    st.caption(
        "Unweighted average recall (UAR) of all seeds, with 95 % intervals over speakers in brackets. The difference "
        f"is that from {evaluated.model.name}, in points, on the same clips; p by flipping the signs of the speakers' "
        "differences. An empty row: that model was not evaluated so, or on other clips."
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
