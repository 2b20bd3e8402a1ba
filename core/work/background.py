"""Long work in a thread of its own, which outlives whoever asked for it."""

import dataclasses
import logging
import threading
from collections.abc import Callable

from core.errors import SoundWebError, log_unexpected
from core.work.progress import Progress, Report

logger = logging.getLogger(__name__)

_STARTING = Progress(0, 0, "", "Starting")


class WorkStopped(Exception):  # noqa: N818 - nothing went wrong
    """Somebody asked the work to stop."""


@dataclasses.dataclass(frozen=True)
class WorkState:
    """What has become of a piece of work."""

    is_running: bool = False
    """Whether it goes on."""
    is_done: bool = False
    """Whether it came to its end."""
    progress: Progress = _STARTING
    """How far it is, as last reported."""
    failure: SoundWebError | None = None
    """What ended it early; None where nothing did, or somebody stopped it."""


class BackgroundWork:
    """At most one piece of work at a time, in a thread; safe to share among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._state = WorkState()

    @property
    def state(self) -> WorkState:
        """What has become of the work; of the last one after its end."""
        return self._state

    def start(self, work: Callable[[Report], object]) -> bool:
        """Start a piece of work.

        Parameters
        ----------
        work : callable
            Called in a thread with a function to report by, which raises once the work should stop.

        Returns
        -------
        bool
            False, and nothing is started, where a piece of work goes on already.
        """
        with self._lock:
            if self._state.is_running:
                return False
            self._stop.clear()
            self._state = WorkState(is_running=True)
            # Not waited for when the program ends: what was done stands on disk.
            threading.Thread(target=self._run, args=(work,), daemon=True).start()
        return True

    def stop(self) -> None:
        """Ask the work to stop at its next report."""
        self._stop.set()

    def _report(self, progress: Progress) -> None:
        if self._stop.is_set():
            raise WorkStopped
        self._state = WorkState(is_running=True, progress=progress)

    def _run(self, work: Callable[[Report], object]) -> None:
        try:
            work(self._report)
        except WorkStopped:
            self._state = WorkState()
        except SoundWebError as error:
            logger.warning("Work in the background ended early: %s", error)
            self._state = WorkState(failure=error)
        except Exception as error:
            number = log_unexpected(error, "work in the background")
            told = f"Sorry, something went wrong. The server's log tells more under number {number}. Try again."
            self._state = WorkState(failure=SoundWebError(told))
        else:
            self._state = WorkState(is_done=True)
