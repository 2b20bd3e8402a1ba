"""What a recipe is, and how one is found by its name."""

import abc
import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core import parts
from core.audio.features.base import FeatureSet
from core.config import Augmentation
from core.errors import TrainingError
from core.learning.manifest import Manifest
from core.learning.task import Task

if TYPE_CHECKING:
    import keras

    from core.learning.runs import Fold


class Recipe(abc.ABC):
    """How a model is made: a frozen dataclass, whose fields are its parameters and stand in every model.

    The hash of the fields, with the corpus and the folds, names the models.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # every subclass is a dataclass

    name: str
    """Name in ``core.parts.RECIPES``, and first part of its models' names."""
    summary: str
    """One sentence for people."""
    features: FeatureSet
    """What its models read."""
    epochs: int
    """Times that each training clip is seen; 1 where a solution is found in one step."""
    deployed_protocol: str
    """Protocol whose first split trains the model that is put in use."""

    @abc.abstractmethod
    def network(self, task: Task) -> "keras.Model":
        """Build the network as it is deployed, untrained: reads scaled features, answers with probabilities.

        Parameters
        ----------
        task : Task
            Emotions and channels.

        Returns
        -------
        keras.Model
            Output (batch, emotions).
        """

    @abc.abstractmethod
    def fit(self, X: NDArray[np.float32], index: pd.DataFrame, fold: "Fold") -> "keras.Model":
        """Train the model of a fold, and keep weights, scaler and history in the fold's folder.

        Parameters
        ----------
        X : np.ndarray [shape=(n, ...), dtype=float32]
            Features, unscaled: (n, *features.shape); with augmentations (n, 1 + augmentations, *features.shape), the
            clips themselves first.
        index : pandas.DataFrame
            The same clips.
        fold : Fold
            Rows, seed and folder.

        Returns
        -------
        keras.Model
            A network that reads scaled features; its kept weights fit ``network(fold.task)``.
        """

    @abc.abstractmethod
    def describe(self, manifest: Manifest) -> str:
        """Return what a stored model reads and how it was trained, as Markdown list items.

        Parameters
        ----------
        manifest : Manifest
            Of a model of this recipe, perhaps with other parameters.

        Returns
        -------
        str
        """

    def augmentations(self, seed: int) -> tuple[Augmentation, ...]:
        """Return what a training with a seed reads besides the clips themselves."""
        del seed
        return ()

    def clean(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the features of the clips themselves from what a training reads, shape (n, *features.shape)."""
        return X[:, 0] if self.augmentations(0) else X

    @property
    def augments_others(self) -> bool:
        """Whether a training reads the clips of other corpora augmented too."""
        return True

    @property
    def notes(self) -> str:
        """What was tried and left out, as Markdown: the file of that ending beside the recipe's module, if any."""
        path = Path(inspect.getfile(type(self))).with_suffix(".md")
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    @property
    def has_epochs(self) -> bool:
        """Whether it trains epoch by epoch, so that their number can be chosen."""
        return False

    def with_epochs(self, epochs: int) -> Self:
        """Return the recipe with another number of epochs.

        Raises
        ------
        TrainingError
            If the recipe is solved in one step.
        """
        del epochs
        raise TrainingError(f"The recipe {self.name!r} is solved in one step and has no epochs to choose.")

    def variants(self) -> Mapping[str, "Recipe"]:
        """Return recipes with one thing missing or changed each, by what that is; they read no other features."""
        return {}


def get_recipe(name: str, *, epochs: int | None = None) -> Recipe:
    """Return a recipe by name.

    Parameters
    ----------
    name : str
        One of ``core.parts.RECIPES``.
    epochs : int, optional
        Another number of epochs than the recipe's.

    Returns
    -------
    Recipe

    Raises
    ------
    TrainingError
        If there is no such recipe, the number of epochs is below 1, or the recipe has none.
    """
    if name not in parts.RECIPES:
        raise TrainingError(f"There is no recipe {name!r}; choose from {', '.join(parts.RECIPES)}.")
    recipe: Recipe = parts.load_part(parts.RECIPES[name])
    if epochs is None:
        return recipe
    if epochs < 1:
        raise TrainingError(f"A training needs at least one epoch, not {epochs}.")
    return recipe.with_epochs(epochs)


def describe_sound(features: Mapping[str, Any]) -> str:
    """Return which part of a sound features are computed from, for ``Recipe.describe``.

    >>> describe_sound({"duration": 4.0, "sr": 22050})
    'the first 4 s of a sound at 22,050 Hz'
    """
    return f"the first {features['duration']:g} s of a sound at {features['sr']:,} Hz"
