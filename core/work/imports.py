"""Imports of several threads, one thread after another.

Python locks each module by itself: a thread that imports a package, which imports a module of it, and a thread that
imports that module, which needs the package, wait for each other. Python notices, and lets an import fail
(https://github.com/python/cpython/issues/83065, mended in its newest releases). Nearly every large library is such a
package.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

PATIENCE: Final = 5.0
"""Longest wait for another thread, in seconds: two that import at once seldom meet, and one may have long work."""


class Imports:
    """Keeps threads from importing at once, from when a start begins to load until it is done; safe to share.

    Examples
    --------
    >>> imports = Imports()
    >>> with imports.loading(), imports.alone():
    ...     import wave
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_loading = threading.Event()

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Stand around a start: before and after it, threads do not wait for each other."""
        self._is_loading.set()
        try:
            yield
        finally:
            self._is_loading.clear()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Stand around what may import: while a start loads, other threads' imports are over, or last too long."""
        is_held = self._is_loading.is_set() and self._lock.acquire(timeout=PATIENCE)
        try:
            yield
        finally:
            if is_held:
                self._lock.release()


imports: Final = Imports()
"""Those of this process."""
