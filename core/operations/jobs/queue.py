"""The queue: one job runs, the next one starts, and a job whose process is gone is noticed.

A job is claimed by whoever calls ``tick`` (a page, or a worker at its end). Its worker owns the row as long as the
attempt's number is its own.
"""

import datetime
import os
import shutil
from typing import Any, Final

import sqlalchemy as sa

from core.config import artifacts_folder, data_folder
from core.operations.database import now, reading, writing
from core.operations.jobs.process import (
    end_orphans,
    host_name,
    identity,
    remove_partials,
    shared_folder,
    start_worker,
)
from core.operations.jobs.record import Job, get_job, read_job, running_job
from core.operations.spec import RUNS
from core.operations.tables import jobs

HEARTBEAT_LIMIT: Final = datetime.timedelta(minutes=2)
"""Silence after which a worker on another machine counts as lost."""
LOST: Final = (
    "The process of this training ended without a word: it was killed, or the computer stopped. "
    "Resume it to go on from what is done."
)
NO_PROGRESS: Final[dict[str, Any]] = {
    "phase": "",
    "part": "",
    "folds_done": 0,
    "n_folds": 0,
    "epochs_done": 0,
    "n_epochs": 0,
    "fraction": 0.0,
    "remaining": None,
}


def tick() -> Job | None:
    """Notice lost jobs, start the next one where none is running, and return the running one.

    Anybody may call it at any time, any number at once: the database lets one of them start a job.
    """
    reconcile()
    job = claim_next()
    if job is not None:
        try:
            pid = start_worker(job.id, job.attempt)
        except OSError as error:
            finish(job, "failed", message=f"The process cannot be started: {error.strerror}.")
            return None
        # The worker may have written its own number by now, or have ended.
        claimed = _attempt(job) & jobs.c.pid.is_(None)
        with writing() as connection:
            connection.execute(sa.update(jobs).where(claimed).values(pid=pid, process=identity(pid)))
    return running_job()


def claim_next() -> Job | None:
    """Mark the next waiting job as running, in the name of this process; None where none waits or one is running."""
    first = sa.select(jobs.c.id).where(jobs.c.status == "queued").order_by(jobs.c.queued, jobs.c.id).limit(1)
    with reading() as connection:
        if connection.scalar(first) is None:
            return None
    me = {"host": host_name(), "claimer": os.getpid(), "pid": None, "process": identity(os.getpid())}
    claim = (
        sa.update(jobs)
        .where((jobs.c.id == first.scalar_subquery()) & (jobs.c.status == "queued"))
        .values(status="running", attempt=jobs.c.attempt + 1, started=now(), heartbeat=now(), **me, **NO_PROGRESS)
        .returning(*jobs.c)
    )
    try:
        with writing() as connection:
            row = connection.execute(claim).one_or_none()
    except sa.exc.IntegrityError:  # the constraint: another one is running
        return None
    return None if row is None else read_job(row)


def reconcile() -> None:
    """Mark the running job as lost, or as cancelled where that was wanted, if its process is gone."""
    job = running_job()
    if job is None:
        return
    if job.host != host_name():
        # A sign from the future is of a clock that was ahead: it would hide a lost job until then.
        if job.heartbeat is None or abs(now() - job.heartbeat) > HEARTBEAT_LIMIT:
            bury(job)
        return
    found = identity(job.claimer if job.pid is None else job.pid)
    if not found or found != job.process:
        if job.pid is not None and not found:
            end_orphans(job.pid)
        bury(job)


def finish(job: Job, status: str, *, message: str = "", model: str = "", process: str | None = None) -> bool:
    """End an attempt of a job; False where it was not running any more.

    Parameters
    ----------
    job : Job
        The job, with the number of the attempt.
    status : str
        What it ends with.
    message, model : str
        As in ``Job``.
    process : str, optional
        Only if this is still the process that carries it out.

    Returns
    -------
    bool
    """
    # What is lost was lost at its last sign of life, not when somebody noticed.
    end = get_job(job.id).heartbeat if status == "lost" else None
    elapsed = max(((end or now()) - job.started).total_seconds(), 0.0) if job.started is not None else 0.0
    values: dict[str, Any] = {"status": status, "finished": end or now(), "message": message, "model": model}
    values |= {"remaining": None, "elapsed": jobs.c.elapsed + elapsed}
    if status == "done":
        values["fraction"] = 1.0
    condition = _attempt(job) if process is None else _attempt(job) & (jobs.c.process == process)
    with writing() as connection:
        return bool(connection.execute(sa.update(jobs).where(condition).values(**values)).rowcount)


def update(job: Job, **values: Any) -> bool:
    """Write what a worker has to say, with a sign of life; False where the attempt is not its own any more."""
    with writing() as connection:
        statement = sa.update(jobs).where(_attempt(job)).values(heartbeat=now(), **values)
        return bool(connection.execute(statement).rowcount)


def bury(job: Job) -> None:
    """Mark a running job whose process is gone, and remove what it left half-written."""
    cancelled = get_job(job.id).cancel_requested
    status, message = ("cancelled", "") if cancelled else ("lost", LOST)
    if not finish(job, status, message=message, process=job.process):
        return  # the claimer has ended, and its worker has taken over since
    shutil.rmtree(shared_folder(job.id), ignore_errors=True)
    if job.pid is not None and job.host == host_name():
        remove_partials(artifacts_folder(), job.pid)
    if job.run:
        remove_partials(data_folder() / RUNS / job.run)


def _attempt(job: Job) -> sa.ColumnElement[bool]:
    return (jobs.c.id == job.id) & (jobs.c.status == "running") & (jobs.c.attempt == job.attempt)
