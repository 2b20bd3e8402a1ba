"""The process of a job: trains, says how far it is, listens for a request to stop, and starts the next job.

Run as ``python -m core job NUMBER --attempt K`` by ``core.operations.jobs.process.start_worker``.
"""

import logging
import os
import shutil
import signal
import threading
import time
from typing import Any, Final

from core.config import artifacts_folder
from core.errors import DatabaseError, JobError, SoundWebError
from core.operations.jobs import queue
from core.operations.jobs.process import (
    identity,
    memory_in_use,
    remove_partials,
    shared_folder,
    spare_cores,
    step_behind,
)
from core.operations.jobs.record import Job, estimate, get_job
from core.operations.models import promotion
from core.operations.pipeline import retrain
from core.work.progress import Progress

logger = logging.getLogger(__name__)

HEARTBEAT_INTERVAL: Final = 1.0
"""Time between two signs of life, in seconds; a request to stop is noticed as soon."""
REPORT_INTERVAL: Final = 0.5
"""Shortest time between two reports of the same phase, in seconds."""
STORED_BEFORE: Final = (
    "Nothing was trained: this model was stored before, by a training with the same settings on the same clips."
)
FINAL_TRIES: Final = 20
"""How often, a second apart, the end of a job is written where the database refuses."""


def work(number: int, attempt: int) -> None:
    """Carry out an attempt of a job, then start the next job that waits.

    Parameters
    ----------
    number : int
        Of the job.
    attempt : int
        As claimed by ``core.operations.jobs.queue.claim_next``.

    Raises
    ------
    JobError
        If the attempt is not running any more.
    """
    step_behind()
    job = get_job(number)
    me = {"pid": os.getpid(), "process": identity(os.getpid())}
    if job.attempt != attempt or not queue.update(job, **me):
        raise JobError(f"Attempt {attempt} of job {number} is not running any more.")
    with _Heart(job):
        status, values = _attempt(job)
    logger.info("%s %s", status, values.get("message") or values.get("model"))
    for _ in range(FINAL_TRIES):
        try:
            queue.finish(job, status, **values)
            break
        except DatabaseError as error:
            logger.warning("The end of the job is not written yet: %s", error)
            time.sleep(1)
    queue.tick()


def _attempt(job: Job) -> tuple[str, dict[str, str]]:
    """Train, and return the status to end with, and model and message."""
    try:
        reporter = _Reporter(job)
        model = retrain(job.spec, n_jobs=spare_cores(), report=reporter, began=reporter.begin)
        said = [] if reporter.run else [STORED_BEFORE]
        if job.spec.promote:
            said.append(promotion.promote_by_job(job.actor, model.name))
    except SoundWebError as error:
        return "failed", {"message": str(error)}
    except OSError as error:
        logger.exception("The training stopped.")
        return "failed", {"message": f"A file cannot be read or written ({error.strerror}). Mend it and resume."}
    except Exception as error:
        logger.exception("The training stopped.")
        return "failed", {"message": f"The training stopped by an error that the log shows ({type(error).__name__})."}
    return "done", {"model": model.name, "message": " ".join(said)}


class _Heart:
    """Gives signs of life, measures memory, and ends this process and its family where that is wanted."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _beat(self) -> None:
        peak = self.job.peak_memory
        while True:
            try:
                peak = max(peak, memory_in_use())
                is_mine = queue.update(self.job, peak_memory=peak)
                if not is_mine or get_job(self.job.id).cancel_requested:
                    self._stop()
            except DatabaseError as error:
                logger.warning("No sign of life: %s", error)
            if self.stopped.wait(HEARTBEAT_INTERVAL):
                return

    def _stop(self) -> None:
        logger.info("Stopped by request, or because another attempt has taken over.")
        queue.finish(self.job, "cancelled")
        remove_partials(artifacts_folder(), os.getpid())
        shutil.rmtree(shared_folder(self.job.id), ignore_errors=True)
        queue.tick()
        os.killpg(0, signal.SIGKILL)


class _Reporter:
    """Writes how far a job is, and how long it will take, from what has been measured."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.expected = estimate(job.spec)
        self.lock = threading.Lock()
        self.phase, self.last, self.run = "", 0.0, ""
        self.began = time.monotonic()
        self.folds_began: float | None = None
        self.epochs_before = 0.0

    def begin(self, run: str) -> None:
        """Write the name of the run's folder with all that follows."""
        self.run = run

    def __call__(self, progress: Progress) -> None:
        """Report; now and then where reports come quickly."""
        with self.lock:
            values = self._measure(progress)
            is_new = progress.phase != self.phase
            if is_new or time.monotonic() - self.last >= REPORT_INTERVAL or progress.share == 1:
                if is_new:
                    logger.info("%s", progress.phase)
                self.phase, self.last = progress.phase, time.monotonic()
                try:
                    queue.update(self.job, **values)
                except DatabaseError as error:
                    logger.warning("Progress is not written: %s", error)

    def _measure(self, progress: Progress) -> dict[str, Any]:
        """Return what is to be written."""
        values: dict[str, Any] = {"phase": progress.phase, "part": progress.part, "run": self.run}
        values["fraction"] = progress.overall
        if self.expected is not None:
            values["remaining"] = max(self.expected - (time.monotonic() - self.began), 0.0)
        if progress.larger is not None:
            values |= self._measure_folds(progress, progress.larger)
        return values

    def _measure_folds(self, epochs: Progress, folds: Progress) -> dict[str, Any]:
        """Return folds and epochs, the time they took in all attempts, and the time left at this pace."""
        if self.folds_began is None:
            self.folds_began, self.epochs_before = time.monotonic(), epochs.done
        elapsed, trained = time.monotonic() - self.folds_began, epochs.done - self.epochs_before
        values: dict[str, Any] = {
            "folds_done": folds.done,
            "n_folds": folds.total,
            "epochs_done": epochs.done,
            "n_epochs": epochs.total,
            "training_seconds": self.job.training_seconds + elapsed,
            "epochs_trained": self.job.epochs_trained + trained,
        }
        if trained:
            values["remaining"] = elapsed / trained * (epochs.total - epochs.done)
        return values
