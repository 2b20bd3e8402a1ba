"""Tables of predictions as files: a row an evaluated clip, with its probabilities and what the clip is.

Columns are ``protocol, seed, fold, clip, y_true``, one of probabilities for each label, and
``core.labels.EVALUATION_FIELDS``; those of a study have the study's case in front.
"""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.corpus.base import DEFAULTS, Corpus
from core.labels import EVALUATION_FIELDS

TEXTS = ("protocol", "clip", "y_true", *EVALUATION_FIELDS)


def tabulate(
    clips: pd.DataFrame, y_proba: NDArray[np.floating], labels: Sequence[str], *, protocol: str, seed: int, fold: int
) -> pd.DataFrame:
    """Return probabilities as a table.

    Parameters
    ----------
    clips : pandas.DataFrame
        The evaluated clips, with columns ``clip``, ``emotion`` and ``core.labels.EVALUATION_FIELDS``.
    y_proba : np.ndarray [shape=(n, k), dtype=float32]
        Their probabilities.
    labels : sequence of str
        Names of the k emotions.
    protocol : str
        Name of the protocol.
    seed, fold : int
        Which training gave the probabilities.

    Returns
    -------
    pandas.DataFrame
        See the module.
    """
    rows = pd.DataFrame(
        {
            "protocol": protocol,
            "seed": seed,
            "fold": fold,
            "clip": clips["clip"].to_numpy(),
            "y_true": clips["emotion"].to_numpy(),
        }
    )
    fields = clips[list(EVALUATION_FIELDS)].astype(str).reset_index(drop=True)
    return pd.concat([rows, pd.DataFrame(y_proba, columns=list(labels)), fields], axis=1)


def read_predictions(path: Path | BinaryIO, corpus: Corpus | None = None) -> pd.DataFrame:
    """Read a table of predictions.

    Parameters
    ----------
    path : path or binary file
        The table, as CSV.
    corpus : Corpus, optional
        Tells from the names of its clips what they are, where the table of an earlier version does not.

    Returns
    -------
    pandas.DataFrame
        See the module.
    """
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False)
    return table if "speaker" in table or corpus is None else _with_fields(table, corpus)


def _with_fields(table: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Add what the names of clips tell."""
    known = {}
    for clip in table["clip"].unique():
        parsed = corpus.parse(PurePath(f"{clip}.wav"))
        if parsed is None:
            raise ValueError(f"{clip!r} is not the name of a clip of {corpus.title}")
        known[clip] = {"corpus": corpus.name, **DEFAULTS, **parsed}
    return table.assign(**{field: [str(known[clip][field]) for clip in table["clip"]] for field in EVALUATION_FIELDS})
