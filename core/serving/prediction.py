"""What is answered of a sound: for each stretch of voice an emotion, and for the whole what they come to.

A sound with one stretch is answered as that stretch. One with several is answered by the emotion that most of the
speech has among the stretches that are sure; where more of the speech is unsure than has that emotion, so is the whole.
Time without a voice is no emotion's: it has no share of speech.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from core.serving.known import KnownClip

UNSURE: Final = "unsure"
NO_VOICE: Final = "no speech or song was found in it: what the model makes of other sounds means nothing"
"""Why the answer for a sound without a voice is unsure."""
BROKEN: Final = 0.05
"""Time in the midst of a voice for which nothing was recorded, from which an answer is unsure, in seconds."""
NOISY: Final = 17.0
"""How far a voice must stand above the noise around it for an answer to be sure, in dB."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """The answer for a stretch of voice."""

    start: float
    """Where the voice begins, in seconds from the beginning of the sound."""
    end: float
    """Where it ends, in seconds."""
    emotion: str
    """The most probable emotion."""
    probabilities: dict[str, float]
    """Probability of each emotion, in the order of the model's labels; sums to 1."""
    doubts: tuple[str, ...]
    """Why it is unsure; empty where it is not."""
    snr: float | None = None
    """How far the voice stands above the noise around it, in dB; None where there is no noise, or no voice."""

    @property
    def duration(self) -> float:
        """Length, in seconds."""
        return self.end - self.start

    @property
    def confidence(self) -> float:
        """Probability of ``emotion``."""
        return self.probabilities[self.emotion]

    @property
    def is_noisy(self) -> bool:
        """Whether noise alone makes it unsure."""
        return self.snr is not None and self.snr < NOISY

    @property
    def label(self) -> str:
        """The emotion, or ``UNSURE``."""
        return UNSURE if self.doubts else self.emotion


@dataclasses.dataclass(frozen=True)
class Prediction:
    """An answer, and how far to trust it."""

    emotion: str
    """The most probable emotion; of several stretches, the one that most of the speech has."""
    probabilities: dict[str, float]
    """Probability of each emotion, in the order of the model's labels; sums to 1. Means over the speech."""
    confidence: float
    """Probability of ``emotion``."""
    is_uncertain: bool
    """Whether the answer should be read as "unsure"."""
    reasons: tuple[str, ...]
    """Why it is unsure, and what was wrong with the recording."""
    model: str
    """Name of the model."""
    duration: float = 0.0
    """Length of the sound, in seconds."""
    pieces: tuple[Piece, ...] = ()
    """The answers that this one rests on, in their order; what lies between them was not answered."""
    known: KnownClip | None = None
    """The clip of the model's training that the sound is a recording of, with the answer of models that never heard its
    speaker: the honest one."""

    @property
    def unheard(self) -> KnownClip | None:
        """The clip of the training that all that was answered is: people are told its honest answer."""
        return self.known if len(self.pieces) == 1 else None

    @property
    def told_emotion(self) -> str:
        """What people are told first: the honest answer where there is one, else the model's own."""
        return self.unheard.answer if self.unheard else self.emotion

    @property
    def main_piece(self) -> int:
        """Number of the piece that explains the answer: the longest of its emotion; of all, where none has it."""
        same = [k for k, piece in enumerate(self.pieces) if piece.emotion == self.emotion]
        return max(same or range(len(self.pieces)), key=lambda k: self.pieces[k].duration)

    @property
    def has_voice(self) -> bool:
        """Whether speech or song was found."""
        return not self.pieces or any(NO_VOICE not in piece.doubts for piece in self.pieces)

    @property
    def speech_duration(self) -> float:
        """How much of the sound was answered, in seconds."""
        return sum(piece.duration for piece in self.pieces)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the speech of each label, an emotion or ``UNSURE``, the largest first."""
        return share_of_time(self.pieces)

    @property
    def silence(self) -> float:
        """Share of the sound without a voice."""
        return max(1 - self.speech_duration / self.duration, 0.0) if self.duration else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as JSON has it: the fields, with shares of speech, and of pieces the label too."""
        pieces = [
            {"start": round(p.start, 3), "end": round(p.end, 3), "label": p.label, "emotion": p.emotion}
            | {"confidence": p.confidence, "snr": p.snr, "probabilities": p.probabilities, "doubts": list(p.doubts)}
            for p in self.pieces
        ]
        return dataclasses.asdict(self) | {"shares": self.shares, "silence": self.silence, "pieces": pieces}


class Labelled(Protocol):
    """A stretch of time with a label."""

    @property
    def label(self) -> str:
        """What it is called."""

    @property
    def duration(self) -> float:
        """Length, in seconds."""


def share_of_time(stretches: Iterable[Labelled]) -> dict[str, float]:
    """Return the share of their time of each label that occurs, the largest first.

    Examples
    --------
    >>> sad, calm = {"sad": 0.9, "calm": 0.1}, {"sad": 0.4, "calm": 0.6}
    >>> share_of_time([Piece(0, 3, "sad", sad, ()), Piece(5, 6, "calm", calm, ("noisy",))])
    {'sad': 0.75, 'unsure': 0.25}
    """
    seconds: dict[str, float] = {}
    for stretch in stretches:
        seconds[stretch.label] = seconds.get(stretch.label, 0.0) + stretch.duration
    total = sum(seconds.values())
    return {label: t / total for label, t in sorted(seconds.items(), key=lambda item: -item[1])} if total else {}


def summarize(pieces: Sequence[Piece], *, duration: float, model: str, notes: Sequence[str] = ()) -> Prediction:
    """Return the answer for a whole sound.

    Parameters
    ----------
    pieces : sequence of Piece
        At least one.
    duration : float
        Length of the sound, in seconds.
    model : str
        Name of the model.
    notes : sequence of str
        What was wrong with the recording.

    Returns
    -------
    Prediction
    """
    total = sum(piece.duration for piece in pieces) or 1.0
    weights = [piece.duration / total if len(pieces) > 1 else 1.0 for piece in pieces]
    probabilities = {
        emotion: sum(w * piece.probabilities[emotion] for w, piece in zip(weights, pieces, strict=True))
        for emotion in pieces[0].probabilities
    }
    shares = share_of_time(pieces)
    sure = {label: share for label, share in shares.items() if label != UNSURE}
    emotion = max(sure or probabilities, key=lambda name: (sure or probabilities)[name])
    unsure = shares.get(UNSURE, 0.0)
    doubts: tuple[str, ...] = ()
    if len(pieces) == 1:
        doubts = pieces[0].doubts
    elif unsure > sure.get(emotion, 0.0):
        kinds = dict.fromkeys(doubt.split(":")[0] for piece in pieces for doubt in piece.doubts)
        doubts = (f"{unsure:.0%} of the speech is unsure ({', '.join(kinds)})",)
    return Prediction(
        emotion=emotion,
        probabilities=probabilities,
        confidence=probabilities[emotion],
        is_uncertain=bool(doubts),
        reasons=(*doubts, *notes),
        model=model,
        duration=duration,
        pieces=tuple(pieces),
    )
