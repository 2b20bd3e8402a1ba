"""The same work for many files of a folder, in blocks over the processes of this machine, or those of a cluster."""

import contextlib
import contextvars
import dataclasses
import functools
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Final, TypeVar

from core.config import DecodeLimits
from core.work.cluster import Cluster, connected

Result = TypeVar("Result")

BLOCK: Final = 64
"""Files that a worker takes at once: what lies between two reports of progress, and what a kill can cost."""
SENT_BYTES: Final = 8 * 2**20
"""Bytes of files from which a block that is sent to a cluster takes no more files."""
WATCH_INTERVAL: Final = 2.0
"""Time between two looks whether the process that started this one is still there, in seconds."""
_CLUSTER: contextvars.ContextVar[Cluster | None] = contextvars.ContextVar("cluster", default=None)


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a folder, as a worker gets it; ``core.audio.decode.decode`` reads it."""

    name: str
    """Its path in the folder, as the caller gave it."""
    source: Path | bytes | OSError
    """Where it lies; what it holds, or why that is not known, once it was loaded."""

    def read(self, size: int) -> bytes:
        """Return the first bytes, ``size`` at most.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        if isinstance(self.source, OSError):
            raise self.source
        if isinstance(self.source, bytes):
            return self.source[:size]
        with self.source.open("rb") as file:
            return file.read(size)

    def loaded(self) -> "File":
        """Return it with what it holds, as far as sounds may go, for a process that cannot read it."""
        try:
            return File(self.name, self.read(DecodeLimits().max_bytes + 1))
        except OSError as error:
            return File(self.name, error)


@contextlib.contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Let the workers of a Dask cluster do what processes of this machine do otherwise.

    Parameters
    ----------
    address : str or None
        Address of the cluster's scheduler, such as ``tcp://host:8786``; None leaves the work here.

    Raises
    ------
    ClusterError
        If there is no such cluster, it has no workers, or Dask is not installed.
    """
    if address is None:
        yield
        return
    with connected(address) as cluster:
        token = _CLUSTER.set(cluster)
        try:
            yield
        finally:
            _CLUSTER.reset(token)


def current_cluster() -> Cluster | None:
    """Return the cluster that does the work; None where processes of this machine do."""
    return _CLUSTER.get()


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
        Processes of this machine; a single block is worked on in this one. A cluster has as many as it has.

    Yields
    ------
    list
        Results of up to ``BLOCK`` files.
    """
    from joblib import Parallel, delayed

    files = (File(name, root / name) for name in names)
    cluster = current_cluster()
    if cluster is not None:
        yield from cluster.map(functools.partial(_map_block, function), _loaded_blocks(files))
        return
    work = functools.partial(_map_block_of, os.getpid(), function)
    blocks = _blocks(files)
    first = list(itertools.islice(blocks, 2))
    parallel = Parallel(n_jobs=n_jobs if len(first) > 1 else 1, return_as="generator")
    with without_interrupts():
        results = parallel(delayed(work)(block) for block in itertools.chain(first, blocks))
    yield from results


@functools.cache
def end_with(parent: int) -> None:
    """End this process soon after the one that started it was killed: nobody would take what it makes.

    Parameters
    ----------
    parent : int
        Number of that process; of any other, this one included, nothing is watched. On Windows a parent's number stays.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_INTERVAL)
        os._exit(1)

    if os.getppid() == parent != os.getpid():
        threading.Thread(target=watch, name="end with the parent", daemon=True).start()


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Stand around the start of processes and threads: Ctrl-C reaches none of them, and this process when they run.

    A terminal sends it to all at once; a process that still imports would print a stack trace.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # The first process starts this one with it, which would let the signal through again (before Python 3.13).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _blocks(files: Iterable[File]) -> Iterator[list[File]]:
    remaining = iter(files)
    while block := list(itertools.islice(remaining, BLOCK)):
        yield block


def _loaded_blocks(files: Iterable[File]) -> Iterator[list[File]]:
    """Yield blocks with what the files hold: smaller ones where the files are large."""
    block: list[File] = []
    size = 0
    for file in files:
        block.append(file.loaded())
        source = block[-1].source
        size += len(source) if isinstance(source, bytes) else 0
        if len(block) == BLOCK or size >= SENT_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _map_block_of(parent: int, function: Callable[[File], Result], files: Iterable[File]) -> list[Result]:
    end_with(parent)
    return _map_block(function, files)


def _map_block(function: Callable[[File], Result], files: Iterable[File]) -> list[Result]:
    from threadpoolctl import threadpool_limits

    # A file is too little work to share, and one thread adds up in the same order on every machine.
    with threadpool_limits(1):
        return [function(file) for file in files]
