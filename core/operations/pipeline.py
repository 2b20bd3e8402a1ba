"""A training from the corpus to the stored model, for the command line and for jobs alike.

Every step goes on where it was cut off: the index and the features are kept in the data folder, the folds in a folder
of their own there, and a model that is stored already is not trained again.
"""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.config import Copy, configuration_hash, data_folder
from core.corpus.base import Corpus
from core.corpus.catalogue import Place, find_place
from core.corpus.index import corpus_digest, distinct_clips, scan
from core.corpus.store import FeatureStore
from core.errors import CorpusError
from core.learning.recipes import AnyRecipe, VoiceRecipe, clean_features, required_copies, seeded_features
from core.learning.runs import TrainingProgress, TrainingResult, measure_progress, plan_folds
from core.operations.feedback.contributions import collect_contributions
from core.operations.feedback.entries import features_folder, feedback_folder
from core.operations.spec import RUNS, TrainingSpec, check_studies, chosen_recipe
from core.serving.publishing import model_name, publish_training
from core.serving.registry import Registry, StoredModel

logger = logging.getLogger(__name__)

FEATURES: Final = "features"
"""Folder of the corpus's features in the data folder."""
PHASES: Final = ("index", "features", "folds", "studies", "publish")


@dataclasses.dataclass(frozen=True)
class Step:
    """How far a phase of a training is."""

    phase: str
    """One of ``PHASES``."""
    done: int
    """Files, clips or epochs done in this part of the phase."""
    total: int
    """All of them."""
    part: str = ""
    """What the part is about: the kind of degraded copies."""
    parts_done: int = 0
    """Parts of the phase that are done."""
    n_parts: int = 1
    """Parts of the phase."""
    training: TrainingProgress | None = None
    """Folds and epochs, while folds are trained."""
    run: str = ""
    """Name of the run's folder below ``RUNS``, once it is known."""

    @property
    def fraction(self) -> float:
        """Share of the phase that is done."""
        within = self.done / self.total if self.total else 1.0
        return min((self.parts_done + within) / self.n_parts, 1.0)


Report: TypeAlias = Callable[[Step], None]
"""Called with a ``Step`` whenever something has been done."""


def ignore(step: Step) -> None:
    """Report to nobody."""
    del step


def retrain(spec: TrainingSpec, *, n_jobs: int = 2, report: Report = ignore) -> StoredModel:
    """Train what is asked for, evaluate it and store the model; it is not put in use.

    Parameters
    ----------
    spec : TrainingSpec
        What to train.
    n_jobs : int
        Processes that read, extract, and train folds side by side.
    report : callable
        Called with each ``Step``.

    Returns
    -------
    StoredModel
        The new model, or the stored one where the same training was done before.

    Raises
    ------
    SoundWebError
        If the corpus is missing, the training cannot be planned, or the model not be stored.
    """
    check_studies(spec)
    place = find_place(spec.corpus)
    corpus, root = place.corpus, place.root
    recipe = chosen_recipe(spec)
    everything = distinct_clips(read_index(place, n_jobs=n_jobs, report=report))
    is_wanted = everything["channel"].isin(spec.channels) | (not spec.channels)
    clips = everything[is_wanted].reset_index(drop=True)
    if clips.empty:
        raise CorpusError(f"The corpus holds no clip of {' and '.join(spec.channels)}. Choose another channel.")
    sources = [_Source(clips, root, data_folder() / FEATURES)]
    if spec.feedback:
        sources.append(_contributed(everything, corpus, root, n_jobs, report))
    index = pd.concat([source.clips for source in sources], ignore_index=True)
    run = data_folder() / RUNS / f"{recipe.name}-{configuration_hash(recipe, corpus_digest(index))[:8]}"
    plan = TrainingResult(recipe, plan_folds(corpus, index, spec.all_protocols, spec.seeds, run))
    plan.deployed  # noqa: B018 - a plan that could not be published ends here, not after hours

    registry, name = Registry(), model_name(plan, index)
    if name in registry.names():
        return registry.load(name)
    work = _Work(corpus, index, tuple(sources), run, n_jobs, report)
    result = work.train(plan)
    studies = work.study(result) if spec.studies else {}
    report(Step("publish", 0, 1, run=run.name))
    return publish_training(result, corpus, index, registry, studies=studies)


def read_index(place: Place, *, n_jobs: int = 2, report: Report = ignore) -> pd.DataFrame:
    """Return the index of a corpus, which is kept in the data folder."""

    def show(done: int, total: int) -> None:
        report(Step("index", done, total))

    return scan(place.root, place.corpus, cache=place.index_path, n_jobs=n_jobs, progress=show)


