"""What an administrator does with training jobs: submit, cancel, resume."""

import importlib.util
import time
from typing import Final

import sqlalchemy as sa

from core.errors import JobError
from core.operations.access import audit
from core.operations.access.sessions import require_admin
from core.operations.database import now, writing
from core.operations.jobs.process import end_worker, host_name, is_worker
from core.operations.jobs.queue import bury, reconcile, tick
from core.operations.jobs.record import Job, get_job
from core.operations.spec import MAX_NOTES, TrainingSpec, check_spec
from core.operations.tables import jobs

MAX_QUEUED: Final = 20
CANCEL_PATIENCE: Final = 5.0
"""Longest wait for a worker on another machine to end, in seconds."""


def submit(token: str, spec: TrainingSpec, notes: str = "") -> Job:
    """Queue a training, and start it where none is running.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    JobError
        If the wishes are not acceptable, or too many jobs wait.
    """
    actor = require_admin(token)
    check_spec(spec)
    if importlib.util.find_spec("tensorflow") is None:
        raise JobError("This server has no TensorFlow: it answers and does not train. Train where it is installed.")
    if len(notes) > MAX_NOTES:
        raise JobError(f"The notes have {len(notes):,} characters; {MAX_NOTES:,} are the limit. Shorten them.")
    if "\0" in notes:
        raise JobError("The notes hold a character that cannot be stored. Type them anew.")
    wishes = (*spec.protocols, *(["with feedback"] if spec.feedback else []))
    values = {"spec": spec.to_json(), "notes": notes, "actor": actor, "status": "queued"}
    with writing() as connection:
        waiting = connection.scalar(sa.select(sa.func.count()).where(jobs.c.status == "queued"))
        if int(waiting or 0) >= MAX_QUEUED:
            raise JobError(f"{waiting} jobs are waiting already. Cancel some, or wait.")
        statement = sa.insert(jobs).values(created=now(), queued=now(), **values).returning(jobs.c.id)
        job = int(connection.execute(statement).scalar_one())
        audit.record(actor, "submit job", str(job), f"{spec.recipe}: {', '.join(wishes)}", within=connection)
    tick()
    return get_job(job)


def cancel(token: str, job: int) -> Job:
    """Stop a job: a waiting one leaves the queue, a running one is ended with all its processes.

    Finished folds stay, so that it can be resumed.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    JobError
        If the job has ended, or its worker on another machine does not answer.
    """
    actor = require_admin(token)
    with writing() as connection:
        ours = (jobs.c.id == job) & jobs.c.status.in_(("queued", "running"))
        if not connection.execute(sa.update(jobs).where(ours).values(cancel_requested=True)).rowcount:
            raise JobError(f"Job {job} is neither waiting nor running.")
        waiting = sa.update(jobs).where((jobs.c.id == job) & (jobs.c.status == "queued"))
        connection.execute(waiting.values(status="cancelled", finished=now()))
        audit.record(actor, "cancel job", str(job), within=connection)
    deadline = time.monotonic() + CANCEL_PATIENCE
    while (current := get_job(job)).status == "running":
        if time.monotonic() > deadline:
            raise JobError(f"Job {job} runs on {current.host}, which does not answer. It stops when that does.")
        pid = current.pid if current.host == host_name() else None
        if pid is not None and is_worker(pid, job, current.attempt):
            end_worker(pid, job, current.attempt)
            bury(current)
        else:
            reconcile()
            time.sleep(0.05)
    tick()
    return get_job(job)


def resume(token: str, job: int) -> Job:
    """Queue a job again that was lost, cancelled or failed; it goes on from what is done.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    JobError
        If the job is not one of these, or was asked for what this version has not.
    """
    actor = require_admin(token)
    check_spec(get_job(job).spec)
    with writing() as connection:
        ended = (jobs.c.id == job) & jobs.c.status.in_(("lost", "cancelled", "failed"))
        again = {"status": "queued", "queued": now(), "finished": None, "cancel_requested": False, "message": ""}
        if not connection.execute(sa.update(jobs).where(ended).values(**again, remaining=None)).rowcount:
            raise JobError(f"Job {job} cannot be resumed: it is waiting, running or done.")
        audit.record(actor, "resume job", str(job), within=connection)
    tick()
    return get_job(job)
