"""What moved an answer, in a person's words.

For each trait that people hear in a voice (``core.audio.traits``) and that is away from the usual in this one, the mean
over the training clips, the voice is changed in that trait alone until it is usual, and goes the whole way again. What
counts is how far the log odds of the answer fall. So the words hold whatever the model reads, by name or not: they say
which way the voice is away from the usual, and that the answer rests on it.

What the told traits do together is compared with the way from the answer to chance: the rest is the overall sound,
which has no single name. So it does not matter how flat a cautious answer is.
"""

import dataclasses
import math
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.audio.decode import Waveform
from core.audio.extraction import extract, extract_each
from core.audio.functionals import FUNCTIONAL_NAMES
from core.audio.retouching import Retouching
from core.audio.traits import Measured, Trait
from core.serving.explanation import answered_stretch
from core.serving.prediction import Prediction
from core.serving.predictor import Predictor

MAX_TOLD: Final = 3
"""Traits that are told at most."""
HEARD_FROM: Final = 0.5
"""Distance of a measure from the usual from which it is heard, in standard deviations of the training clips."""
LEAST_SHARE: Final = 0.08
"""Fall of the log odds from which a trait is worth telling, as a share of the way to chance: of 8, 0.5 becomes 0.46."""


@dataclasses.dataclass(frozen=True)
class Ground:
    """A trait of a voice, and what it did to the answer."""

    trait: Trait
    """What is heard."""
    measured: Measured
    """How much of it, and what is usual."""
    probability: float
    """Probability of the answer for the voice with this trait as usual."""
    fall: float
    """How far the log odds of the answer fall then; negative where they rise."""

    @property
    def adjective(self) -> str:
        """What the noun of the trait is, compared with the usual."""
        return self.trait.more if self.measured.distance > 0 else self.trait.less


@dataclasses.dataclass(frozen=True)
class Grounds:
    """What moved the answer for a stretch of voice."""

    emotion: str
    """The answer, or what else was asked about."""
    probability: float
    """Its probability."""
    start: float
    """Beginning of the stretch, in seconds."""
    end: float
    """Its end, in seconds."""
    heard: tuple[Ground, ...]
    """The traits that are away from the usual, those that speak most for the answer first."""
    told: tuple[Ground, ...]
    """Those worth telling."""
    probability_without: float
    """Probability of the answer for the voice with all that is told as usual; the same where nothing is."""
    share: float
    """How much of the way from the answer to chance the told traits make together, from 0 to 1."""

    @property
    def words(self) -> str:
        """The told traits: ``higher and livelier pitch, brighter timbre``; empty where there are none."""
        by_noun: dict[str, list[str]] = {}
        for ground in self.told:
            by_noun.setdefault(ground.trait.noun, []).append(ground.adjective)
        return ", ".join(f"{' and '.join(adjectives)} {noun}" for noun, adjectives in by_noun.items())

    @property
    def sentence(self) -> str:
        """What moved the answer, in a line that claims no more than was measured."""
        if not self.told:
            return "Its overall sound; no single trait of the voice decided it."
        words = f"{self.words} than usual"
        if self.share < 0.5:
            return f"Mostly its overall sound; also {words}."
        words = f"{words[0].upper()}{words[1:]}"
        return f"{words}." if self.share > 0.9 else f"{words}; also its overall sound."


