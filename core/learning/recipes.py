"""Recipes: everything that decides what a training makes, besides the corpus, the protocol and the seed."""

import dataclasses
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.config import Copy, FeatureConfig, VoiceConfig
from core.errors import TrainingError


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A network, its features and how it is trained."""

    name: str
    """Name, and first part of its models' names."""
    summary: str
    """One sentence for people."""
    features: FeatureConfig = dataclasses.field(default_factory=FeatureConfig)
    """What the network reads."""
    epochs: int = 200
    """Times that each training clip is seen."""
    batch_size: int = 32
    """Clips a step."""
    learning_rate: float = 0.001
    """Step size of Adam; Keras' default."""
    dropout: float = 0.2
    """Share of activations that dropout sets to 0."""
    l2: float = 0.001
    """Weight of the squared norm of the dense kernels in the loss."""
    deployed_protocol: str = "reference"
    """Protocol whose first split trains the network that is put in use."""


@dataclasses.dataclass(frozen=True)
class CopyUse:
    """How a training uses one kind of degraded copies."""

    name: str
    """The degradation; a name in ``core.audio.degrade.DEGRADATIONS``."""
    share: float
    """What a copy counts as a training clip; the clip itself counts 1."""
    variation: float
    """How much the difference between copy and clip counts as variation within a class."""
    own_centres: bool = False
    """Whether classes have centres of their own in such sounds."""


@dataclasses.dataclass(frozen=True)
class VoiceRecipe:
    """Discriminants on voice features that learn from degraded copies what to ignore; solved, not iterated."""

    name: str
    """Name, and first part of its models' names."""
    summary: str
    """One sentence for people."""
    features: VoiceConfig = dataclasses.field(default_factory=VoiceConfig)
    """What the discriminants read; the seed of a training is also that of the kernels."""
    views: tuple[str, ...] = ("functionals", "kernels")
    """Parts of the features with a discriminant each."""
    copies: tuple[CopyUse, ...] = (
        CopyUse("coloured noise", 0.5, 0.15, own_centres=True),
        CopyUse("band", 0.5, 0.25, own_centres=True),
        CopyUse("equaliser", 0.25, 0.05),
        CopyUse("room", 0.25, 0.05),
        CopyUse("speed", 0.25, 0.15),
        CopyUse("cut", 0.25, 0.05),
    )
    """Degraded copies of the clips that the training hears beside them."""
    own_centres_shift: float = 0.4
    """Share of the way from a class's common centre to the one of its own in a kind of sound."""
    shrinkage: float = 0.2
    """Share of the identity in the covariance."""
    n_familiar: int = 64
    """Directions of largest variation within classes; what of a sound lies outside them makes it strange."""
    by_channel: bool = True
    """Whether speech and song have classes of their own."""
    channels: tuple[str, ...] = ()
    """Channels whose clips are trained on; all where none is named."""
    epochs: int = 1
    """Times that each training clip is seen: the solution has a closed form."""
    deployed_protocol: str = "all"
    """Protocol whose first split trains the model that is put in use: all actors, none left to judge."""


AnyRecipe: TypeAlias = Recipe | VoiceRecipe


def seeded_features(recipe: AnyRecipe, seed: int) -> FeatureConfig | VoiceConfig:
    """Return the features of a recipe's training with a seed."""
    if isinstance(recipe, VoiceRecipe):
        return dataclasses.replace(recipe.features, kernel_seed=seed)
    return recipe.features


def required_copies(recipe: AnyRecipe, seed: int) -> tuple[Copy | None, ...]:
    """Return which versions of the clips a training reads: the clips (None), then their copies."""
    if isinstance(recipe, VoiceRecipe):
        return (None, *(Copy(copy.name, seed) for copy in recipe.copies))
    return (None,)


def clean_features(recipe: AnyRecipe, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the features of the clips themselves from what a training reads."""
    return X[:, 0] if isinstance(recipe, VoiceRecipe) else X


RECIPES: Final[dict[str, AnyRecipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="reference",
            summary="The reference project's network: two convolutions, a bidirectional LSTM and three dense layers "
            "on 62 librosa features in 130 frames.",
        ),
        VoiceRecipe(
            name="voice",
            summary="Linear discriminants on statistics of voice descriptors and on random convolutions of the mel "
            "spectrogram. Degraded copies of the clips teach what to ignore; confidence is calibrated, and falls with "
            "strange sounds.",
        ),
    )
}
"""All recipes, by name."""


def get_recipe(name: str, *, epochs: int | None = None) -> AnyRecipe:
    """Return a recipe by name.

    Parameters
    ----------
    name : str
        One of ``RECIPES``.
    epochs : int, optional
        Another number of epochs than the recipe's.

    Returns
    -------
    Recipe or VoiceRecipe

    Raises
    ------
    TrainingError
        If there is no such recipe, the number of epochs is below 1, or the recipe has none.
    """
    if name not in RECIPES:
        raise TrainingError(f"There is no recipe {name!r}; choose from {', '.join(RECIPES)}.")
    if epochs is None:
        return RECIPES[name]
    if epochs < 1:
        raise TrainingError(f"A training needs at least one epoch, not {epochs}.")
    recipe = RECIPES[name]
    if isinstance(recipe, VoiceRecipe):
        raise TrainingError(f"The recipe {name!r} is solved in one step and has no epochs to choose.")
    return dataclasses.replace(recipe, epochs=epochs)
