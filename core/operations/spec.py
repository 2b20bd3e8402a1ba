"""What a training is asked to do, and which wishes are accepted from outside."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from core import parts
from core.corpus.splits import DEPLOYMENT, EMOBOX_FOLDS, LUNA_FOLDS, PROTOCOLS
from core.errors import JobError
from core.labels import CHANNELS
from core.learning.evaluation import STUDY_PROTOCOL
from core.learning.recipes.base import Recipe, get_recipe

RUNS: Final = "runs"
"""Folder of the trainings' folds in the data folder."""
MAX_EPOCHS: Final = 1_000
MAX_SEED: Final = 9_999
MAX_SEEDS: Final = 5
MAX_NOTES: Final = 1_000
"""Length of a job's notes, in characters."""


@dataclasses.dataclass(frozen=True)
class TrainingSpec:
    """What to train and how to evaluate it."""

    recipe: str = "reference"
    """Name of the recipe."""
    protocols: tuple[str, ...] = tuple(PROTOCOLS)
    """Protocols to evaluate by."""
    seeds: tuple[int, ...] = (0,)
    """One training of every fold a seed."""
    epochs: int | None = None
    """Another number of epochs than the recipe's."""
    channels: tuple[str, ...] = CHANNELS
    """Channels of the corpus whose clips are used."""
    studies: bool = False
    """Whether degraded sound and missing parts are tried too."""
    feedback: bool = False
    """Whether sounds that users let us keep train too; they are evaluated nowhere."""
    promote: bool = False
    """Whether the new model is put in use, unless it is worse than the one in use."""

    @property
    def all_protocols(self) -> tuple[str, ...]:
        """The protocols, and the split that trains the deployed model where the recipe has one of its own."""
        deployed = get_recipe(self.recipe).deployed_protocol
        return (*self.protocols, *([DEPLOYMENT] if deployed == DEPLOYMENT else []))

    @property
    def n_epochs(self) -> int:
        """Epochs over all folds of a whole corpus; a recipe that is solved in one step has one a fold."""
        folds = {"speaker-luna": len(LUNA_FOLDS), "speaker-emobox": len(EMOBOX_FOLDS)}
        n_seeds = len(self.seeds)
        n_folds = sum(folds.get(name, 1) * (1 if name == DEPLOYMENT else n_seeds) for name in self.all_protocols)
        return n_folds * (self.epochs or get_recipe(self.recipe).epochs)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "TrainingSpec":
        """Return what ``to_json`` wrote."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return cls(**values)


def check_spec(spec: TrainingSpec) -> None:
    """Refuse wishes that are not on the lists, whatever a form let through.

    Raises
    ------
    JobError
        If a name is unknown, a number out of its range, or the result could not be published.
    """
    if not isinstance(spec.recipe, str) or spec.recipe not in parts.RECIPES:
        raise JobError(f"There is no recipe {spec.recipe!r}; choose from {', '.join(parts.RECIPES)}.")
    recipe = get_recipe(spec.recipe)
    _check_names("protocol", spec.protocols, tuple(PROTOCOLS))
    _check_names("channel", spec.channels, CHANNELS)
    if not (
        1 <= len(spec.seeds) <= MAX_SEEDS
        and len(set(spec.seeds)) == len(spec.seeds)
        and all(type(seed) is int and 0 <= seed <= MAX_SEED for seed in spec.seeds)
    ):
        raise JobError(f"Choose 1 to {MAX_SEEDS} different seeds from 0 to {MAX_SEED:,}, not {list(spec.seeds)}.")
    if recipe.deployed_protocol not in spec.all_protocols:
        raise JobError(
            f"The recipe {spec.recipe!r} deploys the network of protocol {recipe.deployed_protocol!r}. "
            "Choose that protocol too."
        )
    if type(spec.feedback) is not bool or (spec.feedback and "speech" not in spec.channels):
        raise JobError("Sounds from feedback count as speech. Choose clips of speech too, or leave them out.")
    check_studies(spec)
    _check_epochs(spec, recipe)


def check_studies(spec: TrainingSpec) -> None:
    """Refuse studies of what is not trained, before the training and not after hours of it.

    Raises
    ------
    JobError
        If studies are asked for without the protocol or the clips that they need.
    """
    if spec.studies and not (STUDY_PROTOCOL in spec.protocols and "speech" in spec.channels):
        raise JobError(
            f"Studies are made with protocol {STUDY_PROTOCOL!r} and clips of speech. Choose both, or no studies."
        )


def chosen_recipe(spec: TrainingSpec) -> Recipe:
    """Return the recipe with the chosen number of epochs."""
    return get_recipe(spec.recipe, epochs=spec.epochs)


def _check_epochs(spec: TrainingSpec, recipe: Recipe) -> None:
    if spec.epochs is None:
        return
    if not recipe.has_epochs:
        raise JobError(f"The recipe {spec.recipe!r} is solved in one step and has no epochs to choose.")
    if type(spec.epochs) is not int or not 1 <= spec.epochs <= MAX_EPOCHS:
        raise JobError(f"Choose 1 to {MAX_EPOCHS:,} epochs, not {spec.epochs!r}.")


def _check_names(what: str, chosen: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(allowed):
        raise JobError(f"Choose at least one {what} of {', '.join(allowed)}, each once, not {list(chosen)}.")
