"""Tables of a report, each computed from a model's own files: what a page shows and a notebook can print.

``select`` takes the rows of a protocol from a model's predictions; the other functions read such rows. Rows of several
seeds are several answers for the same clips: shares are means over seeds, counts are counts of answers.

References
----------
Geifman Y, El-Yaniv R (2017). Selective classification for deep neural networks. NeurIPS (risk and coverage).
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from core.labels import EVALUATION_FIELDS
from core.learning.evaluation import ALL_CLIPS, Answers, summarize, with_interval
from core.learning.metrics import N_BINS, accuracy, class_figures, confidence_bins, unweighted_average_recall

GROUPS: Final = ("speaker", "gender", "channel", "intensity")
"""Fields of a clip by which figures are told apart."""
N_CURVE_POINTS: Final = 400


def select(predictions: pd.DataFrame, protocol: str, subset: str = ALL_CLIPS, seed: int | None = None) -> pd.DataFrame:
    """Return the rows of a protocol.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As in a model's ``predictions.csv``; see ``core.learning.predictions``.
    protocol : str
        Name of the protocol.
    subset : str
        ``all``, or the channel whose clips are wanted.
    seed : int, optional
        Seed whose answers are wanted; all by default.

    Returns
    -------
    pandas.DataFrame
        Empty where the model has no such rows.
    """
    rows = predictions[predictions["protocol"] == protocol]
    if seed is not None:
        rows = rows[rows["seed"] == seed]
    return rows if subset == ALL_CLIPS else rows[rows["channel"] == subset]


def groups_of(rows: pd.DataFrame) -> list[str]:
    """Return by which of ``GROUPS`` some rows can be told apart: those that the corpus tells."""
    return [field for field in GROUPS if (rows[field] != "").any()]


def tabulate_answers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what was answered for each row, with what the clip is.

    Parameters
    ----------
    rows : pandas.DataFrame
        As from ``select``.

    Returns
    -------
    pandas.DataFrame
        In the same order: ``clip``, ``core.labels.EVALUATION_FIELDS``, ``seed``, ``fold``, ``y_true``, ``y_pred``,
        ``confidence``, ``is_right``.
    """
    answers = Answers(rows)
    return rows[["clip", *EVALUATION_FIELDS, "seed", "fold", "y_true"]].assign(
        y_pred=np.array(answers.labels)[answers.y_pred],
        confidence=answers.confidence,
        is_right=answers.is_right,
    )


