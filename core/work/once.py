"""A result that is computed once, by whoever asks first, and shows its progress meanwhile."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class Once(Generic[Result]):
    """The place of a result; safe to share among threads.

    Examples
    --------
    >>> place = Once()
    >>> place.get(lambda: 1), place.get(lambda: 2)
    (1, 1)
    """

    def __init__(self) -> None:
        self.result: Result | None = None
        self._lock = threading.Lock()

    def get(self, compute: Callable[[], Result]) -> Result:
        """Return the result, computed where it is missing; a computation that was cut off begins anew."""
        with self._lock:
            if self.result is None:
                self.result = compute()
            return self.result


class Renewed(Generic[Result]):
    """The place of a result that changes: one that is old is given a last time, and renewed meanwhile.

    Parameters
    ----------
    life : float
        Time after which a result is old, in seconds.
    """

    def __init__(self, life: float) -> None:
        self._life, self._since = life, 0.0
        self._place: Once[Result] = Once()
        self._renewing = threading.Lock()

    def get(self, compute: Callable[[], Result], renew: Callable[[], Result]) -> Result:
        """Return the result.

        Parameters
        ----------
        compute : callable
            Returns it where it is missing; whoever asks waits for that.
        renew : callable
            Returns it where it is old, in a thread of its own; where that fails, whoever asks next computes it.

        Returns
        -------
        object
        """
        place = self._place
        is_new = place.result is None
        result = place.get(compute)
        if is_new:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > self._life and self._renewing.acquire(blocking=False):
            threading.Thread(target=self._renew, args=(renew,), daemon=True).start()
        return result

    def _renew(self, renew: Callable[[], Result]) -> None:
        try:
            self._place.result = renew()
        except Exception as error:
            logger.info("A result that is old could not be renewed: %s", error)
            self._place = Once()
        finally:
            self._since = time.monotonic()
            self._renewing.release()