def _contributed(clips: pd.DataFrame, corpus: Corpus, root: Path, n_jobs: int, report: Report) -> "_Source":
    """Return what users let us keep.

    Raises
    ------
    CorpusError
        If none of it can be trained on.
    """

    def show(done: int, total: int) -> None:
        report(Step("index", done, total, part="compared with feedback"))

    found = collect_contributions(clips, corpus, root, n_jobs=n_jobs, progress=show)
    logger.info("%s", found)
    if found.clips.empty:
        raise CorpusError(f"There is nothing to add; {found}. Train without feedback.")
    return _Source(found.clips, feedback_folder(), features_folder())


@dataclasses.dataclass(frozen=True, eq=False)
class _Source:
    """Clips of one origin, whose features have a place of their own."""

    clips: pd.DataFrame
    root: Path
    features: Path


@dataclasses.dataclass(frozen=True, eq=False)
class _Work:
    """What the steps of a training share."""

    corpus: Corpus
    index: pd.DataFrame
    sources: tuple[_Source, ...]
    run: Path
    n_jobs: int
    report: Report

    def train(self, plan: TrainingResult) -> TrainingResult:
        """Extract what the unfinished folds read, then train them."""
        from core.learning.training import train

        pending = dict.fromkeys(fold.seed for fold in plan.folds if not fold.is_done)
        stores = [(seed, copy) for seed in pending for copy in required_copies(plan.recipe, seed)]
        for done, (seed, copy) in enumerate(stores):
            self.extract(plan.recipe, seed, copy, Step("features", 0, 1, parts_done=done, n_parts=len(stores)))

        def read(seed: int) -> NDArray[np.float32]:
            return self.read(plan.recipe, seed)

        def show(progress: TrainingProgress) -> None:
            epochs = progress.epochs_done, progress.n_epochs
            self.report(Step("folds", *epochs, training=progress, run=self.run.name))

        show(measure_progress(plan.folds, plan.recipe.epochs))
        return train(plan.recipe, self.index, read, plan.folds, n_jobs=self.n_jobs, progress=show)

    def study(self, result: TrainingResult) -> dict[str, pd.DataFrame]:
        """Try a training on degraded sound, with personal baselines and, where it has parts, without them."""
        from core.learning.studies import study_ablations, study_baseline, study_robustness

        recipe, seed = result.recipe, result.deployed.seed

        def read(copy: Copy) -> NDArray[np.float32]:
            return self.read_version(recipe, seed, copy, Step("studies", 0, 1))

        studies = {"robustness": study_robustness(result, self.corpus, self.index, read)}
        X = self.read(recipe, seed)
        baseline = study_baseline(result, self.corpus, self.index, clean_features(recipe, X))
        if baseline is not None:
            studies["baseline"] = baseline
        if isinstance(recipe, VoiceRecipe):
            studies["ablations"] = study_ablations(
                result, self.corpus, self.index, X, self.run / "ablations", self.n_jobs
            )
        return studies

    def extract(self, recipe: AnyRecipe, seed: int, copy: Copy | None, step: Step) -> list[FeatureStore]:
        """Return each source's store of the clips or of their copies, with what was missing extracted."""
        part = copy.name if copy is not None else ""

        def show(done: int, total: int) -> None:
            self.report(dataclasses.replace(step, done=done, total=total, part=part, run=self.run.name))

        config = seeded_features(recipe, seed)
        stores = [FeatureStore(source.features, config, copy) for source in self.sources]
        for store, source in zip(stores, self.sources, strict=True):
            store.update(source.clips, source.root, n_jobs=self.n_jobs, progress=show)
        return stores

    def read_version(self, recipe: AnyRecipe, seed: int, copy: Copy | None, step: Step) -> NDArray[np.float32]:
        """Return the features of the clips or of their copies, extracted where they were missing."""
        stores = self.extract(recipe, seed, copy, step)
        parts = [store.read(s.clips["digest"].tolist()) for store, s in zip(stores, self.sources, strict=True)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def read(self, recipe: AnyRecipe, seed: int) -> NDArray[np.float32]:
        """Return what a training with a seed reads."""
        step = Step("features", 0, 1)
        versions = [self.read_version(recipe, seed, copy, step) for copy in required_copies(recipe, seed)]
        return np.stack(versions, axis=1) if len(versions) > 1 else versions[0]
