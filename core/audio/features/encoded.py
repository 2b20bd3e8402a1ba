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
    encoders: tuple[str, ...] = ("bursts-5c16657d",)
    """Names of the encoders."""
    map_widths: tuple[int, ...] = (2_048, 2_048, 2_048, 2_048)
    """Values that each map of an encoder gives."""

    @property
    def view_widths(self) -> dict[str, int]:
        """Number of values of each view, in the order in which they stand in a vector."""
        maps = {f"map_{k}": len(self.encoders) * width for k, width in enumerate(self.map_widths, start=1)}
        return super().view_widths | maps

    @property
    def taught_on(self) -> tuple[str, ...]:
        """Names of the corpora that the encoders were taught on."""
        return tuple(dict.fromkeys(corpus for encoder in self.encoders for corpus in taught_on(encoder)))

    def read_views(self, voice: VoiceFrames) -> Mapping[str, NDArray[np.float32]]:
        """Return each view of a voice, by name."""
        ends = np.cumsum(self.map_widths)[:-1]
        by_encoder = [np.split(encode(voice.mel, encoder), ends) for encoder in self.encoders]
        maps = {f"map_{k}": np.concatenate(of_map) for k, of_map in enumerate(zip(*by_encoder, strict=True), start=1)}
        return {**super().read_views(voice), **maps}
