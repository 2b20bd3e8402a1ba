"""Emotions, and the columns that every table of clips and of predictions has.

The order of a model's labels is the order of every probability vector and confusion matrix: alphabetical, as
scikit-learn's ``LabelEncoder`` gives it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

EMOTIONS: Final = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
"""The usual names; corpora may have fewer, and others."""
UNKNOWN_SPEAKER: Final = ""
"""In place of a speaker's name: a person who is in no corpus."""

EVALUATION_FIELDS: Final = ("corpus", "speaker", "gender", "channel", "intensity", "statement")
"""What evaluation tells clips apart by; every table of predictions has these columns, as texts."""
PREDICTION_KEYS: Final = ("protocol", "seed", "fold", "clip", "y_true")
"""First columns of a table of predictions."""
STUDY_KEYS: Final = ("condition", "variant", "baseline")
"""Columns that tell the cases of a study apart."""
RESERVED: Final = frozenset({*PREDICTION_KEYS, *EVALUATION_FIELDS, *STUDY_KEYS})
"""Names of columns that no label may have."""


def labels_of(predictions: "pd.DataFrame") -> tuple[str, ...]:
    """Return the labels of a table of predictions, in their order: its columns that are not ``RESERVED``.

    >>> import pandas as pd
    >>> labels_of(pd.DataFrame(columns=["clip", "y_true", "speaker", "bored", "happy"]))
    ('bored', 'happy')
    """
    return tuple(str(column) for column in predictions.columns if column not in RESERVED)


def order_channels(channels: Iterable[str]) -> list[str]:
    """Return channels once each, speech first.

    >>> order_channels(["song", "speech", "song"])
    ['speech', 'song']
    """
    return sorted(set(channels), key=lambda channel: (channel != "speech", channel))
