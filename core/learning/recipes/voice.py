"""The voice recipe: discriminants on voice features, solved in one step, with calibrated confidence."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.audio.features.voice import VoiceFeatures
from core.config import Augmentation
from core.learning.manifest import Manifest
from core.learning.recipes.base import Recipe, describe_sound
from core.learning.task import Task

if TYPE_CHECKING:
    import keras

    from core.learning.runs import Fold


@dataclasses.dataclass(frozen=True)
class AugmentationUse:
    """How a training uses one augmentation."""

    name: str
    """Its name in ``core.audio.augmentation.AUGMENTATIONS``."""
    share: float
    """What an augmented clip counts as a training clip; the clip itself counts 1."""
    variation: float
    """How much the difference between augmented clip and clip counts as variation within a class."""
    own_centres: bool = False
    """Whether classes have centres of their own in such sounds."""


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """How a training uses clips of other corpora: other rooms, languages and ways to act."""

    variation: float = 0.5
    """How much a clip's difference from the centre of its class counts as variation within the class."""
    shift: float = 0.5
    """Share of the way from a class's common centre to the one of its own in other corpora."""
    margin: float = 2.0
    """Factor of the caution that the other corpora ask for: the next one may ask for more."""


@dataclasses.dataclass(frozen=True)
class VoiceRecipe(Recipe):
    """Discriminants on voice features that learn from augmented clips what to ignore; solved, not iterated."""

    name: str
    """Name, and first part of its models' names."""
    summary: str
    """One sentence for people."""
    features: VoiceFeatures = dataclasses.field(default_factory=VoiceFeatures)
    """What the discriminants read; the seed of a training is also that of the kernels."""
    views: tuple[str, ...] = ("functionals", "kernels")
    """Parts of the features with a discriminant each."""
    copies: tuple[AugmentationUse, ...] = (
        AugmentationUse("coloured noise", 0.5, 0.15, own_centres=True),
        AugmentationUse("band", 0.5, 0.25, own_centres=True),
        AugmentationUse("equaliser", 0.25, 0.05),
        AugmentationUse("room", 0.25, 0.05),
        AugmentationUse("speed", 0.25, 0.15),
        AugmentationUse("cut", 0.25, 0.05),
    )
    """Augmentations of the clips that the training hears beside them."""
    own_centres_shift: float = 0.4
    """Share of the way from a class's common centre to the one of its own in a kind of sound."""
    shrinkage: float = 0.2
    """Share of the identity in the covariance."""
    n_familiar: int = 64
    """Directions of largest variation within classes; the out-of-distribution score is what lies outside them."""
    by_channel: bool = True
    """Whether speech and song have classes of their own."""
    channels: tuple[str, ...] = ()
    """Channels whose clips are trained on; all where none is named."""
    elsewhere: ClassVar["Elsewhere | None"] = None
    """What clips of other corpora do; None where they count as the corpus's own."""
    epochs: int = 1
    """Times that each training clip is seen: the solution has a closed form."""
    deployed_protocol: str = "all"
    """Protocol whose first split trains the model that is put in use: all speakers, none left to evaluate."""

    def augmentations(self, seed: int) -> tuple[Augmentation, ...]:
        """Return what a training with a seed reads besides the clips themselves."""
        return tuple(Augmentation(use.name, seed) for use in self.copies)

    @property
    def augments_others(self) -> bool:
        """Whether clips of other corpora count as the corpus's own; otherwise they are read as they are."""
        return self.elsewhere is None

    def network(self, task: Task) -> "keras.Model":
        """Build the network of ``core.learning.networks.build_voice``."""
        from core.learning.networks import build_voice

        return build_voice(self, task)

    def fit(self, X: NDArray[np.float32], index: pd.DataFrame, fold: "Fold") -> "keras.Model":
        """Solve for the discriminants, as ``core.learning.discriminant.fit_discriminant`` does."""
        from core.learning.discriminant import fit_discriminant

        return fit_discriminant(self, X if self.copies else X[:, None], index, fold)

    def variants(self) -> dict[str, "VoiceRecipe"]:
        """Return recipes with one thing missing or changed each, by what that is."""

        def augmented_by(*uses: AugmentationUse) -> VoiceRecipe:
            return dataclasses.replace(self, copies=uses)

        return {
            "functionals alone": dataclasses.replace(self, views=("functionals",)),
            "random convolutions alone": dataclasses.replace(self, views=("kernels",)),
            "no augmentation": augmented_by(),
            "no augmentation of speed": augmented_by(*(use for use in self.copies if use.name != "speed")),
            "augmented clips not counted as clips": augmented_by(
                *(AugmentationUse(use.name, share=0, variation=3 * use.variation) for use in self.copies)
            ),
            "augmentations' differences not counted": augmented_by(
                *(dataclasses.replace(use, variation=0) for use in self.copies)
            ),
            "one centre a class": augmented_by(*(dataclasses.replace(use, own_centres=False) for use in self.copies)),
            "speech and song in one class": dataclasses.replace(self, by_channel=False),
            "trained on speech alone": dataclasses.replace(self, channels=("speech",)),
        }

    def describe(self, manifest: Manifest) -> str:
        """Return what a stored model reads and how it was trained, as Markdown list items."""
        recipe, features = manifest.recipe, manifest.features
        views = " and ".join(recipe["views"])
        weights = ", ".join(f"{use['name']} {use['share']:g} and {use['variation']:g}" for use in recipe["copies"])
        own = " and ".join(use["name"] for use in recipe["copies"] if use["own_centres"])
        return f"""- Input: one vector of `{features["name"]}` features ({views}) of {describe_sound(features)}.
- Training: solved in one step; shrinkage {recipe["shrinkage"]:g}; seed {manifest.seed}. Augmented clips count as
  clips, and what they differ by as variation within a class, with these weights: {weights}. Classes have centres of
  their own in sounds with {own}. The deployed model is trained on all speakers; the figures are those of
  models of the same recipe that had not heard the evaluated clips."""


def version_shares(recipe: VoiceRecipe) -> NDArray[np.float32]:
    """Return what each version of a clip counts: the clip itself, then its augmentations."""
    return np.array([1, *(use.share for use in recipe.copies)], dtype=np.float32)


RECIPE: Final = VoiceRecipe(
    name="voice",
    # The words stand in the hash that names the shipped model.
    summary="Linear discriminants on statistics of voice descriptors and on random convolutions of the mel "
    "spectrogram. Degraded copies of the clips teach what to ignore; confidence is calibrated, and falls with "
    "strange sounds.",
)
