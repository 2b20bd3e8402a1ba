"""RAVDESS file names to typed clips.

A name has seven two-digit fields: modality (03 is audio only), channel, emotion, intensity, statement, repetition,
actor. The ending is no part of the clip's name.
"""

import dataclasses
import re
from pathlib import PurePath

from core.errors import CorpusError
from core.labels import CHANNEL_CODES, EMOTION_CODES, INTENSITY_CODES, STATEMENT_CODES, gender_of

CLIP_PATTERN = re.compile(r"03-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")
AUDIO_SUFFIXES = (".wav", ".flac")


@dataclasses.dataclass(frozen=True)
class Clip:
    """The fields of a RAVDESS name, in words."""

    name: str
    """The name without folder and ending, such as ``03-01-06-01-02-01-12``."""
    channel: str
    """``speech`` or ``song``."""
    emotion: str
    """One of ``core.labels.EMOTIONS``."""
    intensity: str
    """``normal`` or ``strong``."""
    statement: str
    """The sentence that is spoken or sung."""
    repetition: int
    """1 or 2."""
    actor: int
    """1 to 24."""
    gender: str
    """``male`` or ``female``."""


def is_clip_name(path: str | PurePath) -> bool:
    """Tell whether a file is named like an audio-only RAVDESS clip.

    >>> is_clip_name("Actor_12/03-01-06-01-02-01-12.wav"), is_clip_name("notes.wav")
    (True, False)
    """
    path = PurePath(path)
    return path.suffix.lower() in AUDIO_SUFFIXES and CLIP_PATTERN.fullmatch(path.stem) is not None


def parse_clip(path: str | PurePath) -> Clip:
    """Read the fields of a RAVDESS file name.

    Parameters
    ----------
    path : str or path
        A file name, with or without folder and ending.

    Returns
    -------
    Clip
        Its fields in words.

    Raises
    ------
    CorpusError
        If the name is not that of an audio-only RAVDESS clip.

    Examples
    --------
    >>> clip = parse_clip("03-01-06-01-02-01-12.wav")
    >>> clip.channel, clip.emotion, clip.intensity, clip.actor, clip.gender
    ('speech', 'fearful', 'normal', 12, 'female')
    """
    name = re.sub(r"\.(wav|flac)$", "", PurePath(path).name, flags=re.IGNORECASE)
    match = CLIP_PATTERN.fullmatch(name)
    if match is None:
        raise CorpusError(f"{name!r} is not a RAVDESS audio name; expected one like '03-01-06-01-02-01-12.wav'.")
    channel, emotion, intensity, statement, repetition, actor = match.groups()
    return Clip(
        name=name,
        channel=CHANNEL_CODES[channel],
        emotion=EMOTION_CODES[emotion],
        intensity=INTENSITY_CODES[intensity],
        statement=STATEMENT_CODES[statement],
        repetition=int(repetition),
        actor=int(actor),
        gender=gender_of(int(actor)),
    )


def title_of(clip: str) -> str:
    """Return a clip's fields in words, on one line.

    >>> title_of("03-01-06-01-02-01-12")
    'Actor 12, fearful, normal, speech, "Dogs are sitting by the door", take 1'
    """
    fields = parse_clip(clip)
    sentence = f'"{fields.statement}", take {fields.repetition}'
    return f"Actor {fields.actor}, {fields.emotion}, {fields.intensity}, {fields.channel}, {sentence}"


def expected_clips() -> list[str]:
    """Return the names of all 2,452 audio-only clips of the release, sorted.

    Song has no disgust and no surprise, actor 18 did not sing, and neutral has no strong intensity.

    >>> len(expected_clips())
    2452
    """
    return sorted(
        f"03-{channel}-{emotion}-{intensity}-{statement}-{repetition}-{actor:02d}"
        for channel in CHANNEL_CODES
        for emotion, word in EMOTION_CODES.items()
        for intensity in INTENSITY_CODES
        for statement in STATEMENT_CODES
        for repetition in ("01", "02")
        for actor in range(1, 25)
        if not (word == "neutral" and intensity == "02")
        and not (channel == "02" and (word in ("disgust", "surprised") or actor == 18))
    )
