"""A training from the corpus to the stored model, for the command line and for jobs alike.

Every step goes on where it was cut off: the index and the features are kept in the data folder, the folds in a folder
of their own there, and a model that is stored already is not trained again.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.config import Augmentation, data_folder
from core.corpus.base import Corpus
from core.corpus.catalogue import Place, find_place
from core.corpus.index import distinct_clips, scan
from core.corpus.prints import load_prints, prints_path, write_prints
from core.corpus.store import FeatureStore
from core.errors import CorpusError
from core.learning.recipes.base import Recipe
from core.learning.runs import TrainingResult, measure_progress, plan_folds
from core.operations.feedback.contributions import collect_contributions
from core.operations.feedback.entries import features_folder, feedback_folder
from core.operations.spec import RUNS, TrainingSpec, check_corpora, check_studies, choose_clips, chosen_recipe
from core.serving.publishing import model_name, publish_training, training_key
from core.serving.registry import Registry, StoredModel
from core.work.progress import Progress, Report, ignore, inside

logger = logging.getLogger(__name__)

FEATURES: Final = "features"
"""Folder of the corpus's features in the data folder."""
PHASES: Final[Mapping[str, tuple[float, float]]] = {
    "index": (0.0, 0.02),
    "features": (0.02, 0.15),
    "folds": (0.15, 0.9),
    "studies": (0.9, 0.95),
    "publish": (0.95, 1.0),
}
"""Where each phase begins and ends in a training, as shares of it; folds are most of a long one."""


def retrain(
    spec: TrainingSpec, *, n_jobs: int = 2, report: Report = ignore, began: Callable[[str], None] | None = None
) -> StoredModel:
    """Train what is asked for, evaluate it and store the model; it is not put in use.

    Parameters
    ----------
    spec : TrainingSpec
        What to train.
    n_jobs : int
        Processes that read, extract, and train folds side by side.
    report : callable
        Called with how far it is, in phases of ``PHASES``.
    began : callable, optional
        Called with the name of the run's folder below ``RUNS``, before features and folds are worked on.

    Returns
    -------
    StoredModel
        The new model, or the stored one where the same training was done before.

    Raises
    ------
    SoundWebError
        If the corpus is missing, the training cannot be planned, or the model not be stored.
    """
    check_corpora(spec)
    check_studies(spec)
    place = find_place(spec.corpus)
    corpus, root = place.corpus, place.root
    recipe = chosen_recipe(spec)
    everything = distinct_clips(read_index(place, n_jobs=n_jobs, report=report))
    clips = choose_clips(spec, everything)
    sources = [_Source(clips, root, data_folder() / FEATURES)]
    sources += [
        _other(name, corpus, n_jobs, report, is_augmented=recipe.augments_others and name not in spec.tried)
        for name in (*spec.others, *spec.tried)
    ]
    if spec.feedback:
        compared = [(everything, root), *((source.clips, source.root) for source in sources[1:])]
        sources.append(_contributed(compared, corpus, n_jobs, report))
    index = pd.concat([source.clips for source in sources], ignore_index=True)
    key = training_key(recipe, corpus, index, spec.tried)
    run = data_folder() / RUNS / f"{recipe.name}-{key[:8]}"
    plan = TrainingResult(recipe, plan_folds(corpus, index, spec.all_protocols, spec.seeds, run, tried=spec.tried))
    plan.deployed  # noqa: B018 - a plan that could not be published ends here, not after hours

    registry, name = Registry(), model_name(plan, key)
    if name in registry.names():
        return registry.load(name)
    if began is not None:
        began(run.name)
    work = _Work(corpus, index, tuple(sources), run, n_jobs, report)
    result = work.train(plan)
    studies = work.study(result) if spec.studies else {}
    prints = load_prints(corpus.name)
    if prints is None or not set(everything["clip"]) <= set(prints.clips):
        write_prints(everything, root, prints_path(corpus.name), n_jobs=n_jobs, report=_phase(report, "publish"))
    _phase(report, "publish")(Progress(0, 0, "", "Storing the model"))
    return publish_training(result, corpus, index, registry, tried=spec.tried, studies=studies)


def read_index(place: Place, *, n_jobs: int = 2, report: Report = ignore) -> pd.DataFrame:
    """Return the index of a corpus, which is kept in the data folder."""
    report = _phase(report, "index")
    return scan(place.root, place.corpus, cache=place.index_path, n_jobs=n_jobs, report=report)


