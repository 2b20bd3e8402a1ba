"""What a model hears in a sound, and which stretches and groups of features moved its answer.

Occlusion: a stretch is silenced in the sound, which then goes the whole way again; a group of features is set to its
mean over the training clips. What counts is how far the probability of the emotion falls that was answered first.

References
----------
Zeiler MD, Fergus R (2014). Visualizing and understanding convolutional networks. ECCV 2014 (for occlusion).
"""

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.audio.decode import Waveform
from core.audio.extraction import extract_each
from core.audio.features.base import Picture
from core.serving.prediction import Prediction
from core.serving.predictor import Predictor

N_STRETCHES: Final = 24
"""Stretches that are silenced in turn; each overlaps the next by half."""
LEAST_FALL: Final = 0.01
"""Fall of a probability that is worth telling."""
FADE: Final = 0.005
"""Length of the fades at the edges of a silenced stretch, in seconds: a click would be a sound of its own."""


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation:
    """How far the probability of an answer falls where parts of the sound are missing."""

    emotion: str
    """The answer to the whole sound, or what else was asked about."""
    probability: float
    """Its probability."""
    stretches: NDArray[np.float64]
    """Beginning and end of each silenced stretch, in seconds, shape (k, 2)."""
    fall_by_stretch: NDArray[np.float64]
    """Fall of the probability without the stretch, shape (k,); negative where it rises."""
    fall_by_group: dict[str, float]
    """Fall of the probability without each group of features."""

    @property
    def most_important_stretch(self) -> tuple[float, float] | None:
        """Beginning and end, in seconds, of the stretch without which the probability falls most.

        None where it falls without none of them: then no moment of the sound speaks for the emotion.
        """
        if self.fall_by_stretch.max() < LEAST_FALL:
            return None
        start, end = self.stretches[self.fall_by_stretch.argmax()]
        return float(start), float(end)


def explain(
    predictor: Predictor,
    waveform: Waveform,
    prediction: Prediction,
    *,
    shift: NDArray[np.float32] | None = None,
    emotion: str = "",
) -> Explanation:
    """Find out which parts of a sound moved an answer, or speak for another emotion.

    Parameters
    ----------
    predictor : Predictor
        The model.
    waveform : Waveform
        The sound.
    prediction : Prediction
        Its answer for it; see ``answered_stretch``.
    shift : np.ndarray, optional
        As for ``Predictor.predict``.
    emotion : str
        What the parts speak for; the answer for the stretch by default.

    Returns
    -------
    Explanation
    """
    features = predictor.model.features
    offset, voice = answered_stretch(predictor, waveform, prediction)
    stretches = _stretches(voice.duration)
    extracted = extract_each([voice, *(silence(voice, start, end) for start, end in stretches)], features)
    X, *silenced = extracted if shift is None else extracted + shift
    y_proba = predictor.predict_features(X[np.newaxis])[0]
    best = predictor.labels.index(emotion) if emotion else int(y_proba.argmax())
    groups = features.groups
    masked = [predictor.mask(X, columns) for columns in groups.values()]
    without = predictor.predict_features(np.stack([*silenced, *masked]))[:, best]
    falls = y_proba[best] - without
    return Explanation(
        emotion=predictor.labels[best],
        probability=float(y_proba[best]),
        stretches=stretches + offset,
        fall_by_stretch=falls[: len(stretches)],
        fall_by_group={name: float(fall) for name, fall in zip(groups, falls[len(stretches) :], strict=True)},
    )


def silence(waveform: Waveform, start: float, end: float) -> Waveform:
    """Return a sound that is silent from ``start`` to ``end``, in seconds, with short fades inside."""
    t = np.arange(len(waveform.y)) / waveform.sr
    outside = np.maximum(start - t, t - end)
    gain = np.clip(1 + outside / FADE, 0, 1).astype(np.float32)
    return Waveform.of_samples(waveform.y * gain)


def picture(predictor: Predictor, waveform: Waveform, prediction: Prediction) -> Picture:
    """Return what a model reads of a sound.

    Parameters
    ----------
    predictor : Predictor
        The model.
    waveform : Waveform
        The sound.
    prediction : Prediction
        Its answer for it; see ``answered_stretch``.

    Returns
    -------
    Picture
        As the model's feature set draws it.
    """
    features = predictor.model.features
    voice = answered_stretch(predictor, waveform, prediction)[1]
    return features.picture(features.samples(voice), voice.sr, predictor.scale)


def answered_stretch(predictor: Predictor, waveform: Waveform, prediction: Prediction) -> tuple[float, Waveform]:
    """Return the stretch of voice that explains an answer, as the model hears it, and where it begins.

    Parameters
    ----------
    predictor : Predictor
        The model.
    waveform : Waveform
        The sound.
    prediction : Prediction
        Its answer for it: of several stretches, the longest with the answered emotion is looked at.

    Returns
    -------
    float
        Beginning of its samples, in seconds from that of the sound.
    Waveform
        The stretch, cleaned.
    """
    stretch = predictor.hear(waveform)[prediction.main_piece]
    return stretch.start / waveform.sr, Waveform.of_samples(stretch.y)


def _stretches(duration: float) -> NDArray[np.float64]:
    """Return beginnings and ends of equal stretches that overlap by half and cover ``duration`` seconds."""
    half = duration / (N_STRETCHES + 1)
    starts = half * np.arange(N_STRETCHES)
    return np.stack([starts, starts + 2 * half], axis=1)
