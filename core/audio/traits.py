"""What people hear in a voice: what measures it, the words for it, and how a voice becomes usual in it."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from core.audio.functionals import FUNCTIONAL_NAMES
from core.audio.pitch import REFERENCE_PITCH

if TYPE_CHECKING:
    from core.audio.retouching import Retouching

MAX_SEMITONES: Final = 4.0
"""Farthest that a pitch is moved towards the usual: a man's voice at a woman's pitch is no voice."""
FACTORS: Final = (0.5, 2.0)
"""Ends of what a duration, a melody or a dynamic is multiplied by."""
TILT_A_DEVIATION: Final = 0.25
"""Exponent of the tilt that moves the spectral centroid by about a standard deviation of the clips of RAVDESS."""
MAX_TILT: Final = 0.6
CLEARNESS_A_DEVIATION: Final = 0.4
"""Amount of clearness that moves the harmonics-to-noise ratio by about such a deviation."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """A measure of a voice beside the usual."""

    value: float
    """Of this voice."""
    usual: float
    """Mean over the training clips."""
    distance: float
    """How far it is above the usual, in standard deviations of the training clips."""

    @property
    def factor(self) -> float:
        """What makes it usual, within ``FACTORS``."""
        return float(np.clip(self.usual / max(self.value, 1e-3), *FACTORS))


@dataclasses.dataclass(frozen=True)
class Trait:
    """Something that people hear in a voice."""

    name: str
    """What it is called in a table."""
    noun: str
    """What has more or less of it."""
    more: str
    """What the noun is where ``measure`` is above the usual: an adjective."""
    less: str
    """The same where it is below."""
    measure: str
    """The functional that tells which of the two it is, and how much."""
    unit: str
    """Of that functional; pitches are shown in Hz."""
    make_usual: "Callable[[Retouching, Measured], NDArray[np.float32]]"
    """Returns the voice as it would be with this usual, or nearer to it, and all else as it is."""
    needs_voice: bool = False
    """Whether it means nothing where no frame is voiced."""

    @property
    def column(self) -> int:
        """Column of the measure among the functionals."""
        return FUNCTIONAL_NAMES.index(self.measure)

    def shown(self, value: float) -> float:
        """Return a value of the measure in ``unit``: pitches are kept in semitones."""
        return float(REFERENCE_PITCH * 2 ** (value / 12)) if self.unit == "Hz" else float(value)


def _pitch(voice: "Retouching", pitch: Measured) -> NDArray[np.float32]:
    return voice.with_pitch(float(np.clip(pitch.usual - pitch.value, -MAX_SEMITONES, MAX_SEMITONES)))


def _clearness(voice: "Retouching", ratio: Measured) -> NDArray[np.float32]:
    return voice.with_clearness(float(np.clip(-CLEARNESS_A_DEVIATION * ratio.distance, -1, 1)))


def _brightness(voice: "Retouching", centroid: Measured) -> NDArray[np.float32]:
    return voice.with_tilt(float(np.clip(-TILT_A_DEVIATION * centroid.distance, -MAX_TILT, MAX_TILT)))


TRAITS: Final = (
    Trait("Height of pitch", "pitch", "higher", "lower", "pitch.percentile_50", "Hz", _pitch, needs_voice=True),
    Trait(
        "Movement of pitch", "pitch", "livelier", "flatter", "pitch.deviation", "semitones",
        lambda voice, deviation: voice.with_melody(deviation.factor), needs_voice=True,
    ),
    Trait(
        "Clearness", "voice", "clearer", "breathier or rougher", "harmonics_to_noise.voiced_mean", "dB",
        _clearness, needs_voice=True,
    ),
    Trait("Brightness", "timbre", "brighter", "darker", "centroid.mean", "kHz", _brightness),
    Trait(
        "Length", "utterance", "longer", "shorter", "duration", "s",
        lambda voice, duration: voice.with_length(duration.factor),
    ),
    Trait(
        "Course of loudness", "ending", "louder", "softer", "level.slope", "dB",
        lambda voice, slope: voice.with_ramp(slope.usual - slope.value),
    ),
    Trait(
        "Movement of loudness", "loudness", "livelier", "more even", "level.deviation", "dB",
        lambda voice, deviation: voice.with_dynamics(deviation.factor),
    ),
)  # fmt: skip
