"""How far long work is, on standard error: a bar with rate and time left on a terminal, else a line now and then."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from core.work.progress import Progress, Report

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import Task

LINE_INTERVAL: Final = 10.0
"""Shortest time between two lines about the same piece of work, in seconds."""
RATE_PERIOD: Final = 60.0
"""Time over which a rate is measured, in seconds; epochs are reported every few seconds."""


@contextlib.contextmanager
def shown_progress() -> Iterator[Report]:
    """Show on standard error what is reported.

    Yields
    ------
    callable
        The report; safe to call from any thread.
    """
    if not sys.stderr.isatty():
        yield Lines()
        return
    with _make_bars() as bars:
        yield Bar(bars)


class Lines:
    """A line at the beginning and the end of each piece of work, and now and then between."""

    def __init__(self) -> None:
        self.title, self.last, self.written = "", 0.0, ""

    def __call__(self, progress: Progress) -> None:
        """Write a line where one is due."""
        is_due = progress.title != self.title or progress.share == 1
        if (is_due or time.monotonic() - self.last >= LINE_INTERVAL) and str(progress) != self.written:
            self.title, self.last, self.written = progress.title, time.monotonic(), str(progress)
            print(progress, file=sys.stderr, flush=True)


class Bar:
    """One bar for the piece of work that goes on; those before it stand above as lines."""

    def __init__(self, bars: "Bars") -> None:
        self.bars = bars
        self.shown: Progress | None = None
        self.lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        """Move the bar, or begin a new one where another piece of work has begun."""
        with self.lock:
            if self.shown is None or progress.title != self.shown.title:
                self._begin(progress)
            total = progress.total or None
            self.bars.update(self.bars.task_ids[0], completed=progress.done, total=total, progress=progress)
            self.shown = progress

    def _begin(self, progress: Progress) -> None:
        if self.shown is not None:
            self.bars.remove_task(self.bars.task_ids[0])
            self.bars.console.print(str(self.shown), markup=False, highlight=False)
        # What was done before is no part of the rate.
        done, total = int(progress.done), progress.total or None
        self.bars.add_task(progress.title, total=total, completed=done, progress=progress)


def describe_rate(speed: float | None, unit: str) -> str:
    """Return a rate for people.

    Parameters
    ----------
    speed : float or None
        Units a second; None where nothing was measured.
    unit : str
        What is counted, in the plural.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_rate(12.34, "clips"), describe_rate(0.05, "epochs"), describe_rate(2.5e6, "bytes")
    ('12.3 clips/s', '3.0 epochs/min', '2.5 MB/s')
    """
    if not speed:
        return ""
    if unit == "bytes":
        return f"{speed / 1e6:,.1f} MB/s"
    return f"{speed:,.1f} {unit}/s" if speed >= 1 else f"{60 * speed:,.1f} {unit}/min"


def _make_bars() -> "Bars":
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Count(ProgressColumn):
        """How much of how much is done, and how fast."""

        def render(self, task: "Task") -> Text:
            """Return the words beside the bar."""
            progress: Progress = task.fields["progress"]
            return Text(" · ".join(filter(None, (progress.count, describe_rate(task.speed, progress.unit)))))

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), Count(), TimeRemainingColumn(compact=True))
    return Bars(*columns, console=Console(stderr=True), speed_estimate_period=RATE_PERIOD)
