"""Feature store: a growing binary file of arrays, memory-mapped, keyed by content and feature configuration.

A store is a folder ``<feature name>-<8 hex of the configuration>`` with ``features.f32`` (raw float32 arrays, one
after another) and ``digests.txt`` (a line a matrix). A block is appended to the first, then to the second; whatever
the second does not name is overwritten, so that a killed run loses at most one block.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray

from core.audio.decode import decode
from core.audio.extraction import extract_clip
from core.audio.features.base import FeatureSet
from core.config import Augmentation, configuration_hash
from core.errors import AudioError, CorpusError
from core.settings import PROGRAM
from core.work.parallel import File, map_blocks
from core.work.progress import Progress, Report, ignore

_DIGEST_LINE = 65
"""Bytes of a line of ``digests.txt``: 64 hex digits and a line feed."""


class FeatureStore:
    """Features of a corpus on disk.

    Parameters
    ----------
    folder : path
        Where stores lie.
    features : FeatureSet
        What is extracted; other parameters have other stores.
    augmentation : Augmentation, optional
        Features of the augmented clips instead of the clips.
    """

    def __init__(self, folder: Path, features: FeatureSet, augmentation: Augmentation | None = None) -> None:
        self.features, self.augmentation = features, augmentation
        key = configuration_hash(features) if augmentation is None else configuration_hash(features, augmentation)
        self.folder = folder / f"{features.name}-{key[:8]}"
        self.shape = features.shape

    def update(self, index: pd.DataFrame, root: Path, *, n_jobs: int = 2, report: Report = ignore) -> None:
        """Extract what is not stored yet.

        Parameters
        ----------
        index : pandas.DataFrame
            Clips, with columns ``path`` and ``digest``.
        root : path
            Corpus folder.
        n_jobs : int
            Processes that extract.
        report : callable
            Called with the clips whose features are stored.

        Raises
        ------
        AudioError
            If a clip cannot be decoded.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "lock"):
            self._extract_missing(index, root, n_jobs, report)

    def _extract_missing(self, index: pd.DataFrame, root: Path, n_jobs: int, report: Report) -> None:
        """Extract and append, in a folder that no other process touches."""
        stored = self._digests()
        missing = index[~index["digest"].isin(set(stored))].drop_duplicates("digest")
        paths, digests = missing["path"].tolist(), missing["digest"].tolist()
        done, part = 0, self.augmentation.name if self.augmentation is not None else ""
        for block in map_blocks(functools.partial(_extract, self.features, self.augmentation), root, paths, n_jobs):
            self._append(np.stack(block), digests[done : done + len(block)])
            done += len(block)
            report(Progress(len(index) - len(missing) + done, len(index), "clips", "Computing features", part))

    def read(self, digests: Sequence[str]) -> NDArray[np.float32]:
        """Return the features of clips.

        Parameters
        ----------
        digests : sequence of str
            Content digests, as in the index.

        Returns
        -------
        np.ndarray [shape=(n, *features.shape), dtype=float32]

        Raises
        ------
        CorpusError
            If a clip is not in the store.
        """
        row_of = {digest: row for row, digest in enumerate(self._digests())}
        missing = [digest for digest in digests if digest not in row_of]
        if missing:
            raise CorpusError(f"{len(missing)} clips are not in the feature store. Run '{PROGRAM} index' first.")
        stored = np.memmap(self.folder / "features.f32", np.float32, "r", shape=(len(row_of), *self.shape))
        return np.asarray(stored[[row_of[digest] for digest in digests]])

    def _digests(self) -> list[str]:
        """Return the digests of complete matrices, in the order of the data file."""
        path = self.folder / "digests.txt"
        if not path.is_file():
            return []
        text = path.read_bytes()
        return text[: len(text) // _DIGEST_LINE * _DIGEST_LINE].decode().split()

    def _append(self, X: NDArray[np.float32], digests: list[str]) -> None:
        """Write a block behind the last complete matrix, then name it."""
        n_stored = len(self._digests())
        for name, position, block in (
            ("features.f32", n_stored * X[0].nbytes, X.tobytes()),
            ("digests.txt", n_stored * _DIGEST_LINE, "".join(f"{digest}\n" for digest in digests).encode()),
        ):
            path = self.folder / name
            path.touch()
            with path.open("r+b") as file:
                file.seek(position)
                file.write(block)
                file.truncate()


def _extract(features: FeatureSet, augmentation: Augmentation | None, clip: File) -> NDArray[np.float32]:
    """Return the features of one clip, augmented or as it is."""
    try:
        waveform = decode(clip)
    except AudioError as error:
        raise AudioError(f"{clip.name}: {error}") from error
    return extract_clip(waveform, features, augmentation, Path(clip.name).stem)
