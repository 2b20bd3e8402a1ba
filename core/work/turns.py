"""Turns of the work that visitors ask for: as many at once as there are cores, and short work first.

Nobody says how long their work will take. Until it has computed for ``UNDIVIDED`` seconds it goes in the order in which
it came. Then it gives way between its pieces to what comes later: by as long as it has computed, ``LATEST`` at most, so
that long work waits for short work and never for ever.
"""

import bisect
import contextlib
import contextvars
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from core.errors import BusyError

UNDIVIDED: Final = 0.5
"""Time that work computes before it gives way, in seconds: an answer for a few seconds of sound is done by then."""
LATEST: Final = 5.0
"""Longest time by which work may come later and still go first, in seconds."""
TELL_INTERVAL: Final = 1.0
"""Time between two looks at the number that waiting work has, in seconds."""
MOST_WAITING: Final = 100
"""Pieces of work that may wait."""


@dataclasses.dataclass(eq=False)
class _Work:
    """What somebody asked for."""

    asked: float = dataclasses.field(default_factory=time.monotonic)
    """When that was."""
    used: float = 0.0
    """Time that it has computed, in seconds."""

    def due(self, behind: float) -> float:
        """Return where it stands among what waits: what has the earliest goes first."""
        if self.used < UNDIVIDED:
            return self.asked + min(behind, LATEST)
        return time.monotonic() + min(behind + self.used, LATEST)


@dataclasses.dataclass(eq=False)
class _Turn:
    """A piece of work, on its place or waiting for it."""

    work: _Work
    tell: Callable[[int], object]
    behind: float
    since: float = 0.0
    """Up to when the time that it computes is counted."""
    due: float = 0.0
    called: threading.Event = dataclasses.field(default_factory=threading.Event)
    """Set while it has a place."""

    def count(self) -> None:
        """Count the time that it has computed."""
        now = time.monotonic()
        self.work.used, self.since = self.work.used + now - self.since, now


class Turns:
    """Places for work; safe to share among threads.

    Parameters
    ----------
    places : int
        Pieces of work that compute at once.
    most_waiting : int
        Pieces of work that may wait.

    Examples
    --------
    >>> turns = Turns(places=1, most_waiting=0)
    >>> with turns.turn():
    ...     turns.free, turns.waiting
    (0, 0)
    """

    def __init__(self, places: int, most_waiting: int = MOST_WAITING) -> None:
        self.places, self.most_waiting = places, most_waiting
        self._lock = threading.Lock()
        self._computing = 0
        self._waiting: list[_Turn] = []
        self._visit: contextvars.ContextVar[_Work | None] = contextvars.ContextVar("visit", default=None)
        self._current: contextvars.ContextVar[_Turn | None] = contextvars.ContextVar("turn", default=None)

    @property
    def free(self) -> int:
        """Places that nobody computes on."""
        return self.places - self._computing

    @property
    def waiting(self) -> int:
        """Pieces of work that wait."""
        return len(self._waiting)

    @contextlib.contextmanager
    def visit(self) -> Iterator[None]:
        """Take the turns within, of this thread, for those of one piece of work, which was asked for at the beginning.

        Yields
        ------
        None
        """
        token = self._visit.set(_Work())
        try:
            yield
        finally:
            self._visit.reset(token)

    @contextlib.contextmanager
    def turn(self, tell: Callable[[int], object] = bool, *, behind: float = 0.0) -> Iterator[None]:
        """Wait for a place, and compute on it; within another turn of the same thread, go on.

        Parameters
        ----------
        tell : callable
            Called in this thread each ``TELL_INTERVAL`` of waiting with the number that the work has among what waits,
            1 for the next; may raise, and the work waits no longer.
        behind : float
            Time by which other work may come later and still go first, in seconds. What is urgent has a negative one,
            and is never refused.

        Yields
        ------
        None

        Raises
        ------
        BusyError
            If too many wait.
        """
        if self._current.get() is not None:
            yield
            return
        turn = _Turn(self._visit.get() or _Work(), tell, behind)
        with self._lock:
            if self._computing < self.places:
                self._computing += 1
                turn.called.set()
            elif behind < 0 or self.waiting < self.most_waiting:
                self._line_up(turn)
            else:
                raise BusyError(f"{self.waiting} sounds are waiting for their turn already. Try again in a moment.")
        self._wait(turn)
        token = self._current.set(turn)
        try:
            yield
        finally:
            self._current.reset(token)
            if turn.called.is_set():
                turn.count()
                self._leave()

    def give_way(self) -> None:
        """Let those go first whose work is shorter; for between the pieces of long work, and nothing elsewhere."""
        turn = self._current.get()
        if turn is None or not self._waiting:
            return
        turn.count()
        if turn.work.used < UNDIVIDED:
            return
        with self._lock:
            if not self._waiting or self._waiting[0].due >= turn.work.due(turn.behind):
                return
            self._line_up(turn)
            self._call_next()
        self._wait(turn)

    def _line_up(self, turn: _Turn) -> None:
        turn.due = turn.work.due(turn.behind)
        turn.called.clear()
        bisect.insort(self._waiting, turn, key=lambda waiting: waiting.due)

    def _call_next(self) -> None:
        self._waiting.pop(0).called.set()

    def _wait(self, turn: _Turn) -> None:
        """Wait until the work is called to a place."""
        try:
            while not turn.called.wait(TELL_INTERVAL):
                with self._lock:
                    number = self._waiting.index(turn) + 1 if turn in self._waiting else 0
                if number:
                    turn.tell(number)
        except BaseException:
            with self._lock:
                is_called = turn not in self._waiting
                if not is_called:
                    self._waiting.remove(turn)
            if is_called:
                self._leave()
                turn.called.clear()
            raise
        turn.since = time.monotonic()

    def _leave(self) -> None:
        """Give the place to who waits next."""
        with self._lock:
            if self._waiting:
                self._call_next()
            else:
                self._computing -= 1


turns: Final = Turns(max(os.cpu_count() or 1, 2))
"""Those of this process; two at least, since a single long piece would keep all others waiting."""
