"""The map of a corpus as a model hears it: its features, scaled by its scaler, on a plane; computed once and kept."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from core.config import configuration_hash
from core.corpus.index import corpus_digest
from core.corpus.projection import MIN_CLIPS, Projection, choose_clips, load_projection, project, save_projection
from core.corpus.store import FeatureStore
from core.errors import CorpusError
from core.serving.predictor import Predictor
from core.serving.registry import StoredModel
from core.work.progress import Progress, Report, inside

VERSION: Final = 1
"""Raised whenever the computation changes."""


def map_path(model: StoredModel, clips: pd.DataFrame, data: Path) -> Path:
    """Return where a map is kept; its name depends on all that the map depends on.

    Parameters
    ----------
    model : StoredModel
        Model whose features and scaler are used.
    clips : pandas.DataFrame
        Distinct clips.
    data : path
        Data folder.

    Returns
    -------
    path
    """
    key = configuration_hash(VERSION, model.name, model.manifest.features_hash, corpus_digest(clips))
    return data / "maps" / f"{model.name}-{key[:16]}.npz"


def read_map(model: StoredModel, clips: pd.DataFrame, data: Path) -> Projection | None:
    """Return the map that is kept, or None."""
    return load_projection(map_path(model, clips, data))


def compute_map(predictor: Predictor, clips: pd.DataFrame, root: Path, data: Path, report: Report) -> Projection:
    """Compute a map and keep it; features that are not stored yet are extracted and stored.

    Parameters
    ----------
    predictor : Predictor
        Model whose features and scaler are used.
    clips : pandas.DataFrame
        Distinct clips.
    root : path
        Corpus folder.
    data : path
        Data folder.
    report : callable
        Called with how far it is; may raise to stop.

    Returns
    -------
    Projection

    Raises
    ------
    CorpusError
        If there are too few clips.
    AudioError
        If a clip cannot be decoded.
    """
    if len(clips) < MIN_CLIPS:
        raise CorpusError(f"{len(clips)} clips are too few for a map; it needs at least {MIN_CLIPS}.")
    path, chosen = map_path(predictor.model, clips, data), choose_clips(clips)
    report(Progress(0, len(chosen), "clips", "Computing features", span=(0.0, 0.7)))
    store = FeatureStore(data / "features", predictor.model.features)
    store.update(chosen, root, report=inside(report, 0.0, 0.7))
    X = predictor.scale(store.read(chosen["digest"].tolist())).reshape(len(chosen), -1)
    projection = project(chosen["clip"].tolist(), np.nan_to_num(X), inside(report, 0.7, 1.0))
    save_projection(projection, path)
    return projection
