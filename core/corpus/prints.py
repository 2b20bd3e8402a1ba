"""Fingerprints of a corpus's clips in one small file, to recognise a recording of it in milliseconds.

The bits of a frame make two words. A sound that holds a recording has many of its words, all at one shift in time; the
clips with most words in common are then compared bit by bit. That of the default corpus ships; those of others are
written when a model is trained on them.
"""

import dataclasses
import functools
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from core.audio.fingerprint import MIN_OVERLAP, N_BITS, Fingerprint
from core.config import data_folder
from core.corpus.recordings import SAME_RECORDING, fingerprint_clip
from core.files import DAMAGED_ZIP, refuse_encrypted, write_atomically
from core.work.parallel import File, map_blocks
from core.work.progress import Progress, Report, ignore

if TYPE_CHECKING:
    import pandas as pd

SHIPPED: Final = Path(__file__).parent / "known_recordings"
MIN_WORDS: Final = 3
"""Words in common, at one shift, from which two sounds are compared bit by bit."""
MAX_COMMON: Final = 500
"""Frames with a word beyond which it tells nothing."""
N_COMPARED: Final = 8
"""Clips that are compared so at most."""
MAX_BYTES: Final = 2**28
"""Largest file that is read, in bytes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Prints:
    """Fingerprints of clips."""

    clips: tuple[str, ...]
    """Names of the clips."""
    starts: NDArray[np.int64]
    """Where the words of each clip begin, and the last one's end; shape (clips + 1,)."""
    frames: NDArray[np.uint32]
    """Bits of all frames of all clips, one clip behind the other."""

    @functools.cached_property
    def _order(self) -> NDArray[np.intp]:
        # As of all words at once, whose 17 bits take NumPy fifteen times as long as 16.
        lower, upper = (np.argsort(half, kind="stable") for half in self.frames.view("<u2").reshape(-1, 2).T)
        return np.concatenate([lower, upper + len(self.frames)])

    @functools.cached_property
    def _sorted(self) -> NDArray[np.uint32]:
        return _words(self.frames)[self._order]

    def find(self, sound: Fingerprint) -> str:
        """Return the clip that a sound is a recording of, or an empty string.

        Parameters
        ----------
        sound : np.ndarray [shape=(32, n), dtype=int8]
            As from ``core.audio.fingerprint.fingerprint``.

        Returns
        -------
        str
        """
        frames = pack(sound)
        values = {
            clip: max(agreement(frames, self.frames_of(clip), shift + step) for step in (-1, 0, 1))
            for clip, shift in self._candidates(frames)
        }
        best = max(values, key=lambda clip: values[clip], default=-1)
        return self.clips[best] if best >= 0 and values[best] >= SAME_RECORDING else ""

    def frames_of(self, clip: int) -> NDArray[np.uint32]:
        """Return the bits of a clip's frames, by its position; shape (n,)."""
        return self.frames[self.starts[clip] : self.starts[clip + 1]]

    def _candidates(self, frames: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
        """Yield the clips with most words in common with a sound at one shift, and that shift, in frames."""
        words = _words(frames)
        low, high = (np.searchsorted(self._sorted, words, side) for side in ("left", "right"))
        # A word of silence stands everywhere, and tells nothing.
        telling = np.flatnonzero((high > low) & (high - low <= MAX_COMMON))
        if not len(telling):
            return
        found = np.concatenate([self._order[low[k] : high[k]] for k in telling]) % len(self.frames)
        frame = np.repeat(telling, (high - low)[telling]) % len(frames)
        clip = np.searchsorted(self.starts, found, "right") - 1
        shift = found - self.starts[clip] - frame
        keys, votes = np.unique(clip * 2**32 + shift + 2**31, return_counts=True)
        enough = np.flatnonzero(votes >= MIN_WORDS)
        best = enough[np.argsort(-votes[enough], kind="stable")]
        clips, shifts = keys[best] >> 32, (keys[best] & 0xFFFFFFFF) - 2**31
        _, first = np.unique(clips, return_index=True)
        for k in np.sort(first)[:N_COMPARED].tolist():
            yield int(clips[k]), int(shifts[k])


def agreement(one: NDArray[np.uint32], other: NDArray[np.uint32], shift: int) -> float:
    """Return how much of a sound is in another at one shift, as ``core.audio.fingerprint.similarities`` says of all.

    Parameters
    ----------
    one : np.ndarray [shape=(n,), dtype=uint32]
        Bits of a sound's frames, as from ``pack``.
    other : np.ndarray [shape=(m,), dtype=uint32]
        Those of another.
    shift : int
        Frame of the other at which the sound begins; it may be negative.

    Returns
    -------
    float
        Mean product of the bits as -1 and 1; -1 where they overlap too little.
    """
    there, here = other[max(shift, 0) :], one[max(-shift, 0) :]
    overlap = min(len(there), len(here))
    if overlap < max(MIN_OVERLAP, min(len(one), len(other)) // 2):
        return -1.0
    differing = int(np.bitwise_count(there[:overlap] ^ here[:overlap]).sum())
    return 1 - 2 * differing / (N_BITS * overlap)


def _words(frames: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the words of frames: the lower halves, then the upper ones, told apart by a bit; shape (2 n,)."""
    return np.concatenate([frames & 0xFFFF, (frames >> 16) | 0x10000])


def pack(sound: Fingerprint) -> NDArray[np.uint32]:
    """Return the bits of a fingerprint's frames, shape (n,)."""
    return np.asarray((sound > 0).T.astype(np.uint32) @ (1 << np.arange(N_BITS, dtype=np.uint32)), dtype=np.uint32)


def prints_path(corpus: str) -> Path:
    """Return where the fingerprints of a corpus are written."""
    return data_folder() / f"prints-{corpus}.npz"


def load_prints(corpus: str) -> Prints | None:
    """Return the fingerprints of a corpus; None where there are none, or their file cannot be read.

    Parameters
    ----------
    corpus : str
        Name of the corpus.

    Returns
    -------
    Prints or None
    """
    path = find_prints(corpus)
    try:
        return None if path is None else _read(path, path.stat().st_mtime_ns)
    except OSError:  # it went away since
        return None


def find_prints(corpus: str) -> Path | None:
    """Return the file of the fingerprints of a corpus, made here or shipped; None where there is none."""
    paths = (prints_path(corpus), SHIPPED / f"{corpus}.npz")
    return next((path for path in paths if path.is_file() and path.stat().st_size <= MAX_BYTES), None)


@functools.lru_cache(maxsize=4)
def _read(path: Path, stamp: int) -> Prints | None:
    del stamp
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            refuse_encrypted(file.zip)
            clips, starts, frames = file["clips"].astype(str), file["starts"].astype(np.int64), file["frames"]
        is_whole = len(starts) == len(clips) + 1 and starts[0] == 0 and starts[-1] == len(frames)
        if not is_whole or (np.diff(starts) < 0).any():
            return None
        return Prints(tuple(clips.tolist()), starts, frames.astype(np.uint32))
    except (*DAMAGED_ZIP, OSError, ValueError, KeyError, TypeError):
        return None


def write_prints(index: "pd.DataFrame", root: Path, path: Path, *, n_jobs: int = 2, report: Report = ignore) -> None:
    """Fingerprint the clips of a corpus.

    Parameters
    ----------
    index : pandas.DataFrame
        Distinct clips, with columns ``clip`` and ``path``.
    root : path
        Corpus folder.
    path : path
        File to write.
    n_jobs : int
        Processes that read the corpus.
    report : callable
        Called with the clips that are done.

    Raises
    ------
    AudioError
        If a clip cannot be decoded.
    """
    frames: list[NDArray[np.uint32]] = []
    for block in map_blocks(_frames, root, index["path"].tolist(), n_jobs):
        frames += block
        report(Progress(len(frames), len(index), "clips", "Fingerprinting the corpus"))
    save_prints(index["clip"].tolist(), frames, path)


def save_prints(clips: Sequence[str], frames: Sequence[NDArray[np.uint32]], path: Path) -> None:
    """Write fingerprints as a file that ``load_prints`` reads."""
    starts = np.concatenate([[0], np.cumsum([len(bits) for bits in frames])]).astype(np.int64)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, clips=np.array(clips), starts=starts, frames=np.concatenate(frames))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def _frames(clip: File) -> NDArray[np.uint32]:
    return pack(fingerprint_clip(clip))