def _phase(report: Report, phase: str, part: int = 0, n_parts: int = 1) -> Report:
    """Return the report for a phase of a training, or for one of its parts, counted from 0."""
    return inside(inside(report, *PHASES[phase], phase=phase), part / n_parts, (part + 1) / n_parts)


def _other(name: str, corpus: Corpus, n_jobs: int, report: Report, *, is_augmented: bool) -> "_Source":
    """Return the clips of another corpus whose emotions the corpus has too.

    Raises
    ------
    CorpusError
        If there are none.
    """
    place = find_place(name)
    clips = distinct_clips(read_index(place, n_jobs=n_jobs, report=report))
    clips = clips[clips["emotion"].isin(corpus.labels)].reset_index(drop=True)
    if clips.empty:
        raise CorpusError(f"{place.corpus.title} has no emotion of {corpus.title}. Leave it out.")
    return _Source(clips, place.root, data_folder() / FEATURES, is_augmented)


def _contributed(
    compared: Sequence[tuple[pd.DataFrame, Path]], corpus: Corpus, n_jobs: int, report: Report
) -> "_Source":
    """Return what users let us keep and no corpus of the training holds.

    Raises
    ------
    CorpusError
        If none of it can be trained on.
    """
    found = collect_contributions(corpus, compared, n_jobs=n_jobs, report=_phase(report, "index"))
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
    is_augmented: bool = True
    """Whether its clips are read augmented too; otherwise they stand as they are in every version."""


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
        stores = [(seed, augmentation) for seed in pending for augmentation in (None, *plan.recipe.augmentations(seed))]
        for done, (seed, augmentation) in enumerate(stores):
            self.extract(plan.recipe, seed, augmentation, _phase(self.report, "features", done, len(stores)))

        def read(seed: int) -> NDArray[np.float32]:
            return self.read(plan.recipe, seed)

        report = _phase(self.report, "folds")
        report(measure_progress(plan.folds, plan.recipe.epochs))
        return train(plan.recipe, self.index, read, plan.folds, n_jobs=self.n_jobs, report=report)

    def study(self, result: TrainingResult) -> dict[str, pd.DataFrame]:
        """Try a training on degraded sound, with personal baselines and, where it has parts, without them."""
        from core.learning.studies import study_ablations, study_baseline, study_robustness

        recipe, seed = result.recipe, result.deployed.seed

        def read(augmentation: Augmentation) -> NDArray[np.float32]:
            return self.read_version(recipe, seed, augmentation, _phase(self.report, "studies"))

        studies = {"robustness": study_robustness(result, self.corpus, self.index, read)}
        X = self.read(recipe, seed)
        baseline = study_baseline(result, self.corpus, self.index, recipe.clean(X))
        if baseline is not None:
            studies["baseline"] = baseline
        if recipe.variants():
            folder = self.run / "ablations"
            studies["ablations"] = study_ablations(result, self.corpus, self.index, X, folder, self.n_jobs)
        return studies

    def extract(
        self, recipe: Recipe, seed: int, augmentation: Augmentation | None, report: Report
    ) -> list[FeatureStore]:
        """Return each source's store of the clips, augmented or as they are, with what was missing extracted."""
        features = recipe.features.seeded(seed)
        stores = [FeatureStore(s.features, features, augmentation if s.is_augmented else None) for s in self.sources]
        for store, source in zip(stores, self.sources, strict=True):
            store.update(source.clips, source.root, n_jobs=self.n_jobs, report=report)
        return stores

    def read_version(
        self, recipe: Recipe, seed: int, augmentation: Augmentation | None, report: Report
    ) -> NDArray[np.float32]:
        """Return the features of the clips, augmented or as they are, extracted where they were missing."""
        stores = self.extract(recipe, seed, augmentation, report)
        parts = [store.read(s.clips["digest"].tolist()) for store, s in zip(stores, self.sources, strict=True)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def read(self, recipe: Recipe, seed: int) -> NDArray[np.float32]:
        """Return what a training with a seed reads."""
        report = _phase(self.report, "features")
        versions = [
            self.read_version(recipe, seed, augmentation, report)
            for augmentation in (None, *recipe.augmentations(seed))
        ]
        return np.stack(versions, axis=1) if len(versions) > 1 else versions[0]
