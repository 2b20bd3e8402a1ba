"""What a training is asked to do, and which wishes are accepted from outside."""

import dataclasses
import re
import typing
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from core import parts
from core.corpus.base import Corpus, corpus_protocol
from core.corpus.catalogue import find_corpus
from core.corpus.known import default_corpus
from core.corpus.splits import DEPLOYMENT, N_FOLDS, protocols_of, split_clips
from core.errors import CorpusError, JobError
from core.learning.recipes.base import Recipe, get_recipe
from core.values import check_kind

DEFAULT_CORPUS: Final = default_corpus().name
JOBS: Final = "jobs"
"""Folder of the logs, below that for data; a folder a job."""
RUNS: Final = "runs"
"""Folder of the trainings' folds in the data folder."""
MAX_EPOCHS: Final = 1_000
MAX_SEED: Final = 9_999
MAX_SEEDS: Final = 5
PLAIN_NAME: Final = re.compile(r"\w[\w.+-]{0,60}")
"""Names of recipes, corpora and protocols that come from anywhere: no mark of Markdown but what stands in words."""
MAX_NOTES: Final = 1_000
"""Length of a job's notes, in characters."""


@dataclasses.dataclass(frozen=True)
class TrainingSpec:
    """What to train and how to evaluate it."""

    recipe: str = "reference"
    """Name of the recipe."""
    corpus: str = DEFAULT_CORPUS
    """Name of the corpus."""
    others: tuple[str, ...] = ()
    """Other corpora that train too."""
    tried: tuple[str, ...] = ()
    """Other corpora that only evaluate."""
    protocols: tuple[str, ...] = ()
    """Protocols to evaluate by; all of the corpus where none is named."""
    seeds: tuple[int, ...] = (0,)
    """One training of every fold a seed."""
    epochs: int | None = None
    """Another number of epochs than the recipe's."""
    channels: tuple[str, ...] = ()
    """Channels of the corpus whose clips are used; all where none is named."""
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
        protocols = self.protocols or tuple(protocols_of(find_corpus(self.corpus)))
        return (*protocols, *([DEPLOYMENT] if deployed == DEPLOYMENT else []))

    @property
    def folds_of(self) -> tuple[str, ...]:
        """All that folds are trained for: the protocols, and each other corpus, which is evaluated too."""
        return (*self.all_protocols, *map(corpus_protocol, (*self.others, *self.tried)))

    @property
    def n_epochs(self) -> int:
        """Epochs over all folds of a whole corpus; a recipe that is solved in one step has one a fold."""
        corpus = find_corpus(self.corpus)
        folds = {name: len(folds) for name, folds in corpus.folds.items()} or {corpus.main_protocol: N_FOLDS}
        n_seeds = len(self.seeds)
        n_folds = sum(folds.get(name, 1) * (1 if name == DEPLOYMENT else n_seeds) for name in self.folds_of)
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


def check_form(spec: TrainingSpec) -> None:
    """Refuse wishes that no installation could have taken, whichever recipes and corpora it has.

    Raises
    ------
    JobError
        If a value is of another kind, a name could be none, or a number is out of its range.
    """
    try:
        for field, kind in typing.get_type_hints(TrainingSpec).items():
            check_kind(field, getattr(spec, field), kind)
    except TypeError as error:
        raise JobError(f"What was asked for cannot be read: {error}.") from error
    for name in (spec.recipe, spec.corpus, *spec.others, *spec.tried, *spec.protocols):
        if PLAIN_NAME.fullmatch(name) is None:
            raise JobError(f"{name!r:.60} is no name of a recipe, corpus or protocol.")
    if len(set(spec.channels)) != len(spec.channels) or not all(spec.channels):
        raise JobError(f"Name channels of the corpus, each once, not {list(spec.channels)}.")
    if not (
        1 <= len(spec.seeds) <= MAX_SEEDS
        and len(set(spec.seeds)) == len(spec.seeds)
        and all(0 <= seed <= MAX_SEED for seed in spec.seeds)
    ):
        raise JobError(f"Choose 1 to {MAX_SEEDS} different seeds from 0 to {MAX_SEED:,}, not {list(spec.seeds)}.")
    if spec.epochs is not None and not 1 <= spec.epochs <= MAX_EPOCHS:
        raise JobError(f"Choose 1 to {MAX_EPOCHS:,} epochs, not {spec.epochs!r}.")


