"""Imports of several threads, one thread after another.

Python locks each module by itself: a thread that imports a package, which imports a module of it, and a thread that
imports that module, which needs the package, wait for each other. Python notices, and lets an import fail
(https://github.com/python/cpython/issues/83065, mended in its newest releases). Nearly every large library is such a
package.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

PATIENCE: Final = 3.0
"""Time for which a thread is waited for, in seconds: what it imports is imported by then, its work may last an hour."""


class Imports:
    """Keeps threads from importing at once, from when a start begins to load until it is done; safe to share.

    Examples
    --------
    >>> imports = Imports()
    >>> with imports.loading(), imports.alone():
    ...     import wave
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_loading = False
        self._ends: dict[int, float] = {}

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Stand around a start: before and after it, threads do not wait for each other."""
        self._is_loading = True
        try:
            yield
        finally:
            self._is_loading = False

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Stand around what may import: while a start loads, it begins when other threads' imports are over."""
        me = threading.get_ident()
        if not self._is_loading or me in self._ends:
            yield
            return
        with self._changed:
            while (wait := max(self._ends.values(), default=0.0) - time.monotonic()) > 0:
                self._changed.wait(wait)
            self._ends[me] = time.monotonic() + PATIENCE
        try:
            yield
        finally:
            with self._changed:
                del self._ends[me]
                self._changed.notify_all()


imports: Final = Imports()
"""Those of this process."""
