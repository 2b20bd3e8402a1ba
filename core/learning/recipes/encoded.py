"""The encoded recipe: the voice recipe with frozen encoders as further views, and other corpora to be cautious by."""

import dataclasses
from typing import Final

from core.audio.features.encoded import EncodedFeatures
from core.learning.manifest import Manifest
from core.learning.recipes.voice import AugmentationUse, Elsewhere, VoiceRecipe


@dataclasses.dataclass(frozen=True)
class EncodedRecipe(VoiceRecipe):
    """Discriminants on voice features and on what encoders say; other corpora teach what differs between them."""

    features: EncodedFeatures = dataclasses.field(default_factory=EncodedFeatures)
    """What the discriminants read."""
    views: tuple[str, ...] = ("functionals", "kernels", "map_1", "map_2", "map_3", "map_4")
    """Parts of the features with a discriminant each."""
    copies: tuple[AugmentationUse, ...] = (
        AugmentationUse("coloured noise", 0.5, 0.15, own_centres=True),
        AugmentationUse("band", 0.5, 0.25, own_centres=True),
        AugmentationUse("equaliser", 0.5, 0.25, own_centres=True),
        AugmentationUse("room", 0.25, 0.05),
        AugmentationUse("size", 0.5, 0.15),
        AugmentationUse("cut", 0.25, 0.05),
    )
    """Augmentations of the clips that the training hears beside them."""
    own_centres_shift: float = 0.6
    """Share of the way from a class's common centre to the one of its own in a kind of sound."""
    shrinkage: float = 0.1
    """Share of the identity in the covariance."""
    elsewhere: Elsewhere | None = dataclasses.field(default_factory=Elsewhere)  # type: ignore[misc]
    """What clips of other corpora do."""

    def variants(self) -> dict[str, VoiceRecipe]:
        """Return recipes with one thing missing or changed each, by what that is."""
        maps = tuple(view for view in self.views if view.startswith("map_"))
        return {
            "encoders alone": dataclasses.replace(self, views=maps),
            "last map alone": dataclasses.replace(self, views=maps[-1:]),
        }

    def describe(self, manifest: Manifest) -> str:
        """Return what a stored model reads and how it was trained, as Markdown list items."""
        encoders = ", ".join(f"`{encoder}`" for encoder in manifest.features["encoders"])
        return f"""{super().describe(manifest)}
- Encoders, frozen: {encoders}; their cards stand in `artifacts/encoders`."""


RECIPE: Final = EncodedRecipe(
    name="encoded",
    summary="Linear discriminants on statistics of voice descriptors, on random convolutions and on an encoder that "
    "learned to tell bursts of voice apart. Degraded clips and other corpora teach what to ignore and when to doubt.",
)
