"""A result that is computed once, by whoever asks first, and shows its progress meanwhile."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


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
