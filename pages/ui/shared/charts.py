"""Showing a figure with the table behind it."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.ui.shared import state

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
    "emotion": "Emotion",
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
    "precision": "Precision",
    "f1": "F1",
    "twin_share": "Seen in training",
    "difference": "UAR, difference",
    "coverage": "Answered",
    "risk": "Wrong",
}
"""Titles of the columns of reports that are shares; their bounds follow them."""


def show_chart(figure: go.Figure, name: str, alt: str, table: pd.DataFrame, **titles: str) -> None:
    """Show a figure, and behind it its table for those who cannot see it; some columns under other titles."""
    st.plotly_chart(figure, config=picture_button(name), alt=alt)
    with st.expander("As a table", icon=":material/table:"):
        show_shares(table, **titles)


def show_shares(table: pd.DataFrame, **titles_instead: str) -> None:
    """Show a table of a report without its empty columns, shares in per cent; some columns under other titles."""
    table = table.dropna(axis="columns", how="all")
    titles = {
        column + end: title + words
        for column, title in (SHARES | titles_instead).items()
        for end, words in (("", ""), ("_low", ", low"), ("_high", ", high"))
        if column + end in table
    }
    shares = {column: st.column_config.NumberColumn(title, format="%.1f %%") for column, title in titles.items()}
    percent = table.assign(**{column: 100 * table[column].astype(float) for column in shares})
    st.dataframe(percent, hide_index=True, placeholder="", column_config=COLUMNS | shares)


def picture_button(name: str) -> dict[str, Any]:
    """Return the settings of a chart: the one button saves it as a picture of this name."""
    kind = st.session_state.get(state.METRICS_PICTURE) or "png"
    return {
        "displaylogo": False,
        "modeBarButtonsToRemove": ["zoom", "pan", "select", "lasso", "zoomIn", "zoomOut", "autoScale", "resetScale"],
        "toImageButtonOptions": {"format": kind, "filename": name, "scale": 1 if kind == "svg" else 3},
    }
