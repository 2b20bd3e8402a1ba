"""What doubled clips do to a random split, from a corpus as it is and from a model's stored figures."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from core.corpus.splits import split_random, split_reference
from core.learning.metrics import percent
from core.learning.reports.cards import LEAKING


def measure_twins(clips: pd.DataFrame) -> pd.DataFrame:
    """Split the clips at random, doubled and once each, and count the evaluated ones that also stand in training.

    Parameters
    ----------
    clips : pandas.DataFrame
        Distinct clips; enough of each emotion for a split of 80 and 20 per cent.

    Returns
    -------
    pandas.DataFrame
        Rows ``each clip twice`` and ``each clip once``: ``evaluated`` (files), ``twins`` (of these, with the same clip
        in training) and ``twin_share``.
    """
    rows = []
    for name, split_clips in (("each clip twice", split_reference), ("each clip once", split_random)):
        (split,) = split_clips(clips)
        twins = round(split.twin_share * len(split.test))
        rows.append({"split": name, "evaluated": len(split.test), "twins": twins, "twin_share": split.twin_share})
    return pd.DataFrame(rows)


def figures_by_protocol(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Return a model's figures by every protocol it was evaluated by, the leaking one first.

    Parameters
    ----------
    metrics : mapping
        As in a model's ``metrics.json``.

    Returns
    -------
    pandas.DataFrame
        A row a protocol, all channels together: ``protocol``, ``n_clips``, ``twin_share``, ``recall`` (unweighted
        average), and ``recall_text`` and ``accuracy_text``, in per cent with 95 % intervals.
    """
    rows = []
    for protocol in sorted(metrics, key=lambda name: (name not in LEAKING, name != LEAKING[0])):
        figures = metrics[protocol]["all"]
        recall = figures["unweighted_average_recall"]
        row = {"protocol": protocol, "n_clips": figures["n_clips"], "twin_share": metrics[protocol]["twin_share"]}
        row |= {"recall": recall["mean"], "recall_text": percent(recall)}
        rows.append(row | {"accuracy_text": percent(figures["accuracy"])})
    return pd.DataFrame(rows)
