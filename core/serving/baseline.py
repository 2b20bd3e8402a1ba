"""A personal baseline: what a person's neutral voice is like, and the shift that takes it to the usual one.

Features are shifted by ``strength * (mean of the training clips - mean of the person's neutral sentences)`` before the
network. What that brings is measured by ``core.learning.studies.study_baseline``.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.audio.assess import assess
from core.audio.decode import Waveform
from core.audio.extraction import extract
from core.audio.gate import has_voice
from core.audio.personal import baseline_shift, neutral_mean
from core.config import configuration_hash
from core.errors import BaselineError
from core.serving.predictor import Predictor

FORMAT: Final = 1
MIN_SENTENCES, MAX_SENTENCES = 2, 4
MAX_BYTES: Final = 2**20
"""Largest file that is read, in bytes."""
MAX_VALUE: Final = 1e6
"""Largest size of a feature in a file."""


@dataclasses.dataclass(frozen=True, eq=False)
class Shift:
    """What a baseline adds to the features, and what tells it from others."""

    key: str
    """Digest of the baseline, and strength."""
    values: NDArray[np.float32]
    """As from ``Baseline.shift``."""


@dataclasses.dataclass(frozen=True, eq=False)
class Baseline:
    """What a person's neutral voice is like."""

    mean: NDArray[np.float64]
    """Mean of the features over the sentences, unscaled, shape (d,)."""
    features_hash: str
    """Hash of the configuration of the features."""
    n_sentences: int
    """Sentences it rests on."""

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers and of what they are, in hex."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """Return the baseline as a small file."""
        fields = {"format": FORMAT, "features_hash": self.features_hash, "n_sentences": self.n_sentences}
        return json.dumps(fields | {"mean": [float(f"{value:.6g}") for value in self.mean]}).encode()

    def fits(self, predictor: Predictor) -> bool:
        """Tell whether a model reads the features that the baseline holds."""
        is_same = self.features_hash == configuration_hash(predictor.model.features)
        return is_same and self.mean.shape == predictor.usual_features.shape

    def shift(self, predictor: Predictor, strength: float) -> NDArray[np.float32]:
        """Return what is added to the features of this person.

        Parameters
        ----------
        predictor : Predictor
            The model.
        strength : float
            Share of the way to the usual voice, from 0 to 1.

        Returns
        -------
        np.ndarray [shape as the features, dtype=float32]

        Raises
        ------
        BaselineError
            If the model reads other features.
        """
        if not self.fits(predictor):
            raise BaselineError("The baseline was made for another model. Record the neutral sentences again.")
        return baseline_shift(predictor.usual_features, self.mean, strength)


def enrol(waveforms: Sequence[Waveform], predictor: Predictor) -> Baseline:
    """Make a baseline from neutral sentences of one person.

    Parameters
    ----------
    waveforms : sequence of Waveform
        Two to four sentences.
    predictor : Predictor
        The model that will use it.

    Returns
    -------
    Baseline

    Raises
    ------
    BaselineError
        If there are too few or too many, or one holds no voice.
    """
    if not MIN_SENTENCES <= len(waveforms) <= MAX_SENTENCES:
        raise BaselineError(f"A baseline needs {MIN_SENTENCES} to {MAX_SENTENCES} sentences, not {len(waveforms)}.")
    for k, waveform in enumerate(waveforms, start=1):
        found = assess(waveform)
        if found.refusal or not has_voice(waveform.y, waveform.sr):
            raise BaselineError(f"No voice was found in sentence {k}. Record it again.")
    features = predictor.model.features
    heard = [max(predictor.hear(waveform), key=lambda stretch: len(stretch.y)) for waveform in waveforms]
    X = np.stack([extract(Waveform.of_samples(stretch.y), features) for stretch in heard])
    return Baseline(neutral_mean(X), configuration_hash(features), len(waveforms))


def read_baseline(data: bytes) -> Baseline:
    """Read a file as from ``Baseline.to_json``; nothing in it is trusted.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    Baseline

    Raises
    ------
    BaselineError
        If it is too large, not such a file, or of another version.
    """
    if len(data) > MAX_BYTES:
        raise BaselineError("The file is too large to be a baseline.")
    try:
        fields = json.loads(data)
        return _parse(fields)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BaselineError("The file is not a baseline, or one of another version. Save it again.") from error


def _parse(fields: Any) -> Baseline:
    """Return the baseline in decoded JSON, or raise what shows that it is none."""
    mean, digest, n = fields["mean"], fields["features_hash"], fields["n_sentences"]
    if fields["format"] != FORMAT or not isinstance(mean, list) or not isinstance(digest, str):
        raise ValueError("format")
    if type(n) is not int or not MIN_SENTENCES <= n <= MAX_SENTENCES or len(digest) != 64:
        raise ValueError("sentences or hash")
    if not mean or not all(type(v) in (int, float) and math.isfinite(v) and abs(v) < MAX_VALUE for v in mean):
        raise ValueError("numbers")
    return Baseline(np.array(mean, dtype=np.float64), digest, n)
