"""Training jobs as the database keeps them, and how long others like them took."""

import dataclasses
import datetime
import statistics
from typing import Any, Final

import sqlalchemy as sa

from core.errors import JobError
from core.operations.database import reading
from core.operations.spec import TrainingSpec, check_form
from core.operations.tables import jobs

N_MEASURED: Final = 9
"""Finished jobs whose median tells how long a training takes."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A training that was asked for, and what became of it."""

    id: int
    """Number."""
    spec: TrainingSpec
    """What to train."""
    notes: str
    """What the administrator wrote."""
    actor: str
    """Who asked for it."""
    status: str
    """One of ``core.operations.tables.STATUSES``."""
    attempt: int
    """How often it was started."""
    created: datetime.datetime
    """When it was asked for."""
    queued: datetime.datetime
    """When it was last put into the queue."""
    started: datetime.datetime | None
    """When it was last started."""
    finished: datetime.datetime | None
    """When it ended."""
    heartbeat: datetime.datetime | None
    """When its worker last gave a sign."""
    cancel_requested: bool
    """Whether it is to stop."""
    host: str
    """Machine of its process."""
    claimer: int | None
    """Number of the process that started it."""
    pid: int | None
    """Number of its worker; None until that is known."""
    process: str
    """Identity of its worker, or of the claimer until then, as of ``core.operations.jobs.process.identity``."""
    phase: str
    """One of ``core.operations.pipeline.PHASES``, or empty before the first."""
    part: str
    """Part of the phase."""
    folds_done: int
    """Folds that are trained and evaluated."""
    n_folds: int
    """All folds; 0 before the training proper."""
    epochs_done: int
    """Over all folds."""
    n_epochs: int
    """Over all folds."""
    fraction: float
    """Share of the whole that is done."""
    remaining: float | None
    """Time left, in seconds, from what was measured; None before."""
    peak_memory: int
    """Largest resident memory of its processes, in bytes."""
    elapsed: float
    """Time over all attempts, in seconds."""
    training_seconds: float
    """Time spent on folds, in seconds."""
    epochs_trained: int
    """Epochs trained in this time."""
    run: str
    """Name of the run's folder."""
    model: str
    """Name of the model that came of it."""
    message: str
    """What went wrong, or what was decided."""

    @property
    def problem(self) -> str:
        """Why what was asked for cannot be read; empty where it can."""
        try:
            check_form(self.spec)
        except JobError as error:
            return str(error)
        return ""


def get_job(job: int) -> Job:
    """Return a job.

    Raises
    ------
    JobError
        If there is none with this number.
    """
    with reading() as connection:
        row = connection.execute(sa.select(jobs).where(jobs.c.id == job)).one_or_none()
    if row is None:
        raise JobError(f"There is no job {job}.")
    return read_job(row)


def list_jobs(limit: int = 100) -> list[Job]:
    """Return the last jobs, the newest first."""
    with reading() as connection:
        return [read_job(row) for row in connection.execute(sa.select(jobs).order_by(jobs.c.id.desc()).limit(limit))]


def running_job() -> Job | None:
    """Return the job that is running, if any."""
    with reading() as connection:
        row = connection.execute(sa.select(jobs).where(jobs.c.status == "running")).one_or_none()
    return None if row is None else read_job(row)


def estimate(spec: TrainingSpec) -> float | None:
    """Return how long a training would take, in seconds, from those measured; None where none was.

    The median time of an epoch, and of all that is not training, of the last finished jobs of the same recipe and
    channels.
    """
    finished = (job for job in list_jobs(500) if job.status == "done" and job.epochs_trained and not job.problem)
    measured = [job for job in finished if _is_alike(job.spec, spec)][:N_MEASURED]
    if not measured:
        return None
    per_epoch = statistics.median(job.training_seconds / job.epochs_trained for job in measured)
    besides = statistics.median(max(job.elapsed - job.training_seconds, 0.0) for job in measured)
    return per_epoch * spec.n_epochs + besides


def _is_alike(spec: TrainingSpec, other: TrainingSpec) -> bool:
    return (
        (spec.recipe, spec.corpus) == (other.recipe, other.corpus)
        and {*spec.others, *spec.tried} == {*other.others, *other.tried}
        and set(spec.channels) == set(other.channels)
        and spec.studies == other.studies
    )


def read_job(row: sa.Row[Any]) -> Job:
    """Return a row of the table as a job."""
    return Job(**{**row._mapping, "spec": TrainingSpec.from_json(row.spec)})
