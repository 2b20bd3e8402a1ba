"""From windows to what people read: smoothed probabilities, segments, shares of time.

Probabilities are smoothed: what is shown is the mean over the utterance so far, in which a window counts half as much
after ``half_life`` seconds. The first windows of an utterance hold little of a voice, and count accordingly. A pause
ends the smoothing; behind it nothing is left of what was before.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.serving.prediction import UNSURE, Piece, Prediction
from core.serving.timeline import Window

NO_SPEECH: Final = "no speech"
HALF_LIFE: Final = 0.75
"""Half-life of the smoothing if nobody chooses another, in seconds."""
FULLY_HEARD: Final = 1.0
"""Time of voice from which a window counts in full, in seconds; with half of it, it counts a quarter."""
LEAST_HEARD: Final = 0.1
"""Time of voice that every window is taken to hold, in seconds."""


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """A window after smoothing."""

    window: Window
    """What was smoothed."""
    y_proba: NDArray[np.float64] | None
    """Smoothed probabilities in the order of ``labels``, shape (k,); None where nobody spoke."""
    labels: tuple[str, ...]
    """The model's emotions; empty where nobody spoke."""
    threshold: float | None
    """Confidence below which the answer is unsure; None where every answer is."""
    is_doubtful: bool = False
    """Whether the answer is unsure whatever its confidence: in noise."""

    @property
    def emotion(self) -> str | None:
        """The most probable emotion; None where nobody spoke."""
        return None if self.y_proba is None else self.labels[int(self.y_proba.argmax())]

    @property
    def confidence(self) -> float:
        """Smoothed probability of ``emotion``; 0 where nobody spoke."""
        return 0.0 if self.y_proba is None else float(self.y_proba.max())

    @property
    def is_beginning(self) -> bool:
        """Whether a live stream holds little of a voice yet."""
        answer = self.window.prediction
        return isinstance(answer, Prediction) and 0 < answer.speech_duration < FULLY_HEARD

    @property
    def label(self) -> str:
        """An emotion, ``UNSURE`` or ``NO_SPEECH``."""
        if self.emotion is None:
            return NO_SPEECH
        is_sure = self.threshold is not None and self.confidence >= self.threshold
        return self.emotion if is_sure and not self.is_doubtful else UNSURE


@dataclasses.dataclass(frozen=True)
class Segment:
    """A stretch of time with one label."""

    start: float
    """In seconds."""
    end: float
    """In seconds."""
    label: str
    """An emotion, ``UNSURE`` or ``NO_SPEECH``."""
    emotion: str | None
    """The most probable emotion over the stretch, also where the label is "unsure"; None where nobody spoke."""
    confidence: float
    """Mean over the stretch of the smoothed probability of ``emotion``; 0 where nobody spoke."""

    @property
    def duration(self) -> float:
        """Length, in seconds."""
        return self.end - self.start


def utterances(windows: Iterable[Window]) -> tuple[tuple[float, float], ...]:
    """Return beginning and end of each run of windows in which somebody speaks, in seconds."""
    runs = [list(run) for is_voice, run in itertools.groupby(windows, lambda w: w.prediction is not None) if is_voice]
    return tuple((run[0].start, run[-1].end) for run in runs)


def smooth(windows: Iterable[Window], threshold: float | None, half_life: float = HALF_LIFE) -> list[Reading]:
    """Smooth the answers of a live stream's windows over time; those of a file's stretches stay as they are.

    Parameters
    ----------
    windows : iterable of Window
        In their order.
    threshold : float or None
        Confidence below which an answer is unsure, as of the model.
    half_life : float
        In seconds; 0 smooths nothing.

    Returns
    -------
    list of Reading
    """
    readings: list[Reading] = []
    total, weight = np.zeros(0), 0.0
    for window in windows:
        answer, mean = window.prediction, None
        labels: tuple[str, ...] = ()
        if answer is None:
            total, weight = np.zeros(0), 0.0
        else:
            labels = tuple(answer.probabilities)
            y_proba = np.fromiter(answer.probabilities.values(), float, len(labels))
            kept, counts = 0.0, 1.0
            if isinstance(answer, Prediction):
                kept = 0.5 ** ((window.end - window.start) / half_life) if half_life > 0 else 0.0
                counts = (np.clip(answer.speech_duration, LEAST_HEARD, FULLY_HEARD) / FULLY_HEARD) ** 2
            total = kept * total + counts * y_proba if weight else counts * y_proba
            weight = kept * weight + counts
            mean = total / weight
        readings.append(Reading(window, mean, labels, threshold, _is_doubtful(window)))
    return readings


def _is_doubtful(window: Window) -> bool:
    """Tell whether noise, or in a file anything, makes a window's answer unsure."""
    answer = window.prediction
    if isinstance(answer, Piece):
        return bool(answer.doubts)
    return answer is not None and any(piece.is_noisy for piece in answer.pieces)


def find_segments(readings: Sequence[Reading]) -> list[Segment]:
    """Join neighbouring readings of the same label.

    The beginning of an utterance in a live stream is called what comes next: windows reach back to it, and it was
    unsure because there was little of it yet.

    Parameters
    ----------
    readings : sequence of Reading
        As from ``smooth``.

    Returns
    -------
    list of Segment
        Without gaps; neighbours differ in their labels.
    """
    labels: list[str] = []
    for reading in reversed(readings):
        is_open = reading.is_beginning and reading.label == UNSURE
        labels.append(labels[-1] if is_open and labels and labels[-1] != NO_SPEECH else reading.label)
    told = zip(labels[::-1], readings, strict=True)
    groups = itertools.groupby(told, key=lambda pair: pair[0])
    return [_join(label, [reading for _, reading in group]) for label, group in groups]


def _join(label: str, group: list[Reading]) -> Segment:
    start, end = group[0].window.start, group[-1].window.end
    heard = [reading for reading in group if reading.y_proba is not None]
    heard = [reading for reading in heard if reading.label == label] or heard
    if not heard:
        return Segment(start, end, label, None, 0.0)
    weights = [reading.window.last - reading.window.begin for reading in heard]
    mean = np.average([reading.y_proba for reading in heard], axis=0, weights=weights)
    best = int(mean.argmax())
    return Segment(start, end, label, heard[0].labels[best], float(mean[best]))


def share_by_block(segments: Sequence[Segment], edges: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the share of time of each label that occurs, block by block.

    Parameters
    ----------
    segments : sequence of Segment
        Without gaps, as from ``find_segments``; at least one.
    edges : np.ndarray [shape=(n_blocks + 1,)]
        Where the blocks begin and the last one ends, in seconds.

    Returns
    -------
    dict of str to np.ndarray [shape=(n_blocks,)]
        Emotions in alphabetical order, then unsure and no speech; over labels, the shares of a block that is covered by
        segments sum to 1.

    Examples
    --------
    >>> halves = [Segment(0, 3, "sad", "sad", 0.9), Segment(3, 4, "no speech", None, 0)]
    >>> {label: share.tolist() for label, share in share_by_block(halves, np.array([0.0, 2.0, 4.0])).items()}
    {'sad': [1.0, 0.5], 'no speech': [0.0, 0.5]}
    """
    bounds = [segments[0].start, *(segment.end for segment in segments)]
    shares = {}
    occurring = {segment.label for segment in segments}
    for label in (*sorted(occurring - {UNSURE, NO_SPEECH}), UNSURE, NO_SPEECH):
        spent = np.cumsum([0.0, *(segment.duration * (segment.label == label) for segment in segments)])
        if spent[-1] > 0:
            shares[label] = np.diff(np.interp(edges, bounds, spent)) / np.diff(edges)
    return shares
