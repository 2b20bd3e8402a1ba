"""The reference recipe: the reference project's network, trained epoch by epoch."""

import dataclasses
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.audio.features.reference import ReferenceFeatures
from core.learning.manifest import Manifest
from core.learning.recipes.base import Recipe, describe_sound
from core.learning.task import Task

if TYPE_CHECKING:
    import keras

    from core.learning.runs import Fold


@dataclasses.dataclass(frozen=True)
class ReferenceRecipe(Recipe):
    """A network, its features and how it is trained."""

    name: str
    """Name, and first part of its models' names."""
    summary: str
    """One sentence for people."""
    features: ReferenceFeatures = dataclasses.field(default_factory=ReferenceFeatures)
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

    @property
    def has_epochs(self) -> bool:
        """Whether it trains epoch by epoch: it does."""
        return True

    def with_epochs(self, epochs: int) -> Self:
        """Return the recipe with another number of epochs."""
        return dataclasses.replace(self, epochs=epochs)

    def network(self, task: Task) -> "keras.Model":
        """Build the network of ``core.learning.networks.build_reference``."""
        from core.learning.networks import build_reference

        return build_reference(self, self.features.shape[-1], len(task.labels))

    def fit(self, X: NDArray[np.float32], index: pd.DataFrame, fold: "Fold") -> "keras.Model":
        """Train epoch by epoch, as ``core.learning.epochs.fit_network`` does."""
        from core.learning.epochs import fit_network

        return fit_network(self, X, index, fold)

    def describe(self, manifest: Manifest) -> str:
        """Return what a stored model reads and how it was trained, as Markdown list items."""
        recipe, features = manifest.recipe, manifest.features
        sound = describe_sound(features)
        return f"""- Input: {features["n_frames"]} frames of `{features["name"]}` features of {sound}.
- Training: {recipe["epochs"]} epochs, batches of {recipe["batch_size"]}, seed {manifest.seed}; the deployed network
  is the one of protocol `{manifest.protocol}`."""


RECIPE: Final = ReferenceRecipe(
    name="reference",
    summary="The reference project's network: two convolutions, a bidirectional LSTM and three dense layers on 62 "
    "librosa features in 130 frames.",
)
