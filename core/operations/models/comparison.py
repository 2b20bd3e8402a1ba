"""Two models on the same clips: how far apart they are, whether that could be chance, and emotion by emotion."""

import dataclasses

import pandas as pd

from core.labels import order_channels
from core.learning.evaluation import Answers, compare
from core.learning.metrics import class_figures
from core.learning.reports.tables import select
from core.serving.registry import StoredModel


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on the clips of a protocol that both were evaluated on."""

    protocol: str
    """The protocol."""
    channel: str
    """Channel of the clips."""
    n_clips: int
    """Clips that both were evaluated on."""
    n_speakers: int
    """Their speakers."""
    difference: float
    """Unweighted average recall of the first less that of the second."""
    interval: tuple[float, float]
    """Its 95 % interval over speakers."""
    p_value: float
    """By flipping the signs of the speakers' differences; see ``core.learning.evaluation.compare``."""
    per_class: pd.DataFrame
    """A row an emotion: ``emotion, n_clips, first, second, difference`` (recalls, and first minus second)."""


def compare_models(first: StoredModel, second: StoredModel) -> list[Comparison]:
    """Compare two models on every protocol and channel that both were evaluated by, on the clips that both answered.

    Parameters
    ----------
    first, second : StoredModel
        As from ``core.serving.registry.Registry.load``.

    Returns
    -------
    list of Comparison
        In the order of the first model's protocols; empty where they share no clips or differ in their emotions.
    """
    if first.manifest.labels != second.manifest.labels:
        return []
    tables = [model.predictions() for model in (first, second)]
    found = []
    for protocol in dict.fromkeys(tables[0]["protocol"]):
        for channel in order_channels(tables[0]["channel"]):
            rows = [select(table, protocol, channel) for table in tables]
            if not all(map(len, rows)):
                continue
            both = set(rows[0]["clip"]) & set(rows[1]["clip"])
            shared = [table[table["clip"].isin(both)] for table in rows]
            if both:
                found.append(_compare(protocol, channel, shared[0], shared[1]))
    return found


def _compare(protocol: str, channel: str, rows: pd.DataFrame, others: pd.DataFrame) -> Comparison:
    overall = compare(rows, others)
    answers = [Answers(table) for table in (rows, others)]
    confusion = [one.confusion_by_seed_and_speaker().sum(axis=(0, 1)) for one in answers]
    recall = [class_figures(counts)[1] for counts in confusion]
    n_clips = rows.drop_duplicates("clip")["y_true"].value_counts()
    per_class = pd.DataFrame({"emotion": answers[0].labels, "first": recall[0], "second": recall[1]})
    per_class.insert(1, "n_clips", per_class["emotion"].map(n_clips).fillna(0).astype(int))
    per_class["difference"] = per_class["first"] - per_class["second"]
    return Comparison(
        protocol=protocol,
        channel=channel,
        n_clips=int(n_clips.sum()),
        n_speakers=rows["speaker"].nunique(),
        difference=overall["difference"],
        interval=tuple(overall["interval"]),
        p_value=overall["p_value"],
        per_class=per_class[per_class["n_clips"] > 0].reset_index(drop=True),
    )
