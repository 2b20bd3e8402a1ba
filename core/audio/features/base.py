"""What a feature set is, and how one is found by its name."""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core import parts
from core.audio.decode import Waveform
from core.audio.traits import Trait

Scale: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Takes features to standard deviations from their mean over a model's training clips."""


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
    row_title: str = "feature"
    """What a row is."""
    ticks: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Labels and the rows where they stand; rows are numbered where there are none."""
    limit: float | None = None
    """Value whose negative and positive end the colours; None where the values themselves do."""


class FeatureSet(abc.ABC):
    """What a model reads of a sound: a frozen dataclass of plain values, the parameters of its computation.

    Its hash (``core.config.configuration_hash``) names feature stores and stands in every model, so a field that is
    added, renamed or changed makes another set.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # every subclass is a dataclass

    reads_stretches: ClassVar[bool] = True
    """Whether it reads a stretch of voice alone; False for sets made for sounds with what stands around the voice."""
    trains_on_stretches: ClassVar[bool] = False
    """Whether trainings read clips as answers do: their voice alone, cleaned."""
    name: str
    """Name in ``core.parts.FEATURE_SETS``."""
    sr: int
    """Sampling rate of the sounds, in Hz."""
    version: int
    """Raised whenever the computation changes."""

    @property
    def taught_on(self) -> tuple[str, ...]:
        """Names of the corpora that what computes the features was taught on; models are not evaluated on these."""
        return ()

    @property
    def traits(self) -> tuple[Trait, ...]:
        """What people hear in a voice and some of the columns tell of; nothing where none of them does."""
        return ()

    @property
    @abc.abstractmethod
    def analysed_duration(self) -> float:
        """Longest stretch of voice that is read at once, in seconds."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one sound's features."""

    @property
    @abc.abstractmethod
    def groups(self) -> dict[str, NDArray[np.intp]]:
        """Columns (of the last axis) that belong together, in words for people; each stands in one group."""

    @abc.abstractmethod
    def extract(self, y: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
        """Compute the features of a sound.

        Parameters
        ----------
        y : np.ndarray [shape=(n,), dtype=float32]
            Waveform, not silent, as from ``samples``.
        sr : int
            Sampling rate of ``y``, in Hz; must be the set's.

        Returns
        -------
        np.ndarray [shape=self.shape, dtype=float32]
        """

    @abc.abstractmethod
    def picture(self, y: NDArray[np.float32], sr: int, scale: Scale) -> Picture:
        """Show what a model reads of a sound.

        Parameters
        ----------
        y : np.ndarray [shape=(n,), dtype=float32]
            Waveform, not silent, as from ``samples``.
        sr : int
            Sampling rate of ``y``, in Hz; must be the set's.
        scale : callable
            Scales features as the model does.

        Returns
        -------
        Picture
        """

    def samples(self, waveform: Waveform) -> NDArray[np.float32]:
        """Return the samples of a decoded sound that the features are computed from, shape (n,)."""
        return waveform.y

    @property
    def seed(self) -> int:
        """Seed of what the set draws at random; 0 where nothing is drawn."""
        return 0

    def seeded(self, seed: int) -> Self:
        """Return the set as a training with a seed reads it."""
        del seed
        return self

    @property
    def is_current(self) -> bool:
        """Whether this version of the package computes the set with these parameters."""
        return self == type(self)()


def get_features(name: str) -> FeatureSet:
    """Return a feature set with its usual parameters, by name."""
    found: FeatureSet = parts.load_part(parts.FEATURE_SETS[name])()
    return found


def read_features(fields: Mapping[str, Any]) -> FeatureSet:
    """Return the feature set with these fields; its name tells its kind.

    Parameters
    ----------
    fields : mapping
        As ``dataclasses.asdict`` gives them, with ``name``.

    Returns
    -------
    FeatureSet

    Raises
    ------
    TypeError
        If the fields are not those of a feature set.
    """
    place = parts.FEATURE_SETS.get(fields["name"])
    if place is None:
        raise TypeError(f"no feature set is called {fields['name']!r}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    found: FeatureSet = parts.load_part(place)(**values)
    return found
