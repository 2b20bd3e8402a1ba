"""Recipes: everything that decides what a training makes, besides the corpus, the protocol and the seed."""

import dataclasses
from typing import Final

from core.config import FeatureConfig
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


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="reference",
            summary="The reference project's network: two convolutions, a bidirectional LSTM and three dense layers "
            "on 62 librosa features in 130 frames.",
        ),
    )
}
"""All recipes, by name."""


def get_recipe(name: str, *, epochs: int | None = None) -> Recipe:
    """Return a recipe by name.

    Parameters
    ----------
    name : str
        One of ``RECIPES``.
    epochs : int, optional
        Another number of epochs than the recipe's.

    Returns
    -------
    Recipe

    Raises
    ------
    TrainingError
        If there is no such recipe, or the number of epochs is below 1.
    """
    if name not in RECIPES:
        raise TrainingError(f"There is no recipe {name!r}; choose from {', '.join(RECIPES)}.")
    if epochs is None:
        return RECIPES[name]
    if epochs < 1:
        raise TrainingError(f"A training needs at least one epoch, not {epochs}.")
    return dataclasses.replace(RECIPES[name], epochs=epochs)