def tabulate_confusion(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how often each emotion that occurs (rows) was answered as each that occurs or was answered (columns)."""
    answers = Answers(rows)
    counts = answers.confusion_by_seed_and_speaker().sum(axis=(0, 1)).astype(int)
    occurs, answered = counts.sum(axis=1) > 0, counts.sum(axis=0) > 0
    names = np.array(answers.labels)
    kept = occurs | answered
    return pd.DataFrame(counts[np.ix_(occurs, kept)], index=names[occurs], columns=names[kept])


def rank_cells(counts: pd.DataFrame) -> list[tuple[str, str]]:
    """Return true and answered emotion of each cell: wrong answers first, the most frequent before.

    >>> rank_cells(pd.DataFrame([[9, 1], [2, 5]], index=["calm", "sad"], columns=["calm", "sad"]))
    [('sad', 'calm'), ('calm', 'sad'), ('calm', 'calm'), ('sad', 'sad')]
    """
    cells = [(str(true), str(answer), int(n)) for true, row in counts.iterrows() for answer, n in row.items()]
    cells.sort(key=lambda cell: (cell[0] == cell[1], -cell[2]))
    return [(true, answer) for true, answer, _ in cells]


def list_cell(rows: pd.DataFrame, y_true: str, y_pred: str) -> pd.DataFrame:
    """Return the clips in a cell of the confusion matrix.

    Parameters
    ----------
    rows : pandas.DataFrame
        As from ``select``.
    y_true, y_pred : str
        True and answered emotion.

    Returns
    -------
    pandas.DataFrame
        A row a clip: ``clip``, ``core.labels.EVALUATION_FIELDS``, ``n_answered`` seeds that answered so of ``n_seeds``,
        and the mean ``confidence`` of these. Those that most seeds agree on come first, the surest of them before.
    """
    answers = tabulate_answers(rows)
    answers = answers[answers["y_true"] == y_true]
    cell = answers[answers["y_pred"] == y_pred].groupby("clip")
    table = cell[list(EVALUATION_FIELDS)].first()
    table["n_answered"] = cell.size()
    table["n_seeds"] = answers.groupby("clip").size().reindex(table.index)
    table["confidence"] = cell["confidence"].mean()
    order = ["n_answered", "confidence", "clip"]
    return table.reset_index().sort_values(order, ascending=[False, False, True], ignore_index=True)


def tabulate_cell(rows: pd.DataFrame, y_true: str, y_pred: str, field: str) -> pd.DataFrame:
    """Return by whom, or how spoken, an emotion is answered as another.

    Parameters
    ----------
    rows : pandas.DataFrame
        As from ``select``.
    y_true, y_pred : str
        True and answered emotion.
    field : str
        One of ``core.labels.EVALUATION_FIELDS``.

    Returns
    -------
    pandas.DataFrame
        A row for each value of the field: the value as ``group``, ``n_clips`` of the true emotion, and the ``share`` of
        the answers for them that are ``y_pred``.
    """
    answers = tabulate_answers(rows)
    groups = answers[answers["y_true"] == y_true].groupby(field)
    share = groups["y_pred"].apply(lambda y: (y == y_pred).mean())
    table = pd.DataFrame({"n_clips": groups["clip"].nunique(), "share": share.astype(float)})
    return table.rename_axis("group").reset_index()


def find_right(rows: pd.DataFrame, emotion: str, speaker: str) -> str:
    """Return the clip of an emotion by a speaker that is recognised most surely; empty where none is."""
    clips = list_cell(rows[rows["speaker"] == speaker], emotion, emotion)
    return "" if clips.empty else str(clips["clip"].iloc[0])


def tabulate_classes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the classification report.

    Parameters
    ----------
    rows : pandas.DataFrame
        As from ``select``.

    Returns
    -------
    pandas.DataFrame
        Columns ``emotion, precision, recall, f1, n_answers``: a row for each emotion that occurs or was answered, then
        the means over the emotions that occur, plain (its recall is the UAR) and weighted by their answers.
    """
    answers = Answers(rows)
    confusion = answers.confusion_by_seed_and_speaker().sum(axis=(0, 1))
    present = np.union1d(answers.y_true, answers.y_pred)
    figures = class_figures(confusion)[:, present]
    table = pd.DataFrame(dict(zip(("precision", "recall", "f1"), figures, strict=True)))
    table["n_answers"] = confusion.sum(axis=1)[present].astype(int)
    table.insert(0, "emotion", np.array(answers.labels)[present])
    occurring = table[table["n_answers"] > 0]
    values = occurring[["precision", "recall", "f1"]].to_numpy()
    means = {
        "average": values.mean(axis=0),
        "weighted average": np.average(values, axis=0, weights=occurring["n_answers"]),
    }
    for i, (name, mean) in enumerate(means.items()):
        table.loc[len(present) + i] = [name, *mean, len(rows)]
    return table


def tabulate_groups(rows: pd.DataFrame, field: str) -> pd.DataFrame:
    """Return figures of the clips of each speaker, gender, channel or intensity.

    Parameters
    ----------
    rows : pandas.DataFrame
        As from ``select``.
    field : str
        One of ``GROUPS``.

    Returns
    -------
    pandas.DataFrame
        Columns ``group, n_clips, accuracy, accuracy_low, accuracy_high, recall, recall_low, recall_high``: recall is
        the UAR, low and high are bounds of the 95 % interval over speakers; none where a group is a single speaker.
    """
    table = []
    for name, of_group in rows.groupby(field):
        by_speaker = Answers(of_group).confusion_by_seed_and_speaker()
        row: dict[str, Any] = {"group": name, "n_clips": len(of_group) // len(by_speaker)}
        several = by_speaker.shape[1] > 1
        for label, metric in (("accuracy", accuracy), ("recall", unweighted_average_recall)):
            if several:
                row |= figure_columns(label, with_interval(metric, by_speaker))
            else:
                row |= {
                    label: float(metric(by_speaker.sum(axis=1)).mean()),
                    f"{label}_low": None,
                    f"{label}_high": None,
                }
        table.append(row)
    return pd.DataFrame(table)


def tabulate_reliability(rows: pd.DataFrame, n_bins: int = N_BINS) -> pd.DataFrame:
    """Return how often answers are right, by confidence.

    Parameters
    ----------
    rows : pandas.DataFrame
        As from ``select``.
    n_bins : int
        Equally wide bins; those without an answer are left out.

    Returns
    -------
    pandas.DataFrame
        Columns ``low``, ``high`` (edges), ``n_answers``, ``confidence``, ``accuracy`` (means); the mean of
        ``|accuracy - confidence|`` weighted by ``n_answers`` is the expected calibration error.
    """
    answers = Answers(rows)
    bins = confidence_bins(answers.confidence, n_bins)
    table = pd.DataFrame({"bin": bins, "confidence": answers.confidence, "accuracy": answers.is_right})
    means = table.groupby("bin").mean()
    edges = pd.DataFrame({"low": means.index / n_bins, "high": (means.index + 1) / n_bins}, index=means.index)
    return edges.assign(n_answers=table.groupby("bin").size()).join(means).reset_index(drop=True)


def tabulate_risk(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the share of wrong answers when only the surest are given.

    Parameters
    ----------
    rows : pandas.DataFrame
        As from ``select``.

    Returns
    -------
    pandas.DataFrame
        Columns ``threshold`` (lowest confidence that is answered), ``coverage`` (share of clips answered), ``risk``
        (share of wrong ones among these), by rising coverage; answers of equal confidence stand or fall together. At
        most ``N_CURVE_POINTS`` rows.
    """
    answers = Answers(rows)
    order = np.argsort(-answers.confidence, kind="stable")
    confidence, n = answers.confidence[order], np.arange(1, len(order) + 1)
    risk = np.cumsum(~answers.is_right[order]) / n
    last_of_ties = np.flatnonzero(np.append(np.diff(confidence) != 0, True))
    kept = np.unique(last_of_ties[np.linspace(0, len(last_of_ties) - 1, N_CURVE_POINTS).round().astype(int)])
    return pd.DataFrame({"threshold": confidence[kept], "coverage": n[kept] / len(n), "risk": risk[kept]})


def apply_threshold(rows: pd.DataFrame, threshold: float | None) -> dict[str, float | None]:
    """Return the share of ``answered`` rows at a threshold (None: no answer), and ``risk``, the wrong among these."""
    answers = Answers(rows)
    given = answers.confidence >= (np.inf if threshold is None else threshold)
    risk = float((~answers.is_right[given]).mean()) if given.any() else None
    return {"answered": float(given.mean()), "risk": risk}


def write_report(rows: pd.DataFrame, threshold: float | None, about: Mapping[str, Any]) -> str:
    """Return all figures of some rows as JSON.

    Parameters
    ----------
    rows : pandas.DataFrame
        As from ``select``.
    threshold : float or None
        Confidence below which the model is unsure.
    about : mapping
        What the rows are; stands first.

    Returns
    -------
    str
    """
    tables = {
        "classes": tabulate_classes(rows),
        **{f"by_{field}": tabulate_groups(rows, field) for field in groups_of(rows)},
        "reliability": tabulate_reliability(rows),
        "risk_coverage": tabulate_risk(rows),
    }
    report = {
        **about,
        "summary": summarize(rows),
        "threshold": {"confidence": threshold, **apply_threshold(rows, threshold)},
        **{name: json.loads(table.to_json(orient="records")) for name, table in tables.items()},
    }
    return json.dumps(report, indent=1)


def figure_columns(label: str, figure: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean and the bounds of a figure of ``summarize`` as columns ``label``, ``_low`` and ``_high``."""
    low, high = figure["interval"]
    return {label: figure["mean"], f"{label}_low": low, f"{label}_high": high}


def with_bounds(table: pd.DataFrame, label: str) -> pd.Series:
    """Return a column of ``figure_columns`` as texts, in per cent with its bounds; empty where there is no figure.

    >>> table = pd.DataFrame({"recall": [0.5012, None], "recall_low": [0.45, None], "recall_high": [0.551, None]})
    >>> with_bounds(table, "recall").tolist()
    ['50.1 [45.0, 55.1]', '']
    """
    columns = table[[label, f"{label}_low", f"{label}_high"]].astype(float)
    return pd.Series(
        ["" if row.isna().any() else "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * row)) for _, row in columns.iterrows()],
        index=table.index,
    )
