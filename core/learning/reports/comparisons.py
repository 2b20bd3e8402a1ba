"""Tables that set figures side by side: protocols, models, and the cases of a study.

Accuracy and recall (the UAR) come with the bounds of their 95 % intervals over speakers, as in
``core.learning.reports.tables.tabulate_groups``.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from core.labels import order_channels
from core.learning.evaluation import ALL_CLIPS, compare, summarize_study
from core.learning.reports.tables import figure_columns, select


def tabulate_protocols(metrics: Mapping[str, Any], subset: str = ALL_CLIPS) -> pd.DataFrame:
    """Return the figures of a model by protocol.

    Parameters
    ----------
    metrics : mapping
        As in a model's ``metrics.json``.
    subset : str
        ``all``, or the channel whose clips are wanted.

    Returns
    -------
    pandas.DataFrame
        A row for each protocol that evaluated such clips: ``protocol``, ``n_clips``, accuracy and recall with
        bounds, ``calibration_error``, ``twin_share`` (evaluated clips that also stood in training).
    """
    return pd.DataFrame(
        {"protocol": protocol, **_figures(report[subset]), "twin_share": report["twin_share"]}
        for protocol, report in metrics.items()
        if subset in report
    )


def tabulate_models(
    metrics: Mapping[str, Mapping[str, Any]],
    predictions: Mapping[str, pd.DataFrame],
    protocol: str,
    subset: str = ALL_CLIPS,
) -> pd.DataFrame:
    """Return the figures of several models on one protocol, beside the first.

    Parameters
    ----------
    metrics : mapping of str to mapping
        By model, as in its ``metrics.json``; the first is compared with.
    predictions : mapping of str to pandas.DataFrame
        By model, as in its ``predictions.csv``.
    protocol : str
        Name of the protocol.
    subset : str
        ``all``, or the channel whose clips are wanted.

    Returns
    -------
    pandas.DataFrame
        A row a model: ``model``, the columns of ``tabulate_protocols`` but the first (empty where it was not evaluated
        so), and ``difference``, ``difference_low``, ``difference_high``, ``p_value`` of its UAR less that of the first
        (see ``core.learning.evaluation.compare``; empty where it evaluated other clips).
    """
    first = next(iter(metrics))
    own = select(predictions[first], protocol, subset)
    table = []
    for model, reports in metrics.items():
        row: dict[str, Any] = {"model": model}
        if subset in reports.get(protocol, {}):
            row |= _figures(reports[protocol][subset]) | {"twin_share": reports[protocol]["twin_share"]}
            rows = select(predictions[model], protocol, subset)
            if model != first and set(rows["clip"]) == set(own["clip"]):
                found = compare(rows, own)
                low, high = found["interval"]
                row |= {"difference": found["difference"], "difference_low": low, "difference_high": high}
                row["p_value"] = found["p_value"]
        table.append(row)
    columns = ["model", *_figures_columns(), "difference", "difference_low", "difference_high", "p_value"]
    return pd.DataFrame(table, columns=columns)


def tabulate_study(study: pd.DataFrame, key: str, unchanged: str, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the figures of each case of a study, the unchanged one first.

    Parameters
    ----------
    study : pandas.DataFrame
        As from ``core.serving.registry.StoredModel.studies``.
    key : str
        Column that names the case.
    unchanged : str
        What to call the model as it is, on clips as they are.
    predictions : pandas.DataFrame
        As in the model's ``predictions.csv``.

    Returns
    -------
    pandas.DataFrame
        Columns ``case``, one of each channel (UAR), ``accuracy``, ``mean_confidence``.
    """
    figures = summarize_study(study, key, predictions)
    table = [{"case": case or unchanged, **row} for case, row in figures.items()]
    return pd.DataFrame(table, columns=["case", *order_channels(study["channel"]), "accuracy", "mean_confidence"])


def _figures(summary: Mapping[str, Any]) -> dict[str, float]:
    return {
        "n_clips": summary["n_clips"],
        **figure_columns("accuracy", summary["accuracy"]),
        **figure_columns("recall", summary["unweighted_average_recall"]),
        "calibration_error": summary["expected_calibration_error"],
    }


def _figures_columns() -> list[str]:
    bounds = [f"{label}{end}" for label in ("accuracy", "recall") for end in ("", "_low", "_high")]
    return ["n_clips", *bounds, "calibration_error", "twin_share"]
