"""The voice features, and with them what frozen encoders say of the same mel spectrogram."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from core.audio.descriptors import VoiceFrames
from core.audio.encoder import encode, taught_on
from core.audio.features.voice import VoiceFeatures


@dataclasses.dataclass(frozen=True)
class EncodedFeatures(VoiceFeatures):
    """Functionals, random convolutions and the values of encoders, one after another."""

    trains_on_stretches: ClassVar[bool] = True
    """As it answers: the voice alone, cleaned."""
    name: str = "encoded"
    """Name of the feature set."""
    encoders: tuple[str, ...] = ("bursts-6be3c652",)
    """Names of the encoders."""
    shallow_width: int = 2_048
    """Values that the first stage of each gives."""
    deep_width: int = 2_048
    """Values that the second stage of each gives."""

    @property
    def view_widths(self) -> dict[str, int]:
        """Number of values of each view, in the order in which they stand in a vector."""
        n = len(self.encoders)
        return super().view_widths | {"shallow": n * self.shallow_width, "deep": n * self.deep_width}

    @property
    def taught_on(self) -> tuple[str, ...]:
        """Names of the corpora that the encoders were taught on."""
        return tuple(dict.fromkeys(corpus for encoder in self.encoders for corpus in taught_on(encoder)))

    def read_views(self, voice: VoiceFrames) -> Mapping[str, NDArray[np.float32]]:
        """Return each view of a voice, by name."""
        values = [encode(voice.mel, encoder) for encoder in self.encoders]
        return {
            **super().read_views(voice),
            "shallow": np.concatenate([of_encoder[: self.shallow_width] for of_encoder in values]),
            "deep": np.concatenate([of_encoder[self.shallow_width :] for of_encoder in values]),
        }
