"""Two models on the same clips: what each finds of every emotion, and whether the difference could be chance.

References
----------
McNemar Q (1947). Note on the sampling error of the difference between correlated proportions or percentages.
Psychometrika 12: 153-157 (here with the exact binomial distribution).
"""

import dataclasses

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from core.corpus.names import parse_clip
from core.labels import EMOTIONS
from core.serving.registry import StoredModel


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on the clips of a protocol that both were evaluated on."""

    protocol: str
    """The protocol."""
    channel: str
    """``speech`` or ``song``."""
    n_clips: int
    """Clips that both answered."""
    per_class: pd.DataFrame
    """A row an emotion: ``emotion, n_clips, first, second, difference`` (recalls, and first minus second)."""
    only_first: int
    """Clips that the first model alone answers right."""
    only_second: int
    """Clips that the second model alone answers right."""
    p_value: float
    """McNemar's exact test: how likely a split of these at least as uneven is, were the models equally good."""


def compare_models(first: StoredModel, second: StoredModel) -> list[Comparison]:
    """Compare two models on every protocol and channel that both were evaluated by.

    A model that was trained with several seeds answers once for each clip, by the mean of its probabilities.

    Parameters
    ----------
    first, second : StoredModel
        As from ``core.serving.registry.Registry.load``.

    Returns
    -------
    list of Comparison
        In the order of the first model's protocols; empty where they share none.
    """
    tables = [_answers(model.predictions()) for model in (first, second)]
    names = [table.add_suffix(suffix) for table, suffix in zip(tables, ("_first", "_second"), strict=True)]
    both = names[0].join(names[1], how="inner")
    groups = both.groupby(["protocol", "channel"], sort=False)
    return [_compare(str(protocol), str(channel), rows) for (protocol, channel), rows in groups]


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the p-value of McNemar's exact two-sided test.

    >>> mcnemar(3, 3)
    1.0
    >>> mcnemar(0, 6)
    0.03125
    """
    n = only_first + only_second
    return float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0


def _answers(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one answer a clip and protocol, from the mean probabilities over seeds."""
    keys = ["protocol", "clip"]
    mean = predictions.groupby([*keys, "y_true"], sort=False)[list(EMOTIONS)].mean()
    table = pd.DataFrame({"answer": mean.idxmax(axis=1)}).reset_index("y_true")
    table["channel"] = [parse_clip(clip).channel for clip in table.index.get_level_values("clip")]
    return table.set_index("channel", append=True)


def _compare(protocol: str, channel: str, rows: pd.DataFrame) -> Comparison:
    y_true = rows["y_true_first"].to_numpy()
    right = [(rows[f"answer_{which}"] == rows["y_true_first"]).to_numpy() for which in ("first", "second")]
    classes = []
    for emotion in EMOTIONS:
        of_class = y_true == emotion
        if of_class.any():
            recalls = [float(r[of_class].mean()) for r in right]
            classes.append((emotion, int(of_class.sum()), *recalls, recalls[0] - recalls[1]))
    only_first, only_second = (int(np.sum(a & ~b)) for a, b in (right, right[::-1]))
    return Comparison(
        protocol=protocol,
        channel=channel,
        n_clips=len(rows),
        per_class=pd.DataFrame(classes, columns=["emotion", "n_clips", "first", "second", "difference"]),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second),
    )
