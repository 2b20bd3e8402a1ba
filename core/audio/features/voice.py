"""The voice feature set: one vector a sound, of any length, level and quality.

Two views stand side by side: statistics of descriptors that phonetics knows (``functionals``) and summaries of random
convolutions (``kernels``). They err differently, which is why both are there.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from core.audio.descriptors import VoiceFrames, describe
from core.audio.features.base import FeatureSet, Picture, Scale
from core.audio.functionals import FUNCTIONAL_NAMES, functionals
from core.audio.kernels import SUMMARIES, convolve
from core.audio.traits import TRAITS, Trait
from core.config import VoiceConfig

GROUP_PREFIXES: Final = {
    "Pitch": ("pitch",),
    "Voice quality": ("h1_", "h2_", "jitter", "shimmer", "harmonics_to_noise", "cepstral_peak"),
    "300 to 3,400 Hz": ("speech_band", "hammarberg_speech_band"),
    "MFCC": ("mfcc",),
    "Mel spectrum": ("mel",),
    "Spectral shape": (
        "centroid", "bandwidth", "skewness", "kurtosis", "entropy", "roll_off", "flatness", "zero_crossing_rate",
        "flux", "alpha_ratio", "hammarberg.", "slope", "contrast",
    ),
}  # fmt: skip
"""Beginnings of the names of functionals, by group."""

VIEW_TITLES: Final = {
    "kernels": "Overall sound (patterns over time)",
    "map_1": "Overall sound (encoder, first map)",
    "map_2": "Overall sound (encoder, second map)",
    "map_3": "Overall sound (encoder, third map)",
    "map_4": "Overall sound (encoder, fourth map)",
}
"""What views whose values have no names of their own are called."""


def functional_groups() -> dict[str, NDArray[np.intp]]:
    """Return the columns of the functionals that belong together, in words for people; each stands in one group."""
    groups: dict[str, list[int]] = {name: [] for name in (*GROUP_PREFIXES, "Timing and loudness")}
    for column, functional in enumerate(FUNCTIONAL_NAMES):
        found = [name for name, prefixes in GROUP_PREFIXES.items() if functional.startswith(prefixes)]
        groups[found[0] if found else "Timing and loudness"].append(column)
    return {name: np.array(columns, dtype=np.intp) for name, columns in groups.items()}


@dataclasses.dataclass(frozen=True)
class VoiceFeatures(VoiceConfig, FeatureSet):
    """The voice feature set: functionals and random convolutions, one after another."""

    @property
    def view_widths(self) -> dict[str, int]:
        """Number of values of each view, in the order in which they stand in a vector."""
        return {"functionals": len(FUNCTIONAL_NAMES), "kernels": self.n_kernels * len(SUMMARIES)}

    @property
    def views(self) -> dict[str, slice]:
        """Where each view stands in a vector."""
        widths = self.view_widths
        ends = np.cumsum(list(widths.values())).tolist()
        return {view: slice(end - width, end) for (view, width), end in zip(widths.items(), ends, strict=True)}

    @property
    def traits(self) -> tuple[Trait, ...]:
        """Those that functionals tell of: they stand first in a vector, so that their columns are its own."""
        return TRAITS

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sound's features: one vector."""
        return (sum(self.view_widths.values()),)

    @property
    def groups(self) -> dict[str, NDArray[np.intp]]:
        """Columns of what belongs together."""
        others = {
            VIEW_TITLES[v]: np.arange(s.start, s.stop, dtype=np.intp) for v, s in self.views.items() if v in VIEW_TITLES
        }
        return functional_groups() | others

    @property
    def seed(self) -> int:
        """Seed of the kernels."""
        return self.kernel_seed

    def seeded(self, seed: int) -> Self:
        """Return the set with kernels of a seed."""
        return dataclasses.replace(self, kernel_seed=seed)

    @property
    def is_current(self) -> bool:
        """Whether the computation is this version's; it takes any parameters."""
        return self.version == VoiceConfig.version

    def extract(self, y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
        """Compute the features of a sound.

        Parameters
        ----------
        y : np.ndarray [shape=(n,), dtype=float32]
            Waveform, not silent. Only its first ``duration`` seconds are read.
        sr : int
            Sampling rate of ``y``, in Hz; must be that of the set.

        Returns
        -------
        np.ndarray [shape=(d,), dtype=float32]
            The views, one after another.

        Raises
        ------
        ValueError
            If ``sr`` is not the rate of the set, or ``y`` is empty or silent: a caller's mistake, since ``decode`` and
            ``assess`` let neither through.

        Examples
        --------
        >>> import librosa
        >>> VoiceFeatures().extract(librosa.tone(440, sr=22050, duration=1.0), 22050).shape
        (6512,)
        """
        if sr != self.sr or y.ndim != 1 or y.size == 0 or not np.any(y):
            raise ValueError(f"expected a sound of shape (n,) at {self.sr} Hz, got shape {y.shape} at {sr} Hz")
        views = self.read_views(describe(y, self))
        return np.concatenate([views[view] for view in self.view_widths])

    def read_views(self, voice: VoiceFrames) -> Mapping[str, NDArray[np.float32]]:
        """Return each view of a voice, by name."""
        return {"functionals": functionals(voice, self), "kernels": convolve(voice.mel, self)}

    def picture(self, y: NDArray[np.float32], sr: int, scale: Scale) -> Picture:  # noqa: ARG002 - in dB, as it is read
        """Show the mel spectrogram that the convolutions read, trimmed and set to a level."""
        mel = describe(y, self).mel.astype(np.float32)
        sizes = ", ".join(f"{name} {len(columns):,}" for name, columns in self.groups.items())
        return Picture(
            values=mel.T,
            rows=tuple(f"mel band {k + 1}" for k in range(mel.shape[1])),
            times=np.arange(len(mel)) * self.hop_length / self.sr,
            unit="dB",
            summary=f"The sound trimmed and set to a level of its own. Numbers that describe it: {sizes}.",
            row_title="mel band",
        )
