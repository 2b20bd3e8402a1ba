"""What is on its way to this process: bytes that came and do not lie anywhere yet, by who sends them."""

import collections
import threading
from collections.abc import Hashable


class Intake:
    """Counts bytes on their way, by owner and in all, at the same cost however many; safe to share among threads.

    Examples
    --------
    >>> intake = Intake()
    >>> intake.take("a file", "ada", 800, of_owner=1_000, in_all=5_000)
    True
    >>> intake.take("another", "ada", 800, of_owner=1_000, in_all=5_000), intake.of("ada"), intake.in_all
    (False, 800, 800)
    >>> intake.release("a file")
    >>> intake.of("ada"), intake.in_all
    (0, 0)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: dict[Hashable, tuple[str, int]] = {}
        self._by_owner: collections.Counter[str] = collections.Counter()
        self._in_all = 0

    def of(self, owner: str) -> int:
        """Return how much of an owner's is on its way, in bytes."""
        return self._by_owner[owner]

    def pieces_of(self, owner: str) -> int:
        """Return how many things of an owner's are on their way."""
        return sum(sender == owner for sender, _ in list(self._coming.values()))

    @property
    def in_all(self) -> int:
        """How much is on its way, in bytes."""
        return self._in_all

    def take(self, mark: Hashable, owner: str, size: int, *, of_owner: int, in_all: int) -> bool:
        """Count a part of something as it comes.

        Parameters
        ----------
        mark : hashable
            What it is a part of.
        owner : str
            Who sends it.
        size : int
            Its size, in bytes.
        of_owner, in_all : int
            Most that may be on its way, of the owner's and of everybody's, in bytes.

        Returns
        -------
        bool
            False, and nothing is counted, where it would be more.
        """
        with self._lock:
            if self._by_owner[owner] + size > of_owner or self._in_all + size > in_all:
                return False
            self._add(owner, size)
            self._coming[mark] = (owner, self._coming.get(mark, (owner, 0))[1] + size)
        return True

    def release(self, mark: Hashable) -> None:
        """Count something no more: it lies somewhere now, was used, or did not come."""
        with self._lock:
            owner, size = self._coming.pop(mark, ("", 0))
            self._add(owner, -size)

    def _add(self, owner: str, size: int) -> None:
        self._in_all += size
        self._by_owner[owner] += size
        if not self._by_owner[owner]:
            del self._by_owner[owner]
