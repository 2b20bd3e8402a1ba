"""The same work for many files of a corpus, in blocks over processes (or machines, by joblib's backends)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

Result = TypeVar("Result")

BLOCK: Final = 64
"""Files that a worker takes at once: what lies between two reports of progress, and what a kill can cost."""


def map_blocks(function: Callable[[str], Result], paths: Sequence[str], n_jobs: int) -> Iterator[list[Result]]:
    """Yield the results of a function for paths, block by block, in order.

    Parameters
    ----------
    function : callable
        Called with a path in a worker process; must be picklable.
    paths : sequence of str
        What to work on.
    n_jobs : int
        Processes; a single block is worked on in this one.

    Yields
    ------
    list
        Results of up to ``BLOCK`` paths.
    """
    from joblib import Parallel, delayed

    blocks = [paths[i : i + BLOCK] for i in range(0, len(paths), BLOCK)]
    parallel = Parallel(n_jobs=n_jobs if len(blocks) > 1 else 1, return_as="generator")
    yield from parallel(delayed(_map_block)(function, block) for block in blocks)


def _map_block(function: Callable[[str], Result], paths: Sequence[str]) -> list[Result]:
    return [function(path) for path in paths]
