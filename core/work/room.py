"""Results that are kept while there is room for them, in bytes, over everybody who asks."""

import collections
import dataclasses
import sys
import threading
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar, cast

Result = TypeVar("Result")


class Room:
    """Keeps results by owner and key, those that were used last; safe to share among threads.

    Parameters
    ----------
    max_bytes : int
        Most that all of them may take together; a result that is larger is given and not kept.

    Examples
    --------
    >>> room = Room(2_000)
    >>> [len(room.get("ada", key, lambda: bytes(800))) for key in ("a", "b", "c")]
    [800, 800, 800]
    >>> room.n_bytes <= 2_000
    True
    >>> room.forget("ada")
    >>> room.n_bytes
    0
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: collections.OrderedDict[tuple[Hashable, Hashable], tuple[object, int]] = collections.OrderedDict()
        self._n_bytes = 0

    @property
    def n_bytes(self) -> int:
        """What is kept, in bytes."""
        return self._n_bytes

    def get(self, owner: Hashable, key: Hashable, compute: Callable[[], Result]) -> Result:
        """Return a result, computed where it is not kept."""
        with self._lock:
            if (owner, key) in self._kept:
                self._kept.move_to_end((owner, key))
                return cast("Result", self._kept[owner, key][0])
        result = compute()
        size = size_of(result)
        with self._lock:
            self._drop((owner, key))
            if size <= self.max_bytes:
                self._kept[owner, key] = (result, size)
                self._n_bytes += size
            while self._n_bytes > self.max_bytes:
                self._drop(next(iter(self._kept)))
        return result

    def forget(self, owner: Hashable) -> None:
        """Drop what is kept of an owner."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == owner]:
                self._drop(key)

    def _drop(self, key: tuple[Hashable, Hashable]) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self._n_bytes -= size


def size_of(value: object) -> int:
    """Return about how much memory a result takes, in bytes: arrays and bytes count, however deep they lie.

    >>> import numpy as np
    >>> size_of([np.zeros(1_000, np.float32), b"x" * 500]) >= 4_500
    True
    """
    if isinstance(nbytes := getattr(value, "nbytes", None), int):
        return nbytes
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values())) + sys.getsizeof(value)
    if isinstance(value, list | tuple):
        return sum(map(size_of, value)) + sys.getsizeof(value)
    if dataclasses.is_dataclass(value):
        return sum(size_of(getattr(value, field.name)) for field in dataclasses.fields(value))
    return sys.getsizeof(value)
