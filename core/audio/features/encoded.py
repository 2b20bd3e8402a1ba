"""The voice features, and with them what a frozen encoder says of the same mel spectrogram."""

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
    """Functionals, random convolutions and the values of an encoder, one after another."""

    trains_on_stretches: ClassVar[bool] = True
    """As it answers: the voice alone, cleaned."""
    name: str = "encoded"
    """Name of the feature set."""
    encoder: str = "bursts-4a2acf00"
    """Name of the encoder."""
    shallow_width: int = 2_048
    """Values that its first stage gives."""
    deep_width: int = 2_560
    """Values that its second stage gives."""

    @property
    def view_widths(self) -> dict[str, int]:
        """Number of values of each view, in the order in which they stand in a vector."""
        return super().view_widths | {"shallow": self.shallow_width, "deep": self.deep_width}

    @property
    def taught_on(self) -> tuple[str, ...]:
        """Names of the corpora that the encoder was taught on."""
        return taught_on(self.encoder)

    def read_views(self, voice: VoiceFrames) -> Mapping[str, NDArray[np.float32]]:
        """Return each view of a voice, by name."""
        values = encode(voice.mel, self.encoder)
        return {
            **super().read_views(voice),
            "shallow": values[: self.shallow_width],
            "deep": values[self.shallow_width :],
        }