def find_grounds(
    predictor: Predictor,
    waveform: Waveform,
    prediction: Prediction,
    *,
    shift: NDArray[np.float32] | None = None,
    emotion: str = "",
) -> Grounds | None:
    """Find out what moved an answer, or speaks for another emotion.

    Parameters
    ----------
    predictor : Predictor
        The model.
    waveform : Waveform
        The sound.
    prediction : Prediction
        Its answer for it; see ``core.serving.explanation.answered_stretch``.
    shift : np.ndarray, optional
        As for ``Predictor.predict``.
    emotion : str
        What the grounds are for; the answer for the stretch by default.

    Returns
    -------
    Grounds or None
        None where the model's features have no names that people know.
    """
    features, pieces = predictor.model.features, prediction.pieces
    if not features.traits or not pieces:
        return None
    chosen = pieces[prediction.main_piece]
    voice = answered_stretch(predictor, waveform, prediction)[1]

    def moved(X: NDArray[np.float32]) -> NDArray[np.float32]:
        return X if shift is None else X + shift

    plain = extract(voice, features)
    # Without a voiced frame all statistics of pitch are 0, before a shift.
    measures = _measure(predictor, moved(plain), is_voiced=bool(plain[FUNCTIONAL_NAMES.index("pitch.percentile_50")]))
    retouching = Retouching(voice.y, voice.sr)
    changed = [Waveform.of_samples(trait.make_usual(retouching, measured)) for trait, measured in measures]
    X = moved(extract_each([voice, *changed], features))
    y_proba = predictor.predict_features(X)
    best = predictor.labels.index(emotion) if emotion else int(y_proba[0].argmax())
    odds = _log_odds(y_proba, best)
    heard = [
        Ground(trait, measured, float(p), float(odds[0] - odd))
        for (trait, measured), p, odd in zip(measures, y_proba[1:, best], odds[1:], strict=True)
    ]
    heard.sort(key=lambda ground: -ground.fall)
    way = _way_to_chance(y_proba[0], float(odds[0]))
    told = [ground for ground in heard if ground.fall >= LEAST_SHARE * way][:MAX_TOLD]
    without, share = float(y_proba[0, best]), 0.0
    if told:
        y = voice.y
        for ground in told:
            y = ground.trait.make_usual(Retouching(y, voice.sr), ground.measured)
        left = predictor.predict_features(moved(extract_each([Waveform.of_samples(y)], features)))
        without, share = float(left[0, best]), float(np.clip((odds[0] - _log_odds(left, best)[0]) / way, 0, 1))
    return Grounds(
        emotion=predictor.labels[best],
        probability=float(y_proba[0, best]),
        start=chosen.start,
        end=chosen.end,
        heard=tuple(heard),
        told=tuple(told),
        probability_without=without,
        share=share,
    )


def grounds_table(grounds: Grounds) -> pd.DataFrame:
    """Return the traits that are away from the usual, those that speak most for the answer first.

    Returns
    -------
    pandas.DataFrame
        Columns ``trait`` (in words), ``probability`` of the answer for the voice with this trait as usual, ``here`` and
        ``usual`` (the measure, in ``unit``), and ``unit``.
    """
    rows = [
        {
            "trait": f"{ground.adjective} {ground.trait.noun}".capitalize(),
            "probability": ground.probability,
            "here": ground.trait.shown(ground.measured.value),
            "usual": ground.trait.shown(ground.measured.usual),
            "unit": ground.trait.unit,
        }
        for ground in grounds.heard
    ]
    return pd.DataFrame(rows, columns=["trait", "probability", "here", "usual", "unit"])


def _measure(predictor: Predictor, X: NDArray[np.float32], *, is_voiced: bool) -> list[tuple[Trait, Measured]]:
    """Return the traits that are away from the usual in a voice with these features."""
    usual, distance = predictor.usual_features, predictor.scale(X)
    return [
        (trait, Measured(float(X[trait.column]), float(usual[trait.column]), float(distance[trait.column])))
        for trait in predictor.model.features.traits
        if abs(distance[trait.column]) >= HEARD_FROM and (is_voiced or not trait.needs_voice)
    ]


def _way_to_chance(y_proba: NDArray[np.float64], odds: float) -> float:
    """Return how far log odds lie from those of chance; at least how far the emotions lie apart, so never 0."""
    log_proba = np.log(np.maximum(y_proba, 1e-12))
    return max(abs(odds + math.log(len(y_proba) - 1)), float(log_proba.std()), 1e-6)


def _log_odds(y_proba: NDArray[np.float64], label: int) -> NDArray[np.float64]:
    """Return the log odds of a label, shape (n,)."""
    others = np.delete(y_proba, label, axis=1).sum(axis=1)
    return np.asarray(np.log(np.maximum(y_proba[:, label], 1e-12) / np.maximum(others, 1e-12)))
