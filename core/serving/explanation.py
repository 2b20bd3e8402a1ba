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
from core.audio.descriptors import describe
from core.audio.extraction import extract, feature_groups
from core.audio.features import FEATURE_NAMES
from core.config import FeatureConfig
from core.serving.predictor import Predictor

N_STRETCHES: Final = 24
"""Stretches that are silenced in turn; each overlaps the next by half."""
FADE: Final = 0.005
"""Length of the fades at the edges of a silenced stretch, in seconds: a click would be a sound of its own."""


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """What a model reads of a sound, as a matrix."""

    values: NDArray[np.float32]
    """Shape (rows, t)."""
    rows: tuple[str, ...]
    """Name of each row."""
    times: NDArray[np.float64]
    """Centre of each column, in seconds from the first one that the model reads."""
    unit: str
    """Unit of the values."""
    summary: str
    """One sentence for people."""


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation:
    """How far the probability of an answer falls where parts of the sound are missing."""

    emotion: str
    """The answer to the whole sound."""
    probability: float
    """Its probability."""
    stretches: NDArray[np.float64]
    """Beginning and end of each silenced stretch, in seconds, shape (k, 2)."""
    fall_by_stretch: NDArray[np.float64]
    """Fall of the probability without the stretch, shape (k,); negative where it rises."""
    fall_by_group: dict[str, float]
    """Fall of the probability without each group of features."""

    @property
    def most_important_stretch(self) -> tuple[float, float]:
        """Beginning and end, in seconds, of the stretch without which the probability falls most."""
        start, end = self.stretches[self.fall_by_stretch.argmax()]
        return float(start), float(end)


def explain(predictor: Predictor, waveform: Waveform) -> Explanation:
    """Find out which parts of a sound moved an answer.

    Parameters
    ----------
    predictor : Predictor
        The model.
    waveform : Waveform
        A sound that ``Predictor.predict`` accepts.

    Returns
    -------
    Explanation
    """
    config = predictor.model.features
    features = extract(waveform, config)
    y_proba = predictor.predict_features(features[np.newaxis])[0]
    best = int(y_proba.argmax())
    stretches = _stretches(min(waveform.duration, predictor.analysed_duration))
    silenced = [extract(silence(waveform, start, end), config) for start, end in stretches]
    groups = feature_groups(config)
    masked = [predictor.mask(features, columns) for columns in groups.values()]
    without = predictor.predict_features(np.stack([*silenced, *masked]))[:, best]
    falls = y_proba[best] - without
    return Explanation(
        emotion=predictor.labels[best],
        probability=float(y_proba[best]),
        stretches=stretches,
        fall_by_stretch=falls[: len(stretches)],
        fall_by_group={name: float(fall) for name, fall in zip(groups, falls[len(stretches) :], strict=True)},
    )


def silence(waveform: Waveform, start: float, end: float) -> Waveform:
    """Return a sound that is silent from ``start`` to ``end``, in seconds, with short fades inside."""
    t = np.arange(len(waveform.y)) / waveform.sr
    outside = np.maximum(start - t, t - end)
    gain = np.clip(1 + outside / FADE, 0, 1).astype(np.float32)
    return dataclasses.replace(waveform, y=waveform.y * gain)


def picture(predictor: Predictor, waveform: Waveform) -> Picture:
    """Return what a model reads of a sound.

    Parameters
    ----------
    predictor : Predictor
        The model.
    waveform : Waveform
        A sound that ``Predictor.predict`` accepts.

    Returns
    -------
    Picture
        The scaled matrix of the reference features; for the voice features, the mel spectrogram that their
        convolutions read, trimmed and set to a level.
    """
    config = predictor.model.features
    if isinstance(config, FeatureConfig):
        values = predictor.scale(extract(waveform, config)).T
        times = np.arange(config.n_frames) * config.hop_length / config.sr
        summary = f"{len(FEATURE_NAMES)} features in {config.n_frames} frames, each scaled by its mean and deviation."
        return Picture(values, FEATURE_NAMES, times, "standard deviations", summary)
    mel = describe(waveform.y, config).mel.astype(np.float32)
    times = np.arange(len(mel)) * config.hop_length / config.sr
    rows = tuple(f"mel band {k + 1}" for k in range(mel.shape[1]))
    sizes = ", ".join(f"{name} {len(columns):,}" for name, columns in feature_groups(config).items())
    summary = f"The sound trimmed and set to a level of its own. Numbers that describe it: {sizes}."
    return Picture(mel.T, rows, times, "dB", summary)


def _stretches(duration: float) -> NDArray[np.float64]:
    """Return beginnings and ends of equal stretches that overlap by half and cover ``duration`` seconds."""
    half = duration / (N_STRETCHES + 1)
    starts = half * np.arange(N_STRETCHES)
    return np.stack([starts, starts + 2 * half], axis=1)
