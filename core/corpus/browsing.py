"""Looking through a corpus: filters, counts, clips in words, and what a model answered for clips it had not heard.

A table of clips is that of ``core.corpus.index.distinct_clips``, with the columns of ``join_answers`` where a model's
predictions are there.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.corpus.base import Corpus
from core.labels import EVALUATION_FIELDS, labels_of, order_channels

NEUTRAL: Final = "neutral"
"""The emotion that is acted in one intensity alone."""
RIGHT: Final = "right"
WRONG: Final = "wrong"
UNSURE: Final = "unsure"
VERDICTS: Final = (RIGHT, WRONG, UNSURE)
"""What a model's answer can be: by its most likely emotion, and below the confidence from which it answers."""
ORDERS: Final[Mapping[str, tuple[str, bool]]] = {
    "clip": ("clip", True),
    "least sure": ("confidence", True),
    "surest": ("confidence", False),
    "shortest": ("duration", True),
    "longest": ("duration", False),
}
"""Orders of a list of clips: their names, with the column and whether it ascends."""
ONE_SENTENCE: Final = ("channel", "statement", "intensity", "repetition")
"""Fields that clips of one sentence have in common."""


@dataclasses.dataclass(frozen=True)
class ClipFilter:
    """Which clips are looked at; an empty filter lets every clip through."""

    values: Mapping[str, Collection[Any]] = dataclasses.field(default_factory=dict)
    """Wanted values by field; a field without values lets all through."""
    duration: tuple[float, float] | None = None
    """Shortest and longest duration, in seconds."""
    fold: int | None = None
    """Number of the fold that evaluated the clip."""
    verdict: str | None = None
    """One of ``VERDICTS``."""
    words: str = ""
    """Words that must all stand in a clip's name, its fields or the model's answer, in any case."""


def fields_of(corpus: Corpus) -> dict[str, str]:
    """Return the fields by which clips of a corpus are told apart, by name, with their titles; the emotion first."""
    return {"emotion": "Emotion"} | {field.name: field.title for field in corpus.fields}


def values_of(clips: pd.DataFrame, field: str, corpus: Corpus) -> list[Any]:
    """Return the values of a field in the order in which they are shown.

    Parameters
    ----------
    clips : pandas.DataFrame
        Table of clips.
    field : str
        Name of a column.
    corpus : Corpus
        Says which values there are, and their order; where it does not, those that occur are sorted.

    Returns
    -------
    list
    """
    if field == "emotion":
        return list(corpus.labels)
    if field == "channel" and not corpus.field(field).values:
        return list(order_channels(clips[field]))
    return list(corpus.field(field).values) or sorted(clips[field].unique().tolist())


def join_answers(
    clips: pd.DataFrame, predictions: pd.DataFrame, protocol: str, threshold: float | None = 0.0
) -> pd.DataFrame:
    """Put a model's out-of-fold answers beside the clips.

    Parameters
    ----------
    clips : pandas.DataFrame
        Distinct clips.
    predictions : pandas.DataFrame
        As from ``core.serving.registry.StoredModel.predictions``.
    protocol : str
        Protocol whose rows are taken.
    threshold : float or None
        Confidence below which an answer is unsure; None where every answer is.

    Returns
    -------
    pandas.DataFrame
        The clips with ``answer`` (empty where a clip was not evaluated), ``confidence``, ``fold`` (missing where not
        evaluated), ``is_wrong``, ``is_unsure``, and a column of probabilities for each label, averaged over seeds.
    """
    rows, labels = predictions[predictions["protocol"] == protocol], list(labels_of(predictions))
    if not labels:
        return without_answers(clips)
    evaluated = rows.groupby("clip")[[*labels, "fold"]].agg(dict.fromkeys(labels, "mean") | {"fold": "first"})
    y_proba = evaluated[labels].to_numpy(dtype=float).reshape(-1, len(labels))
    evaluated["answer"] = np.asarray(labels, dtype=object)[y_proba.argmax(axis=1)]
    evaluated["confidence"] = y_proba.max(axis=1)
    joined = clips.join(evaluated, on="clip")
    joined["answer"] = joined["answer"].fillna("")
    joined["fold"] = joined["fold"].astype("Int64")
    is_evaluated = joined["answer"] != ""
    joined["is_wrong"] = is_evaluated & (joined["answer"] != joined["emotion"])
    joined["is_unsure"] = is_evaluated & ~(joined["confidence"] >= (np.inf if threshold is None else threshold))
    return joined