def check_spec(spec: TrainingSpec) -> None:
    """Refuse wishes that are not on the lists, whatever a form let through.

    Raises
    ------
    JobError
        If a name is unknown, a number out of its range, or the result could not be published.
    """
    check_form(spec)
    if spec.recipe not in parts.RECIPES:
        raise JobError(f"There is no recipe {spec.recipe!r}; choose from {', '.join(parts.RECIPES)}.")
    recipe = get_recipe(spec.recipe)
    corpus = _known_corpus(spec.corpus)
    check_corpora(spec)
    if spec.protocols:
        _check_names("protocol", spec.protocols, tuple(protocols_of(corpus)))
    if recipe.deployed_protocol not in spec.all_protocols:
        raise JobError(
            f"The recipe {spec.recipe!r} deploys the network of protocol {recipe.deployed_protocol!r}. "
            "Choose that protocol too."
        )
    if spec.feedback and not _has_speech(spec):
        raise JobError("Sounds from feedback count as speech. Choose clips of speech too, or leave them out.")
    check_studies(spec)
    if spec.epochs is not None and not recipe.has_epochs:
        raise JobError(f"The recipe {spec.recipe!r} is solved in one step and has no epochs to choose.")


def check_studies(spec: TrainingSpec) -> None:
    """Refuse studies of what is not trained, before the training and not after hours of it.

    Raises
    ------
    JobError
        If studies are asked for without the protocol or the clips that they need.
    """
    main_protocol = _known_corpus(spec.corpus).main_protocol
    if spec.studies and not (main_protocol in spec.all_protocols and _has_speech(spec)):
        raise JobError(
            f"Studies are made with protocol {main_protocol!r} and clips of speech. Choose both, or no studies."
        )


def choose_clips(spec: TrainingSpec, clips: pd.DataFrame) -> pd.DataFrame:
    """Return those clips of a corpus that are trained on and evaluated.

    Parameters
    ----------
    spec : TrainingSpec
        What to train.
    clips : pandas.DataFrame
        Distinct clips of its corpus.

    Returns
    -------
    pandas.DataFrame
        Those of the chosen channels, their rows numbered from 0.

    Raises
    ------
    CorpusError
        If there is none.
    """
    chosen = clips[clips["channel"].isin(spec.channels) | (not spec.channels)].reset_index(drop=True)
    if chosen.empty:
        raise CorpusError(f"The corpus holds no clip of {' and '.join(spec.channels)}. Choose another channel.")
    return chosen


def check_clips(spec: TrainingSpec, clips: pd.DataFrame) -> None:
    """Refuse protocols by which the clips that are there cannot be split, before anything is trained.

    Parameters
    ----------
    spec : TrainingSpec
        What to train; its names are known.
    clips : pandas.DataFrame
        Distinct clips of its corpus.

    Raises
    ------
    CorpusError
        If there are too few clips or speakers.
    """
    corpus, chosen = find_corpus(spec.corpus), choose_clips(spec, clips)
    for protocol in spec.all_protocols:
        try:
            split_clips(corpus, protocol, chosen, spec.seeds[0])  # another seed splits as many
        except CorpusError as error:
            raise CorpusError(
                f"{error} Leave out the protocol {protocol!r}, or use a corpus of more clips and speakers."
            ) from error


def check_corpora(spec: TrainingSpec) -> None:
    """Refuse corpora whose clips would be evaluated after they were heard.

    Raises
    ------
    JobError
        If a corpus is unknown, named twice, or one that the features were taught on.
    """
    names = (spec.corpus, *spec.others, *spec.tried)
    for name in names:
        _known_corpus(name)
    if len(set(names)) != len(names):
        raise JobError(f"Name each corpus once, not {', '.join(names)}.")
    heard = set(names) & set(get_recipe(spec.recipe).features.taught_on)
    if heard:
        raise JobError(f"The encoder of the recipe {spec.recipe!r} was taught on {', '.join(sorted(heard))}.")


def _has_speech(spec: TrainingSpec) -> bool:
    return not spec.channels or "speech" in spec.channels


def _known_corpus(name: object) -> Corpus:
    """Return a corpus by name, or say which there are."""
    try:
        return find_corpus(str(name))
    except CorpusError as error:
        raise JobError(str(error)) from error


def chosen_recipe(spec: TrainingSpec) -> Recipe:
    """Return the recipe with the chosen number of epochs."""
    return get_recipe(spec.recipe, epochs=spec.epochs)


def _check_names(what: str, chosen: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(allowed):
        raise JobError(f"Choose at least one {what} of {', '.join(allowed)}, each once, not {list(chosen)}.")
