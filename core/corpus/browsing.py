"""Looking through a corpus: filters, counts, clips in words, and what a model answered for clips it had not heard.

A table of clips is that of ``core.corpus.index.distinct_clips``, with the columns of ``join_answers`` where a model's
predictions are there.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from core.corpus.base import Corpus
from core.labels import labels_of, order_channels

NEUTRAL: Final = "neutral"
"""The emotion that is acted in one intensity alone."""
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
    only_wrong: bool = False
    """Whether only clips stay that the model got wrong."""


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


def join_answers(clips: pd.DataFrame, predictions: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Put a model's out-of-fold answers beside the clips.

    Parameters
    ----------
    clips : pandas.DataFrame
        Distinct clips.
    predictions : pandas.DataFrame
        As from ``core.serving.registry.StoredModel.predictions``.
    protocol : str
        Protocol whose rows are taken.

    Returns
    -------
    pandas.DataFrame
        The clips with ``answer`` (empty where a clip was not evaluated), ``confidence``, ``fold`` (missing where not
        evaluated), ``is_wrong``, and a column of probabilities for each label, averaged over seeds.
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
    joined["is_wrong"] = (joined["answer"] != "") & (joined["answer"] != joined["emotion"])
    return joined


def without_answers(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips with the columns of ``join_answers``, evaluated by nobody."""
    nobody = pd.Series(pd.NA, index=clips.index, dtype="Int64")
    return clips.assign(answer="", confidence=np.nan, fold=nobody, is_wrong=False)


def filter_clips(clips: pd.DataFrame, chosen: ClipFilter) -> pd.DataFrame:
    """Return the clips that a filter lets through, in their order.

    Parameters
    ----------
    clips : pandas.DataFrame
        Table of clips; ``fold`` and ``only_wrong`` need the columns of ``join_answers``.
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
    if chosen.only_wrong:
        keep &= clips["is_wrong"].to_numpy()
    return clips[keep]


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


def take_page(clips: pd.DataFrame, page: int, size: int) -> pd.DataFrame:
    """Return the rows of a page, counted from 1; a page beyond the end is the last one.

    >>> take_page(pd.DataFrame({"clip": list("abcde")}), 9, 2)["clip"].tolist()
    ['e']
    """
    start = (min(max(page, 1), count_pages(clips, size)) - 1) * size
    return clips.iloc[start : start + size]


def count_pages(clips: pd.DataFrame, size: int) -> int:
    """Return the number of pages, at least 1."""
    return max(-(-len(clips) // size), 1)


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
