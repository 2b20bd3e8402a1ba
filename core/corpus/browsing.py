"""Looking through a corpus: filters, counts, clips in words, and what a model answered for clips it had not heard.

A table of clips is that of ``core.corpus.index.distinct_clips``, with the columns of ``join_answers`` where a model's
predictions are there.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from core.labels import CHANNELS, EMOTIONS, N_ACTORS, STATEMENT_CODES

ANSWER_PROTOCOL: Final = "speaker-emobox"
"""Protocol whose answers stand beside the true emotions: the model never heard the actor of a clip."""

FIELD_VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    "channel": tuple(reversed(CHANNELS)),
    "emotion": EMOTIONS,
    "intensity": ("normal", "strong"),
    "statement": tuple(STATEMENT_CODES.values()),
    "repetition": (1, 2),
    "actor": tuple(range(1, N_ACTORS + 1)),
    "gender": ("female", "male"),
}
"""All values of each field, in the order in which they are shown."""


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


def join_answers(clips: pd.DataFrame, predictions: pd.DataFrame, protocol: str = ANSWER_PROTOCOL) -> pd.DataFrame:
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
        evaluated), ``is_wrong``, and a column of probabilities for each emotion, averaged over seeds.
    """
    rows = predictions[predictions["protocol"] == protocol]
    evaluated = rows.groupby("clip")[[*EMOTIONS, "fold"]].agg(dict.fromkeys(EMOTIONS, "mean") | {"fold": "first"})
    y_proba = evaluated[list(EMOTIONS)].to_numpy(dtype=float).reshape(-1, len(EMOTIONS))
    evaluated["answer"] = np.asarray(EMOTIONS, dtype=object)[y_proba.argmax(axis=1)]
    evaluated["confidence"] = y_proba.max(axis=1)
    joined = clips.join(evaluated, on="clip")
    joined["answer"] = joined["answer"].fillna("")
    joined["fold"] = joined["fold"].astype("Int64")
    joined["is_wrong"] = (joined["answer"] != "") & (joined["answer"] != joined["emotion"])
    return joined


def without_answers(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips with the columns of ``join_answers``, evaluated by nobody."""
    return join_answers(clips, pd.DataFrame(columns=["protocol", "clip", "fold", *EMOTIONS]))


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


def count_clips(clips: pd.DataFrame, field: str, chosen: ClipFilter | None = None) -> pd.Series:
    """Count clips by a field, under the filter of all other fields: what choosing another value would show.

    Parameters
    ----------
    clips : pandas.DataFrame
        Table of clips.
    field : str
        One of ``FIELD_VALUES``.
    chosen : ClipFilter, optional
        Filter; its values of ``field`` are left out.

    Returns
    -------
    pandas.Series
        Counts in the order of ``FIELD_VALUES``, zeros included.
    """
    if chosen is not None:
        others = {name: values for name, values in chosen.values.items() if name != field}
        clips = filter_clips(clips, dataclasses.replace(chosen, values=others))
    return clips[field].value_counts().reindex(list(FIELD_VALUES[field]), fill_value=0)


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


def describe_clip(clip: Mapping[str, Any]) -> dict[str, str]:
    """Return all fields of a clip in words.

    Parameters
    ----------
    clip : mapping
        A row of a table of clips.

    Returns
    -------
    dict of str to str
        Titles and values, for people.
    """
    channels = {1: "mono", 2: "stereo"}.get(clip["channels"], f"{clip['channels']} channels")
    return {
        "Channel": str(clip["channel"]),
        "Emotion": str(clip["emotion"]),
        "Intensity": str(clip["intensity"]),
        "Sentence": f"“{clip['statement']}”",
        "Repetition": f"{clip['repetition']} of 2",
        "Actor": f"{clip['actor']}, {clip['gender']}",
        "Duration": f"{clip['duration']:.2f} s",
        "Sound": f"{clip['rate'] / 1000:g} kHz, {channels}",
    }


def same_sentence(
    clips: pd.DataFrame, *, actor: int, channel: str, statement: str, intensity: str, repetition: int
) -> pd.DataFrame:
    """Return one sentence by one actor in all emotions, in the order of ``EMOTIONS``.

    Neutral has no strong intensity; it is taken as it is there.

    Parameters
    ----------
    clips : pandas.DataFrame
        Table of clips.
    actor : int
        Number of the actor.
    channel, statement, intensity : str
        Values of the fields.
    repetition : int
        1 or 2.

    Returns
    -------
    pandas.DataFrame
        A row an emotion; those that the actor did not act are missing.
    """
    fits = clips["intensity"].eq(intensity) | clips["emotion"].eq("neutral")
    wanted: dict[str, list[Any]] = {
        "actor": [actor],
        "channel": [channel],
        "statement": [statement],
        "repetition": [repetition],
    }
    return filter_clips(clips[fits], ClipFilter(wanted)).sort_values("emotion")


def same_emotion(
    clips: pd.DataFrame, *, emotion: str, channel: str, statement: str, intensity: str, repetition: int
) -> pd.DataFrame:
    """Return one sentence in one emotion by all actors, in their order.

    Parameters
    ----------
    clips : pandas.DataFrame
        Table of clips.
    emotion, channel, statement, intensity : str
        Values of the fields; neutral is taken in its only intensity.
    repetition : int
        1 or 2.

    Returns
    -------
    pandas.DataFrame
        A row an actor.
    """
    fits = clips["intensity"].eq(intensity) | clips["emotion"].eq("neutral")
    wanted: dict[str, list[Any]] = {
        "emotion": [emotion],
        "channel": [channel],
        "statement": [statement],
        "repetition": [repetition],
    }
    return filter_clips(clips[fits], ClipFilter(wanted)).sort_values("actor")


def find_clip(clips: pd.DataFrame, name: str | None) -> dict[str, Any] | None:
    """Return the row of a clip, or None; its name may come from outside."""
    found = clips[clips["clip"] == name]
    return None if found.empty else {str(key): value for key, value in found.iloc[0].items()}


def list_folds(clips: pd.DataFrame) -> Sequence[int]:
    """Return the numbers of the folds that evaluated clips, in order."""
    return sorted(int(fold) for fold in clips["fold"].dropna().unique())
