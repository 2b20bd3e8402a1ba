"""From a waveform to an answer, with a stored model, in milliseconds and without TensorFlow."""

import dataclasses
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from core import parts
from core.audio.assess import Assessment, assess
from core.audio.containers import duration_of
from core.audio.decode import AudioSource, Waveform, decode, read_bytes
from core.audio.extraction import extract
from core.audio.features.base import get_features
from core.audio.network import open_network
from core.audio.speech import SpeechFinder, Stretch, loudest_stretch
from core.audio.stream import Stream
from core.config import OPENING_DURATION, SAMPLE_RATE, DecodeLimits, configuration_hash
from core.corpus.prints import find_prints
from core.errors import AudioError, ModelError
from core.files import sha256_of_file
from core.serving.known import recognise
from core.serving.prediction import BROKEN, NO_VOICE, NOISY, Piece, Prediction, summarize
from core.serving.registry import Registry, StoredModel
from core.work.turns import turns

VALUE_LIMIT: Final = 4.0
"""Standard deviations at which a feature counts no further in the out-of-distribution score."""
UNLIKE: Final = 2.3
"""Out-of-distribution score from which an answer is unsure: the mean square of the features in standard deviations from
their mean over the training clips, which is about 1 for those."""
UNLIKE_NARROW: Final = 3.1
"""The same for sound through a telephone, which lacks half of what the features describe."""


