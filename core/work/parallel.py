"""The same work for many files of a folder, in blocks over processes."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

Result = TypeVar("Result")

BLOCK: Final = 64
"""Files that a worker takes at once: what lies between two reports of progress, and what a kill can cost."""


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a folder, as a worker gets it; ``core.audio.decode.decode`` reads it."""

    name: str
    """Its path in the folder, as the caller gave it."""
    path: Path
    """Where it lies."""

    def read(self, size: int) -> bytes:
        """Return the first bytes, ``size`` at most.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        with self.path.open("rb") as file:
            return file.read(size)


def map_blocks(
    function: Callable[[File], Result], root: Path, names: Iterable[str], n_jobs: int
) -> Iterator[list[Result]]:
    """Yield the results of a function for files, block by block, in order.

    Parameters
    ----------
    function : callable
        Called with a ``File`` in a worker process; must be picklable.
    root : path
        Folder of the files.
    names : iterable of str
        Paths of the files in it; taken as workers become free, perhaps by another thread.
    n_jobs : int
        Processes; a single block is worked on in this one.

    Yields
    ------
    list
        Results of up to ``BLOCK`` files.
    """
    from joblib import Parallel, delayed

    blocks = _blocks(File(name, root / name) for name in names)
    first = list(itertools.islice(blocks, 2))
    parallel = Parallel(n_jobs=n_jobs if len(first) > 1 else 1, return_as="generator")
    work = functools.partial(_map_block, function)
    yield from parallel(delayed(work)(block) for block in itertools.chain(first, blocks))


def _blocks(files: Iterable[File]) -> Iterator[list[File]]:
    remaining = iter(files)
    while block := list(itertools.islice(remaining, BLOCK)):
        yield block


def _map_block(function: Callable[[File], Result], files: Iterable[File]) -> list[Result]:
    return [function(file) for file in files]
