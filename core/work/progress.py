"""How far long work is: one type, from the loop that does the work to the bar that shows it.

Who works reports a ``Progress`` of their own piece; ``inside`` places the piece in the larger work that it belongs to.
Rate and time left are for whoever shows it, since they depend on when the reports came.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a piece of work is.

    Examples
    --------
    >>> progress = Progress(64, 1440, "files", "Reading the corpus", span=(0.5, 1.0))
    >>> str(progress)
    'Reading the corpus: 64 of 1,440 files'
    >>> round(progress.share, 3), round(progress.overall, 3)
    (0.044, 0.522)
    """

    done: float
    """What is done, in ``unit``."""
    total: float
    """All that is to be done, in ``unit``; 0 where nobody can tell."""
    unit: str
    """What is counted, in the plural: files, clips, epochs, bytes, seconds."""
    text: str
    """What is being done now, for people."""
    part: str = ""
    """What it is done to, where the same is done several times."""
    phase: str = ""
    """Name of the phase, in a work of several; one of ``core.operations.pipeline.PHASES`` in a training."""
    span: tuple[float, float] = (0.0, 1.0)
    """Where this piece begins and ends in the whole work, as shares of it."""
    larger: "Progress | None" = None
    """The same work counted in larger units: folds besides epochs."""

    @property
    def share(self) -> float:
        """Share of this piece that is done, 0 to 1."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total else 0.0

    @property
    def overall(self) -> float:
        """Share of the whole work that is done, 0 to 1."""
        start, end = self.span
        return start + (end - start) * self.share

    @property
    def title(self) -> str:
        """What is being done, and to what."""
        return f"{self.text} ({self.part})" if self.part else self.text

    @property
    def count(self) -> str:
        """How much of how much is done, the larger units first; empty where nobody can tell."""
        if not self.total:
            return ""
        done, total, unit = self.done, self.total, self.unit
        if unit == "bytes":
            done, total, unit = done / 1e6, total / 1e6, "MB"
        own = f"{done:,.0f} of {total:,.0f} {unit}"
        return f"{self.larger.count}, {own}" if self.larger is not None else own

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.title}: {self.count}" if self.count else self.title


Report: TypeAlias = Callable[[Progress], None]
"""Called whenever something has been done; may raise to stop the work, which keeps what is done."""


def ignore(progress: Progress) -> None:
    """Report to nobody."""
    del progress


def inside(report: Report, start: float, end: float, *, phase: str = "") -> Report:
    """Return the report for a piece of a larger work.

    Parameters
    ----------
    report : callable
        The report of the larger work.
    start, end : float
        Where the piece begins and ends in it, as shares.
    phase : str
        Name of the phase that the piece is; by default what the piece says itself.

    Returns
    -------
    callable

    Examples
    --------
    >>> halves = inside(lambda progress: print(progress.overall), 0.5, 1.0)
    >>> inside(halves, 0.0, 0.5)(Progress(1, 2, "clips", "Computing features"))
    0.625
    """

    def show(progress: Progress) -> None:
        first, last = (start + (end - start) * edge for edge in progress.span)
        report(dataclasses.replace(progress, span=(first, last), phase=phase or progress.phase))

    return show
