"""From a finished training to a stored model: network, figures, predictions and card, in one step."""

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from core.config import configuration_hash
from core.corpus.base import Corpus, protocol_texts
from core.corpus.index import corpus_digest
from core.corpus.splits import other_corpora
from core.errors import ModelError
from core.labels import UNKNOWN_SPEAKER, labels_of, order_channels
from core.learning.evaluation import decide, evaluate
from core.learning.manifest import CorpusRecord, Decision, Manifest
from core.learning.recipes.base import Recipe
from core.learning.reports.cards import write_card
from core.learning.runs import TrainingResult
from core.serving.registry import Registry, StoredModel
from core.serving.takeover import SHIPPED

logger = logging.getLogger(__name__)


def publish_training(
    result: TrainingResult,
    corpus: Corpus,
    index: pd.DataFrame,
    registry: Registry,
    *,
    tried: Sequence[str] = (),
    studies: Mapping[str, pd.DataFrame] | None = None,
) -> StoredModel:
    """Store the deployed network of a training with its reports.

    Parameters
    ----------
    result : TrainingResult
        A finished training, with the protocol that trains the deployed network.
    corpus : Corpus
        What it was trained on.
    index : pandas.DataFrame
        The distinct clips it was planned for.
    registry : Registry
        Where to store it. A reference model that is there and evaluated the same clips is compared with in the card.
    tried : sequence of str
        Corpora among them that train nowhere.
    studies : mapping of str to pandas.DataFrame, optional
        Predictions of ``core.learning.studies``, by name: ``robustness``, ``ablations``.

    Returns
    -------
    StoredModel

    Raises
    ------
    TrainingError
        If the deployed network was not trained.
    ModelError
        If a model of the same configuration is stored already, or writing fails.
    """
    from core.learning.conversion import convert_fold

    predictions = result.predictions()
    manifest = _describe(result, corpus, index, decide(predictions, corpus.main_protocol))
    metrics = evaluate(predictions)
    for fold in result.folds:
        if fold.protocol in metrics:
            metrics[fold.protocol].setdefault("twin_share", fold.split.twin_share)
    studies = {name: _as_stored(table) for name, table in (studies or {}).items()}
    card = write_card(manifest, corpus, metrics, predictions, studies, _baseline(result, registry))

    def write_files(folder: Path) -> None:
        convert_fold(result.recipe, result.deployed, folder)
        predictions.to_csv(folder / "predictions.csv", index=False, float_format="%.7g")
        result.history().to_csv(folder / "history.csv", index=False, float_format="%.7g")
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=1))
        for name, table in studies.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        (folder / "card.md").write_text(card)

    return registry.publish(
        model_name(result, training_key(result.recipe, corpus, index, tried)), manifest, write_files
    )


def evaluate_again(model: StoredModel) -> dict[str, dict[str, Any]]:
    """Compute a stored model's figures from its stored predictions.

    Parameters
    ----------
    model : StoredModel
        A stored model.

    Returns
    -------
    dict
        As ``core.learning.evaluation.evaluate``; ``twin_share``, which follows from the split, is the stored one.
    """
    metrics = evaluate(model.predictions())
    for protocol, stored in model.metrics().items():
        metrics[protocol]["twin_share"] = stored["twin_share"]
    return metrics


def training_key(recipe: Recipe, corpus: Corpus, index: pd.DataFrame, tried: Sequence[str]) -> str:
    """Return a digest, in hex, of what decides the folds of a training: recipe, clips, and what each corpus is for."""
    return configuration_hash(recipe, corpus.name, sorted(tried), corpus_digest(index))


def model_name(result: TrainingResult, key: str) -> str:
    """Return the recipe's name and eight hex digits of everything that decides the model and its reports."""
    folds = [[fold.protocol, fold.seed] for fold in result.folds]
    return f"{result.recipe.name}-{configuration_hash(key, folds)[:8]}"


def _describe(result: TrainingResult, corpus: Corpus, index: pd.DataFrame, decision: Decision) -> Manifest:
    recipe = dataclasses.asdict(result.recipe)
    del recipe["features"]
    is_unknown = index["speaker"] == UNKNOWN_SPEAKER
    clips = index[(index["corpus"] == corpus.name) & ~is_unknown]
    evaluated = other_corpora(corpus, index)
    taught = index["corpus"].iloc[result.deployed.split.train].value_counts()
    features = result.recipe.features.seeded(result.deployed.seed)
    return Manifest(
        recipe=recipe,
        features=dataclasses.asdict(features),
        features_hash=configuration_hash(features),
        labels=result.deployed.task.labels,
        corpus=CorpusRecord(
            name=corpus.name,
            title=corpus.title,
            licence=corpus.licence,
            digest=corpus_digest(index[~index["corpus"].isin(evaluated)]),
            n_clips=len(clips),
            n_speakers=int(clips["speaker"].nunique()),
            channels=tuple(order_channels(clips["channel"])),
            main_protocol=corpus.main_protocol,
            protocols=protocol_texts(corpus, evaluated),
            n_feedback=int(is_unknown.sum()),
            others={name: int(taught[name]) for name in evaluated if name in taught},
        ),
        protocol=result.deployed.protocol,
        seed=result.deployed.seed,
        decision=decision,
    )


def _as_stored(table: pd.DataFrame) -> pd.DataFrame:
    """Return a study with its probabilities in four digits, so that the card tells what follows from the files."""
    labels = list(labels_of(table))
    probabilities = table[labels].map(lambda p: float(f"{p:.4g}"))
    return table.assign(**{label: probabilities[label] for label in labels})


def _baseline(result: TrainingResult, registry: Registry) -> pd.DataFrame | None:
    """Return the predictions of a stored reference model, unless the training is one itself.

    The model that ships goes first, then the newest; one that cannot be read is left out.
    """
    if result.recipe.name == "reference":
        return None
    shipped, found = Registry(SHIPPED).names_of("reference"), {}
    for name in registry.names_of("reference"):
        try:
            model = registry.load(name)
            found[name in shipped, model.manifest.created, name] = model.predictions()
        except ModelError as error:
            logger.warning("The card of the new model is not compared with %s: %s", name, error)
    return found[max(found)] if found else None
