"""A corpus on a plane: every clip a point, near those with similar features.

PCA keeps distances as far as two axes can; t-SNE keeps neighbours, and distances between its groups mean little.

References
----------
van der Maaten L, Hinton G (2008). Visualizing data using t-SNE. JMLR 9: 2579-2605.
"""

import dataclasses
import io
import logging
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from core.files import DAMAGED_ZIP, refuse_encrypted, write_atomically
from core.work.progress import Progress, Report, ignore

logger = logging.getLogger(__name__)

METHODS: Final = ("t-SNE", "PCA")
N_COMPONENTS: Final = 50
"""Principal components that t-SNE reads."""
MIN_CLIPS: Final = 10
MAX_CLIPS: Final = 5_000
"""Clips on a map at most; t-SNE of more takes minutes, and the points hide each other."""


@dataclasses.dataclass(frozen=True, eq=False)
class Projection:
    """Places of clips on two planes."""

    clips: NDArray[np.str_]
    """Names of the clips, shape (n,)."""
    pca: NDArray[np.float32]
    """First two principal components, shape (n, 2), in standard deviations of features."""
    tsne: NDArray[np.float32]
    """Places by t-SNE, shape (n, 2), without unit."""
    explained: NDArray[np.float32]
    """Share of the variance that each of the first two components holds, shape (2,)."""

    def table(self, clips: pd.DataFrame, method: str) -> pd.DataFrame:
        """Return the clips of the map with their places.

        Parameters
        ----------
        clips : pandas.DataFrame
            Table of clips.
        method : str
            One of ``METHODS``.

        Returns
        -------
        pandas.DataFrame
            The clips' rows with ``x`` and ``y``.
        """
        x, y = (self.pca if method == "PCA" else self.tsne).T
        places = pd.DataFrame({"clip": self.clips, "x": x, "y": y})
        return clips.merge(places, on="clip", how="inner")


def project(clips: list[str], X: NDArray[np.float32], report: Report = ignore) -> Projection:
    """Project clips on planes.

    Parameters
    ----------
    clips : list of str
        Names.
    X : np.ndarray [shape=(n, d), dtype=float32]
        Scaled features, at least ``MIN_CLIPS`` rows.
    report : callable
        Called before each step.

    Returns
    -------
    Projection
        The same for the same input: seeds are fixed.
    """
    report(Progress(0, 2, "steps", "Principal components"))
    pca = PCA(min(N_COMPONENTS, len(X) - 1, X.shape[1]), svd_solver="randomized", random_state=0)
    components = np.asarray(pca.fit_transform(X), dtype=np.float32)
    report(Progress(1, 2, "steps", f"t-SNE of {len(X):,} clips"))
    tsne = TSNE(perplexity=min(30.0, (len(X) - 1) / 3), init="pca", random_state=0, n_jobs=1)
    places = np.asarray(tsne.fit_transform(components), dtype=np.float32)
    explained = np.asarray(pca.explained_variance_ratio_[:2], dtype=np.float32)
    return Projection(np.asarray(clips), components[:, :2], places, explained)


def choose_clips(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips for a map: all, or ``MAX_CLIPS`` drawn at random, always the same ones."""
    return clips if len(clips) <= MAX_CLIPS else clips.sample(MAX_CLIPS, random_state=0).sort_index()


def save_projection(projection: Projection, path: Path) -> None:
    """Write a map, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dataclasses.asdict(projection))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def load_projection(path: Path) -> Projection | None:
    """Read a map; None where there is none that can be read. Nothing is unpickled."""
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            refuse_encrypted(stored.zip)
            projection = Projection(**{field.name: stored[field.name] for field in dataclasses.fields(Projection)})
    except (*DAMAGED_ZIP, OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("The map %s is not readable and is made anew: %s", path, error)
        return None
    n = len(projection.clips)
    return projection if projection.pca.shape == projection.tsne.shape == (n, 2) else None