class Predictor:
    """A model ready to answer; safe to share among threads.

    Parameters
    ----------
    model : StoredModel
        As from ``core.serving.registry.Registry.load``.

    Raises
    ------
    ModelError
        If its network or scaler cannot be read.
    """

    def __init__(self, model: StoredModel) -> None:
        self.model = model
        try:
            numbers = json.loads(model.read("scaler.json"))
            self._mean, self._scale = (np.asarray(numbers[name], dtype=np.float64) for name in ("mean", "scale"))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(f"The scaler of model {model.name!r} cannot be read. Retrain it.") from error
        self._session = open_network(model.folder / "network.onnx")
        self._input = self._session.get_inputs()[0].name

    @classmethod
    def load(cls, model: str | None = None, *, registry: Registry | None = None) -> "Predictor":
        """Load a stored model after checking its files.

        Parameters
        ----------
        model : str, optional
            Name of the model; the one in use by default.
        registry : Registry, optional
            Where models are stored.

        Returns
        -------
        Predictor

        Raises
        ------
        ModelError
            If the model is missing, altered, or made for other features or labels.
        """
        return cls((registry or Registry()).load(model, to_answer=True))

    def digest(self) -> str:
        """Return the SHA-256, in hex, of what answers follow from besides the sound: model, and recordings it knows."""
        prints = find_prints(self.model.manifest.corpus.name)
        return configuration_hash(
            sha256_of_file(self.model.folder / "manifest.json"), None if prints is None else sha256_of_file(prints)
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions, in the order of the probabilities."""
        return self.model.manifest.labels

    @property
    def analysed_duration(self) -> float:
        """Longest stretch of voice that is answered at once, in seconds."""
        return self.model.features.analysed_duration

    @property
    def usual_features(self) -> NDArray[np.float64]:
        """Mean of the features over the training clips, unscaled; shape (columns,)."""
        return self._mean

    def predict(
        self, waveform: Waveform, assessment: Assessment | None = None, *, shift: NDArray[np.float32] | None = None
    ) -> Prediction:
        """Answer for a sound.

        Parameters
        ----------
        waveform : Waveform
            As from ``core.audio.decode.decode``.
        assessment : Assessment, optional
            What ``core.audio.assess.assess`` said of it, where that is known already.
        shift : np.ndarray, optional
            Added to the features, unscaled: what a personal baseline makes of the speaker.

        Returns
        -------
        Prediction

        Raises
        ------
        AudioError
            If the sound is too short or silent.
        """
        assessment = assessment or assess(waveform)
        if assessment.refusal is not None:
            raise AudioError(assessment.refusal)
        prediction = self.conclude(self.hear(waveform), waveform, assessment, shift=shift)
        several = prediction.pieces if len(prediction.pieces) > 1 else ()
        known = recognise(waveform, self.model, [(piece.start, piece.end) for piece in several])
        return dataclasses.replace(prediction, known=known)

    def predict_file(
        self, source: AudioSource, *, part: str = "", shift: NDArray[np.float32] | None = None
    ) -> Prediction:
        """Answer for a sound file of up to an hour; what is longer than ``decode`` takes comes block by block.

        Parameters
        ----------
        source : bytes, path or binary file
            The encoded sound.
        part : str
            Which channel or track, as for ``core.audio.decode.decode``.
        shift : np.ndarray, optional
            As for ``predict``.

        Returns
        -------
        Prediction

        Raises
        ------
        AudioError
            If the sound cannot be read, is too short or silent, or a long one holds no voice.
        """
        data = read_bytes(source, DecodeLimits())
        if duration_of(data) <= DecodeLimits().max_duration:
            return self.predict(decode(data, part=part), shift=shift)
        sound = Stream(data, part=part)
        if sound.assessment.refusal is not None:
            raise AudioError(sound.assessment.refusal)
        n = 0

        def blocks() -> Iterator[NDArray[np.float32]]:
            nonlocal n
            for block in sound:
                n += len(block)
                yield block

        pieces = [self.answer(stretch, shift=shift) for stretch in self.finder().find(blocks())]
        if not pieces:
            raise AudioError("No speech or song was found in this long recording.")
        return summarize(pieces, duration=n / SAMPLE_RATE, model=self.model.name, notes=sound.assessment.warnings)

    def warm_up(self) -> None:
        """Answer for a tone, so that nobody waits for what a first answer loads."""
        tone = np.sin(2 * np.pi * 220 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
        self.predict(Waveform.of_samples((0.1 * tone).astype(np.float32)))

    def hear(self, waveform: Waveform) -> list[Stretch]:
        """Return the stretches of voice that are answered; where there is none, the loudest part of the sound.

        Parameters
        ----------
        waveform : Waveform
            As from ``core.audio.decode.decode``, not silent.

        Returns
        -------
        list of Stretch
            At least one.
        """
        return self.find(waveform) or [loudest_stretch(waveform.y, waveform.sr, self.analysed_duration)]

    def find(self, waveform: Waveform) -> list[Stretch]:
        """Return the same, but none where there is no voice.

        Parameters
        ----------
        waveform : Waveform
            As from ``core.audio.decode.decode``.

        Returns
        -------
        list of Stretch
        """
        return list(self.finder().find([waveform.y]))

    def finder(self) -> SpeechFinder:
        """Return what finds the stretches of voice in a sound at ``core.config.SAMPLE_RATE``, for one sound."""
        opening = 0.0 if self.model.features.reads_stretches else OPENING_DURATION
        return SpeechFinder(SAMPLE_RATE, self.analysed_duration, opening=opening)

    def conclude(
        self,
        stretches: Sequence[Stretch],
        waveform: Waveform,
        assessment: Assessment,
        *,
        shift: NDArray[np.float32] | None = None,
    ) -> Prediction:
        """Answer for a sound of which the stretches are known; see ``predict`` and ``hear``."""
        pieces = [self.answer(stretch, shift=shift) for stretch in stretches]
        return summarize(pieces, duration=waveform.duration, model=self.model.name, notes=assessment.warnings)

    def answer(self, stretch: Stretch, *, shift: NDArray[np.float32] | None = None) -> Piece:
        """Answer for a stretch of voice.

        Parameters
        ----------
        stretch : Stretch
            As from ``hear``.
        shift : np.ndarray, optional
            As for ``predict``.

        Returns
        -------
        Piece
        """
        turns.give_way()
        features = extract(Waveform.of_samples(stretch.y), self.model.features)
        if shift is not None:
            features = features + shift
        y_proba = self.predict_features(features[np.newaxis])[0]
        best = int(y_proba.argmax())
        return Piece(
            start=stretch.first / SAMPLE_RATE,
            end=stretch.last / SAMPLE_RATE,
            emotion=self.labels[best],
            probabilities={emotion: float(p) for emotion, p in zip(self.labels, y_proba, strict=True)},
            doubts=self._doubts(stretch, features, float(y_proba[best])),
            snr=round(stretch.snr, 1) if np.isfinite(stretch.snr) else None,
        )

    def predict_features(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return probabilities for features.

        Parameters
        ----------
        X : np.ndarray [shape=(n, ...), dtype=float32]
            Features, unscaled, as from ``core.audio.extraction.extract``.

        Returns
        -------
        np.ndarray [shape=(n, k), dtype=float64]
            Rows sum to 1.
        """
        y_proba = np.asarray(self._session.run(None, {self._input: self.scale(X)})[0], dtype=np.float64)
        return np.asarray(y_proba / y_proba.sum(axis=1, keepdims=True))

    def scale(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features as the network reads them: each without its mean, in its standard deviations.

        Parameters
        ----------
        X : np.ndarray [shape=(n, ...), dtype=float32]
            Features, unscaled.

        Returns
        -------
        np.ndarray [shape=(n, ...), dtype=float32]
        """
        return np.asarray((X - self._mean) / self._scale, dtype=np.float32)

    def mask(self, X: NDArray[np.float32], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return a copy of features in which some columns of the last axis tell nothing: they are at their mean."""
        masked = X.copy()
        masked[..., columns] = self._mean[columns]
        return masked

    def _doubts(self, stretch: Stretch, features: NDArray[np.float32], confidence: float) -> tuple[str, ...]:
        """Return why the answer for a stretch is unsure, or nothing."""
        if not stretch.has_voice:
            return (NO_VOICE,)
        doubts = self._doubts_of(confidence)
        score = float(np.mean(np.square(np.clip(self.scale(features), -VALUE_LIMIT, VALUE_LIMIT))))
        if score > UNLIKE and (score > UNLIKE_NARROW or not stretch.is_narrow):
            distance = math.sqrt(score)
            unlike = f"unlike the recordings that the model learned from: {distance:.1f} times as far away as they are"
            doubts = (unlike, *doubts)
        if stretch.gap >= BROKEN:
            doubts = (f"broken: for {stretch.gap:.2f} s in its midst the recording holds nothing", *doubts)
        if stretch.snr < NOISY:
            doubts = (f"noisy: the voice stands only {max(stretch.snr, 0):.0f} dB above the noise around it", *doubts)
        return doubts

    def _doubts_of(self, confidence: float) -> tuple[str, ...]:
        """Return why a confidence is too low, or nothing."""
        threshold, precision = self.model.threshold, self.model.manifest.decision.precision
        if threshold is None:
            return (f"at no confidence were {precision:.0%} of this model's answers to unseen speakers right",)
        if confidence >= threshold:
            return ()
        # An overconfident network's threshold can differ from 1 in the third digit.
        digits = 2 if round(confidence, 2) < round(threshold, 2) else 4
        return (
            f"confidence {confidence:.{digits}f} is below {threshold:.{digits}f}; only from there on are "
            f"{precision:.0%} of the answers to unseen speakers right",
        )


def warm_up() -> None:
    """Do what the first sound of each feature set makes necessary, so that no user waits for it."""
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    buffer = io.BytesIO()
    sf.write(buffer, 0.1 * np.sin(2 * np.pi * 220 * t), 48_000, format="WAV")
    waveform = decode(buffer.getvalue())
    for name in parts.FEATURE_SETS:
        extract(waveform, get_features(name))