def without_answers(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips with the columns of ``join_answers``, evaluated by nobody."""
    nobody = pd.Series(pd.NA, index=clips.index, dtype="Int64")
    return clips.assign(answer="", confidence=np.nan, fold=nobody, is_wrong=False, is_unsure=False)


def filter_clips(clips: pd.DataFrame, chosen: ClipFilter) -> pd.DataFrame:
    """Return the clips that a filter lets through, in their order.

    Parameters
    ----------
    clips : pandas.DataFrame
        Table of clips; ``fold``, ``verdict`` and ``words`` need the columns of ``join_answers``.
    chosen : ClipFilter
        What is wanted.

    Returns
    -------
    pandas.DataFrame
    """
    keep = np.ones(len(clips), dtype=bool)
    for field, values in chosen.values.items():
        if values:
            keep &= clips[field].isin(list(values)).to_numpy()
    if chosen.duration is not None:
        keep &= clips["duration"].between(*chosen.duration).to_numpy()
    if chosen.fold is not None:
        keep &= (clips["fold"] == chosen.fold).fillna(value=False).to_numpy(dtype=bool)
    if chosen.verdict is not None:
        keep &= _has_verdict(clips, chosen.verdict)
    if chosen.words.strip():
        texts = _searched(clips)
        for word in chosen.words.casefold().split():
            keep &= texts.str.contains(word, regex=False).to_numpy(dtype=bool)
    return clips[keep]


def _has_verdict(clips: pd.DataFrame, verdict: str) -> NDArray[np.bool_]:
    """Tell which clips a model was right or wrong on, or unsure about."""
    if verdict == UNSURE:
        return clips["is_unsure"].to_numpy(dtype=bool)
    return ((clips["answer"] != "") & (clips["is_wrong"] == (verdict == WRONG))).to_numpy(dtype=bool)


def _searched(clips: pd.DataFrame) -> pd.Series:
    """Return what is searched of each clip: its name, emotion and other fields, and the answer."""
    fields = ["emotion", "answer", *(field for field in EVALUATION_FIELDS if field in clips)]
    return clips["clip"].str.cat(clips[fields].astype(str), sep=" ").str.casefold()


def sort_clips(clips: pd.DataFrame, order: str) -> pd.DataFrame:
    """Return clips in one of ``ORDERS``; those without the value come last.

    >>> clips = pd.DataFrame({"clip": list("abc"), "confidence": [0.5, np.nan, 0.9]})
    >>> sort_clips(clips, "surest")["clip"].tolist()
    ['c', 'a', 'b']
    """
    column, ascends = ORDERS[order]
    return clips.sort_values(column, ascending=ascends, kind="stable", na_position="last")


def count_clips(clips: pd.DataFrame, field: str, corpus: Corpus, chosen: ClipFilter | None = None) -> pd.Series:
    """Count clips by a field, under the filter of all other fields: what choosing another value would show.

    Parameters
    ----------
    clips : pandas.DataFrame
        Table of clips.
    field : str
        Name of a column.
    corpus : Corpus
        Whose values count.
    chosen : ClipFilter, optional
        Filter; its values of ``field`` are left out.

    Returns
    -------
    pandas.Series
        Counts in the order of ``values_of``, zeros included.
    """
    values = values_of(clips, field, corpus)
    if chosen is not None:
        others = {name: values for name, values in chosen.values.items() if name != field}
        clips = filter_clips(clips, dataclasses.replace(chosen, values=others))
    return clips[field].value_counts().reindex(values, fill_value=0)


def describe_clip(clip: Mapping[str, Any], corpus: Corpus) -> dict[str, str]:
    """Return all fields of a clip in words.

    Parameters
    ----------
    clip : mapping
        A row of a table of clips.
    corpus : Corpus
        Its corpus.

    Returns
    -------
    dict of str to str
        Titles and values, for people.
    """
    channels = {1: "mono", 2: "stereo"}.get(clip["channels"], f"{clip['channels']} channels")
    known = {title: str(clip[field]) for field, title in fields_of(corpus).items() if str(clip[field])}
    return known | {
        "Duration": f"{clip['duration']:.2f} s",
        "Sound": f"{clip['rate'] / 1000:g} kHz, {channels}",
    }


def same_sentence(clips: pd.DataFrame, fields: Mapping[str, Any]) -> pd.DataFrame:
    """Return clips that have fields in common: one sentence of a speaker in all emotions, or one emotion by all.

    Neutral has no strong intensity; it is taken as it is there.

    Parameters
    ----------
    clips : pandas.DataFrame
        Table of clips.
    fields : mapping
        ``speaker`` or ``emotion``, and values of ``ONE_SENTENCE``.

    Returns
    -------
    pandas.DataFrame
        Sorted by emotion, then by speaker.
    """
    wanted = {name: [value] for name, value in fields.items() if name != "intensity"}
    fits = np.ones(len(clips), dtype=bool)
    if "intensity" in fields:
        fits = (clips["intensity"].eq(fields["intensity"]) | clips["emotion"].eq(NEUTRAL)).to_numpy()
    return filter_clips(clips[fits], ClipFilter(wanted)).sort_values(["emotion", "speaker"])


def find_clip(clips: pd.DataFrame, name: str | None) -> dict[str, Any] | None:
    """Return the row of a clip, or None; its name may come from outside."""
    found = clips[clips["clip"] == name]
    return None if found.empty else {str(key): value for key, value in found.iloc[0].items()}


def list_folds(clips: pd.DataFrame) -> Sequence[int]:
    """Return the numbers of the folds that evaluated clips, in order."""
    return sorted(int(fold) for fold in clips["fold"].dropna().unique())
