"""Threads of their own for what may wait: who waits there keeps nobody waiting elsewhere."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from core.errors import BusyError

Result = TypeVar("Result")


class Places:
    """Runs functions of one kind in threads that no other kind needs; for one event loop.

    Parameters
    ----------
    threads : int
        Functions that run at once.
    most_waiting : int
        Functions that may wait for a thread.
    """

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._free = threads + most_waiting

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function in a thread, and return its result.

        Raises
        ------
        BusyError
            If too many wait already.
        """
        if not self._free:
            raise BusyError("The server is busy, and as many as it can bear wait already. Try again in a minute.")
        self._free -= 1
        try:
            return await anyio.to_thread.run_sync(function, *arguments, limiter=self._limiter)
        finally:
            self._free += 1
