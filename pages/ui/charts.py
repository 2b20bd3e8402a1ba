"""Showing a figure with the table behind it."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.ui import state

COLUMNS: dict[str, Any] = {
    "group": "Group",
    "protocol": "Protocol",
    "model": "Model",
    "case": "Case",
    "fold": "Fold",
    "epoch": "Epoch",
    "is_chosen": "Chosen",
    "n_clips": st.column_config.NumberColumn("Clips", format="localized"),
    "n_answers": st.column_config.NumberColumn("Answers", format="localized"),
    "calibration_error": st.column_config.NumberColumn("ECE", format="%.3f"),
    "threshold": st.column_config.NumberColumn("From confidence", format="%.3f"),
    "confidence": st.column_config.NumberColumn("Mean confidence", format="%.3f"),
    "low": st.column_config.NumberColumn("Confidence from", format="%.2f"),
    "high": st.column_config.NumberColumn("to", format="%.2f"),
    "loss": st.column_config.NumberColumn("Loss, training", format="%.3f"),
    "val_loss": st.column_config.NumberColumn("Loss, validation", format="%.3f"),
    "p_value": st.column_config.NumberColumn("p", format="%.5f"),
}
"""Titles and formats of the columns of reports that are no shares."""
SHARES = {
    "accuracy": "Accuracy",
    "val_accuracy": "Accuracy, validation",
    "average_accuracy": "Accuracy, average of both",
    "recall": "UAR",
    "speech": "UAR, speech",
    "song": "UAR, song",
    "mean_confidence": "Mean confidence",
    "twin_share": "Seen in training",
    "difference": "UAR, difference",
    "coverage": "Answered",
    "risk": "Wrong",
}
"""Titles of the columns of reports that are shares; their bounds follow them."""
CLASS_COLUMNS: dict[str, Any] = {
    "emotion": "Emotion",
    "precision": st.column_config.NumberColumn("Precision", format="percent", help="Right among those answered so."),
    "recall": st.column_config.NumberColumn("Recall", format="percent", help="Found among those that are so."),
    "f1": st.column_config.NumberColumn("F1", format="percent", help="Harmonic mean of precision and recall."),
    "n_answers": st.column_config.NumberColumn("Support", format="localized", help="Answers for clips that are so."),
}


def show_chart(figure: go.Figure, name: str, alt: str, table: pd.DataFrame) -> None:
    """Show a figure, and behind it its table for those who can not see it."""
    st.plotly_chart(figure, config=picture_button(name), alt=alt)
    with st.expander("As a table", icon=":material/table:"):
        show_shares(table)


def show_shares(table: pd.DataFrame) -> None:
    """Show a table of a report, shares in per cent."""
    columns = dict(COLUMNS)
    for column, title in SHARES.items():
        for end, words in (("", ""), ("_low", ", low"), ("_high", ", high")):
            columns[column + end] = st.column_config.NumberColumn(title + words, format="percent")
    st.dataframe(table, hide_index=True, column_config=columns)


def picture_button(name: str) -> dict[str, Any]:
    """Return the settings of a chart: the one button saves it as a picture of this name."""
    kind = st.session_state.get(state.METRICS_PICTURE) or "png"
    return {
        "displaylogo": False,
        "modeBarButtonsToRemove": ["zoom", "pan", "select", "lasso", "zoomIn", "zoomOut", "autoScale", "resetScale"],
        "toImageButtonOptions": {"format": kind, "filename": name, "scale": 1 if kind == "svg" else 3},
    }
