"""Trainings side by side: their settings, what the models reach, and how they learned."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from core.errors import ModelError
from core.learning.reports.cards import percent
from core.operations.jobs.monitor import mean_curves, read_curves
from core.operations.jobs.record import Job
from core.plots.operations import run_curves
from core.serving.registry import StoredModel
from pages.ui.shared import cache
from pages.ui.shared.charts import show_chart

NOT_COMPARED: Final = ("number", "fraction", "created", "message")
"""What tells one training from another anyway."""
Runs = Mapping[str, tuple[Job, Mapping[str, Any]]]


def show_runs(runs: Runs, titles: Mapping[str, str]) -> None:
    """Show trainings, by name, each with what the table of all shows of it."""
    models = {name: _model_of(job) for name, (job, _) in runs.items()}
    table = pd.DataFrame(
        {
            name: {titles[key]: _text(value) for key, value in row.items() if key not in NOT_COMPARED}
            | _figures(models[name])
            for name, (_, row) in runs.items()
        }
    ).fillna("")
    differs = table.nunique(axis="columns") > 1
    table.insert(0, "differs", differs.map({True: "≠", False: ""}))
    st.dataframe(
        table.loc[[*differs[differs].index, *differs[~differs].index]],
        column_config={"differs": st.column_config.TextColumn("", width=30, help="Where they differ")},
    )
    curves = {name: _curves_of(job, models[name]) for name, (job, _) in runs.items()}
    curves = {name: rows for name, rows in curves.items() if len(rows)}
    if not curves:
        st.caption("None of them has finished a fold: there are no curves yet.")
        return
    show_chart(
        run_curves(curves),
        "trainings",
        "Validation accuracy and loss of trainings by epoch",
        pd.concat([rows.assign(group=name) for name, rows in curves.items()])[["group", *next(iter(curves.values()))]],
        group="Training",
    )
    st.caption("Means over seeds and folds, on the clips that each fold is validated by.")


def _model_of(job: Job) -> StoredModel | None:
    """Return the model that came of a training, where it is still stored."""
    try:
        return cache.VerifiedModels().load(job.model) if job.model else None
    except ModelError:
        return None


def _figures(model: StoredModel | None) -> dict[str, str]:
    """Return what a model reaches on unseen speakers."""
    if model is None:
        return {}
    reports = model.metrics().get(model.main_protocol, {})
    return {
        f"UAR, {channel}, in %": percent(reports[channel]["unweighted_average_recall"])
        for channel in model.manifest.corpus.channels
        if channel in reports
    }


def _curves_of(job: Job, model: StoredModel | None) -> pd.DataFrame:
    """Return the mean curves of a training, from its model where there is one."""
    return mean_curves(read_curves(job) if model is None else model.history(), job.spec)


def _text(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else str(value)
