"""Work by the workers of a Dask cluster: processes on other machines, which share neither memory nor files with this.

What a worker needs travels with its task, and what it makes comes back as a result, so a worker that is lost loses
nothing: the scheduler gives its tasks to others.
"""

import collections
import contextlib
import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from core.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE: Final = 30.0
"""Time that a cluster may be without workers, in seconds: one whose process was lost starts another."""
AHEAD: Final = 2
"""Tasks a thread of the workers that are sent before their turn, and thus kept by the scheduler."""
LARGEST: Final = "64GiB"
"""Size of a task from which Dask warns; features of a whole corpus travel as one."""


class Cluster:
    """A cluster that tasks can be given to.

    Parameters
    ----------
    client : distributed.Client
        The connection to its scheduler.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results of a function for items, in order; items are taken as workers become free.

        Parameters
        ----------
        function : callable
            Called by a worker; must be picklable.
        items : iterable
            What it is called with; sent along.

        Yields
        ------
        object

        Raises
        ------
        ClusterError
            If the cluster is lost, or the item ends each worker that takes it.
        """
        waiting: collections.deque[Future] = collections.deque()
        try:
            for item in items:
                waiting.append(self._submit(functools.partial(function, item)))
                while len(waiting) > AHEAD * max(self._count_threads(), 1):
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            self._client.cancel(list(waiting))

    def share(
        self, function: Callable[[Any, Item], Result], shared: object, items: Sequence[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """Yield items and the results of a function for them, as they come.

        Parameters
        ----------
        function : callable
            Called by a worker with what is shared and an item; must be picklable.
        shared : object
            What all calls read; sent once, then from worker to worker.
        items : sequence
            What it is called with.

        Yields
        ------
        tuple of (object, object)

        Raises
        ------
        ClusterError
            If the cluster is lost, or an item ends each worker that takes it.
        """
        # The result of a task: unlike scattered data, it is made again where the workers that hold it are lost.
        everywhere = self._submit(functools.partial(_same, shared))
        pending = {self._submit(function, everywhere, item): item for item in items}
        try:
            while pending:
                for future in self._patiently(functools.partial(self._wait, pending)):
                    yield pending.pop(future), self._result(future)
        finally:
            self._client.cancel([*pending, everywhere])

    def _submit(self, function: Callable[..., object], *arguments: object) -> "Future":
        return self._client.submit(function, *arguments, pure=False)

    def _count_threads(self) -> int:
        try:
            return sum(self._client.nthreads().values())
        except OSError as error:
            raise ClusterError(_LOST) from error

    def _patiently(self, attempt: Callable[[float], Result]) -> Result:
        """Return what comes of waiting, which is called with a time after which it gives up, again and again.

        Raises
        ------
        ClusterError
            If there is nobody to do what is waited for.
        """
        from distributed import CancelledError

        without = 0
        while without < 2:
            try:
                return attempt(PATIENCE / 2)
            except CancelledError as error:
                raise ClusterError(_LOST) from error
            except TimeoutError:
                without = 0 if self._count_threads() else without + 1
        raise ClusterError(_NO_WORKERS)

    def _wait(self, futures: "Collection[Future]", timeout: float) -> "Collection[Future]":
        from distributed import wait

        with self._client.as_current():
            done: Collection[Future] = wait(list(futures), timeout, "FIRST_COMPLETED").done
        return done

    def _result(self, future: "Future") -> Any:
        from distributed import KilledWorker

        try:
            return self._patiently(future.result)
        except KilledWorker as error:
            raise ClusterError(
                "A task ended each worker that took it, perhaps for want of memory. Give workers more of it, or one "
                "thread each."
            ) from error
        except ModuleNotFoundError as error:
            raise ClusterError(
                f"A worker does not find {error.name!r}. Start workers in the folder of this project, with the same "
                "packages."
            ) from error


def _same(thing: object) -> object:
    return thing


_LOST: Final = "The cluster's scheduler was lost. What came back is kept: start it again, and go on."
_ADDRESS: Final = re.compile(r"([a-z]+://)?[^/]+:\d{1,5}")
_NO_WORKERS: Final = (
    "The cluster has no workers. Start some, on as many machines as there are: python -m dask worker ADDRESS"
)


@contextlib.contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Connect to a cluster.

    Parameters
    ----------
    address : str
        Its scheduler's, such as ``tcp://host:8786``.

    Yields
    ------
    Cluster

    Raises
    ------
    ClusterError
        If Dask is not installed, nobody answers at the address, or there are no workers.
    """
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise ClusterError("Work on several machines needs a package more: pip install 'dask[distributed]'.") from error
    unreachable = ClusterError(
        f"No scheduler answers at {address!r}. Start one by 'python -m dask scheduler', and use the address that it "
        "shows, such as tcp://host:8786."
    )
    if _ADDRESS.fullmatch(address) is None:
        raise unreachable
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": LARGEST}):
        try:
            client = Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise unreachable from error
        with client:
            try:
                client.wait_for_workers(1, PATIENCE)
            except TimeoutError as error:
                raise ClusterError(_NO_WORKERS) from error
            yield Cluster(client)
