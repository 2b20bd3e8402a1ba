import dataclasses
import datetime
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from core.errors import JobError, NotSignedIn
from core.operations.database import now, writing
from core.operations.jobs import process as processes
from core.operations.jobs import queue
from core.operations.jobs.control import cancel, resume, submit
from core.operations.jobs.monitor import mean_curves, read_curves, read_log
from core.operations.jobs.process import identity, session_members
from core.operations.jobs.queue import reconcile, tick
from core.operations.jobs.record import estimate, get_job, list_jobs, running_job
from core.operations.jobs.worker import STORED_BEFORE
from core.operations.spec import TrainingSpec
from core.operations.tables import jobs
from core.serving.registry import Registry
from tests.conftest import ROOT

SHORT = TrainingSpec(protocols=("reference",), epochs=2, channels=("speech",))
ENDLESS = TrainingSpec(protocols=("reference",), epochs=1_000, channels=("speech",))
SUBMIT = """
import sys
from core.operations.jobs.control import submit
from core.operations.spec import TrainingSpec
submit(sys.argv[1], TrainingSpec(protocols=("reference",), epochs=1_000, channels=("speech",)))
"""


@pytest.fixture
def corpus(installation):
    """The installation; its workers end with the test."""
    yield installation
    for job in list_jobs():
        if job.status == "running" and job.pid is not None:
            processes.end_worker(job.pid, job.id, job.attempt)


@pytest.fixture
def idle(database, monkeypatch):
    """Jobs start, but their processes only sleep."""
    sleepers = []

    def start(job, attempt):
        sleepers.append(subprocess.Popen(["/bin/sleep", "600"], start_new_session=True))
        return sleepers[-1].pid

    monkeypatch.setattr(queue, "start_worker", start)
    yield sleepers
    for sleeper in sleepers:
        sleeper.kill()
        sleeper.wait()


def wait_for(condition, timeout=300):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, [(job.id, job.status, job.phase, job.message) for job in list_jobs()]
        time.sleep(0.05)
    return value


def training_row(job):
    """Return the first epoch of a running job."""
    current = get_job(job)
    assert current.status == "running", (current, read_log(job))
    return len(read_curves(current))


@pytest.mark.heavy
def test_two_starts_at_once_give_one_running_and_one_queued(corpus, token):
    starts = [subprocess.Popen([sys.executable, "-c", SUBMIT, token], cwd=ROOT) for _ in range(2)]
    assert [start.wait(120) for start in starts] == [0, 0]
    first = running_job()
    assert sorted(job.status for job in list_jobs()) == ["queued", "running"]
    second = next(job for job in list_jobs() if job.status == "queued")
    assert cancel(token, first.id).status == "cancelled"
    assert running_job().id == second.id
    assert cancel(token, second.id).status == "cancelled"


@pytest.mark.parametrize("moment", ["at once", "while it trains"])
@pytest.mark.heavy
def test_cancel_ends_all_processes_within_two_seconds(corpus, token, moment):
    job = submit(token, ENDLESS).id
    if moment == "while it trains":
        wait_for(lambda: training_row(job))
    pid = get_job(job).pid
    began = time.monotonic()
    assert cancel(token, job).status == "cancelled"
    assert time.monotonic() - began < 2
    assert identity(pid) == ""
    assert session_members(pid) == []
    assert Registry().names() == []
    with pytest.raises(JobError, match="neither waiting nor running"):
        cancel(token, job)


@pytest.mark.heavy
def test_a_killed_worker_is_lost_the_queue_goes_on_and_a_resumed_job_ends_well(corpus, token):
    job, following = submit(token, SHORT, "first").id, submit(token, SHORT).id
    assert (get_job(job).status, get_job(following).status) == ("running", "queued")
    wait_for(lambda: training_row(job))
    curves = read_curves(get_job(job))
    assert curves.loc[0, ["protocol", "seed", "fold", "epoch"]].tolist() == ["reference", 0, 0, 1]
    assert "folds" in read_log(job)
    pid = get_job(job).pid
    os.killpg(pid, signal.SIGKILL)
    wait_for(lambda: not identity(pid))
    tick()
    assert get_job(job).status == "lost"
    assert "Resume" in get_job(job).message
    assert get_job(following).status == "running"
    assert resume(token, job).status == "queued"
    # From here on nobody asks the queue to go on but the workers themselves.
    ended = wait_for(lambda: (found := get_job(job)).finished and found)
    assert (ended.status, ended.attempt) == ("done", 2), (ended, read_log(job))
    other = get_job(following)
    assert (other.status, other.message) == ("done", "")
    assert ended.message == STORED_BEFORE
    assert ended.model == other.model == Registry().names()[0]
    assert not Registry().has_champion(), "only an administrator puts models in use"
    assert (other.folds_done, other.n_folds, other.epochs_done, other.n_epochs) == (1, 1, 2, 2)
    assert other.peak_memory > 2**27
    assert (other.phase, other.fraction, other.remaining) == ("publish", 1.0, None)
    assert list((corpus.parent).glob("**/*.partial")) == []


@pytest.mark.heavy
def test_a_failed_job_says_why_in_a_sentence(database, token, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVDESS_ROOT", str(tmp_path / "nothing"))
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    job = submit(token, SHORT).id
    wait_for(lambda: get_job(job).finished)
    assert get_job(job).status == "failed"
    assert "does not exist" in get_job(job).message
    assert "failed The corpus folder" in read_log(job)
    assert (tmp_path / "data" / "jobs" / str(job)).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": "best; rm -rf /"}, "no name of a recipe"),
        ({"recipe": "best"}, "no recipe"),
        ({"recipe": ["reference"]}, "recipe is"),
        ({"corpus": 5}, "corpus is '5'"),
        ({"others": "emovo"}, "others is 'emovo'"),
        ({"protocols": ("../..",)}, "no name of a recipe, corpus or protocol"),
        ({"protocols": ("reference", "all")}, "at least one protocol"),
        ({"protocols": ("random",)}, "Choose that protocol too"),
        ({"channels": ("speech", "speech")}, "each once"),
        ({"seeds": ()}, "different seeds"),
        ({"seeds": (-1,)}, "different seeds"),
        ({"seeds": ("0",)}, "seeds is '0'"),
        ({"seeds": (1, 1)}, "different seeds"),
        ({"epochs": 0}, "epochs, not 0"),
        ({"epochs": 1_001}, "epochs, not 1001"),
        ({"epochs": True}, "epochs is 'True'"),
        ({"recipe": "voice", "epochs": 3}, "solved in one step"),
        ({"feedback": True, "channels": ("song",)}, "count as speech"),
        ({"feedback": 1}, "feedback is '1'"),
        ({"studies": True, "protocols": ("reference",)}, "Studies are made with protocol 'speaker-emobox'"),
        ({"studies": True, "channels": ("song",)}, "and clips of speech"),
    ],
)
def test_wishes_that_are_not_on_the_lists_are_refused(idle, token, changes, message):
    with pytest.raises(JobError, match=message):
        submit(token, TrainingSpec(**changes))
    assert list_jobs() == []


def test_notes_that_a_database_can_not_hold_are_refused(idle, token):
    with pytest.raises(JobError, match="notes"):
        submit(token, SHORT, "a\0b")


def test_long_notes_and_long_queues_are_refused(idle, token):
    with pytest.raises(JobError, match="notes"):
        submit(token, SHORT, "x" * 1_001)
    for _ in range(21):
        submit(token, SHORT)
    with pytest.raises(JobError, match="20 jobs are waiting"):
        submit(token, SHORT)


def test_nobody_acts_without_signing_in(idle, token):
    job = submit(token, SHORT).id
    for act in (lambda: submit("guess", SHORT), lambda: cancel("guess", job), lambda: resume("", job)):
        with pytest.raises(NotSignedIn):
            act()
    assert [(found.id, found.status) for found in list_jobs()] == [(job, "running")]


def test_a_number_that_was_given_to_another_process_does_not_pass_for_the_worker(idle, token):
    job = submit(token, SHORT).id
    tick()
    assert get_job(job).status == "running"
    with writing() as connection:
        connection.execute(sa.update(jobs).values(process="another boot 1"))
    tick()
    assert get_job(job).status == "lost"
    assert idle[0].poll() is None, "the other process is left alone"


def test_a_job_whose_starter_died_before_its_worker_is_lost_and_nobody_else_ended(idle, token, monkeypatch):
    job = submit(token, SHORT).id
    with writing() as connection:
        connection.execute(sa.update(jobs).values(pid=None, claimer=idle[0].pid, process=identity(idle[0].pid)))
    reconcile()
    assert get_job(job).status == "running"
    idle[0].kill()
    wait_for(lambda: not identity(idle[0].pid))
    monkeypatch.setattr(queue, "end_orphans", lambda _: pytest.fail("the starter's family is not the worker's"))
    reconcile()
    assert get_job(job).status == "lost"


def test_a_worker_that_takes_over_while_its_starter_ends_is_not_lost(idle, token):
    seen = submit(token, SHORT)
    queue.update(seen, pid=idle[0].pid, process="of the worker")
    queue.bury(seen)
    assert get_job(seen.id).status == "running"


def test_a_zombie_is_gone(idle, token):
    job = submit(token, SHORT).id
    idle[0].kill()
    wait_for(lambda: not identity(idle[0].pid))
    reconcile()
    assert get_job(job).status == "lost"


def test_jobs_of_other_machines_are_lost_after_a_silence(idle, token):
    job = submit(token, SHORT).id
    with writing() as connection:
        connection.execute(sa.update(jobs).values(host="another"))
    tick()
    assert get_job(job).status == "running"
    silent = now() - datetime.timedelta(minutes=3)
    with writing() as connection:
        connection.execute(sa.update(jobs).values(heartbeat=silent))
    tick()
    assert get_job(job).status == "lost"
    assert get_job(job).finished == silent


def test_a_clock_that_was_ahead_hides_no_lost_job(idle, token):
    job = submit(token, SHORT).id
    with writing() as connection:
        connection.execute(sa.update(jobs).values(host="another", heartbeat=now() + datetime.timedelta(days=1)))
    tick()
    assert get_job(job).status == "lost"


def test_no_time_is_negative(idle, token):
    job = submit(token, SHORT)
    ahead = dataclasses.replace(job, started=now() + datetime.timedelta(days=1))
    queue.finish(ahead, "failed")
    assert get_job(job.id).elapsed == 0


def test_what_a_killed_worker_shared_with_its_own_is_removed(idle, token, monkeypatch):
    job = submit(token, SHORT)
    started = []
    monkeypatch.setattr(processes.subprocess, "Popen", lambda *_, **options: started.append(options) or idle[0])
    processes.start_worker(job.id, job.attempt)
    shared = Path(started[0]["env"]["JOBLIB_TEMP_FOLDER"])
    assert shared.parent == processes.job_folder(job.id)
    (shared / "joblib_memmapping_folder").mkdir(parents=True)
    idle[0].kill()
    idle[0].wait()
    tick()
    assert get_job(job.id).status == "lost"
    assert not shared.exists()


def test_the_queue_runs_in_order_and_a_resumed_job_waits_its_turn(idle, token):
    first, second, third = (submit(token, SHORT).id for _ in range(3))
    queue.finish(get_job(first), "failed", message="no")
    assert tick().id == second
    resume(token, first)
    queue.finish(get_job(second), "done")
    assert tick().id == third
    queue.finish(get_job(third), "done")
    assert tick().id == first
    with pytest.raises(JobError, match="cannot be resumed"):
        resume(token, third)


def test_an_old_attempt_writes_nothing_any_more(idle, token):
    job = submit(token, SHORT)
    queue.finish(job, "lost")
    resume(token, job.id)
    assert get_job(job.id).attempt == 2
    assert not queue.update(job, phase="folds")
    assert not queue.finish(job, "done", model="reference-00000000")
    assert (get_job(job.id).status, get_job(job.id).phase) == ("running", "")


def test_estimates_come_from_finished_jobs_alike(idle, token):
    assert estimate(SHORT) is None
    for seconds in (10.0, 30.0, 20.0):
        job = submit(token, SHORT)
        queue.update(job, training_seconds=seconds, epochs_trained=10, started=now() - datetime.timedelta(seconds=60))
        queue.finish(get_job(job.id), "done")
    five_folds = TrainingSpec(protocols=("reference", "speaker-emobox"), epochs=3, channels=("speech",))
    assert five_folds.n_epochs == 21
    assert dataclasses.replace(five_folds, others=("emovo",), tried=("turev",), seeds=(0, 1)).n_epochs == 2 * (21 + 6)
    assert estimate(five_folds) == pytest.approx(2.0 * 21 + 40, abs=2)
    assert estimate(TrainingSpec()) is None


def test_mean_curves_are_those_of_the_protocol_that_counts():
    rows = [("reference", 0, 1, 0.9), ("speaker-emobox", 0, 1, 0.4), ("speaker-emobox", 1, 1, 0.6)]
    history = pd.DataFrame(rows, columns=["protocol", "fold", "epoch", "val_accuracy"]).assign(val_loss=1.0)
    assert mean_curves(history, TrainingSpec())["val_accuracy"].tolist() == [0.5]
    assert mean_curves(history[:1], TrainingSpec())["val_accuracy"].tolist() == [0.9]
    assert mean_curves(history[:0], TrainingSpec()).empty


def test_log_and_curves_before_anything_began(idle, token):
    job = submit(token, SHORT)
    assert read_log(job.id) == ""
    assert read_curves(job).empty
    queue.update(job, run="../../etc")
    assert read_curves(get_job(job.id)).empty


@pytest.mark.heavy
def test_a_worker_without_its_claim_does_nothing(idle, token):
    job = submit(token, SHORT)
    command = [sys.executable, "-m", "core", "job", str(job.id), "--attempt", "7"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "is not running any more" in result.stderr


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(corpus, token):
    rng = random.Random(0)
    spec = TrainingSpec(protocols=("reference", "random"), epochs=12, channels=("speech",))
    job = submit(token, spec).id
    for _ in range(20):
        time.sleep(rng.uniform(0.1, 20))
        current = get_job(job)
        if current.status == "running" and processes.is_worker(current.pid, job, current.attempt):
            os.kill(current.pid, signal.SIGKILL)
            wait_for(lambda pid=current.pid: not identity(pid))
        tick()
        for name in Registry().names():
            Registry().load(name)
        if get_job(job).status == "done":
            job = submit(token, TrainingSpec(**spec.to_json() | {"epochs": 12 + job})).id
        elif get_job(job).status == "lost":
            resume(token, job)
        assert get_job(job).status in ("running", "queued")
    ended = wait_for(lambda: (found := get_job(job)).finished and found, 900)
    assert ended.status == "done", read_log(job)
    assert Registry().load(ended.model).name == ended.model


@pytest.mark.slow
@pytest.mark.parametrize("victims", ["server", "server and worker"])
def test_a_server_that_is_killed_leaves_its_job_to_the_next_one(corpus, token, victims):
    server = subprocess.Popen([sys.executable, "-c", SUBMIT + "import time; time.sleep(600)", token], cwd=ROOT)
    wait_for(lambda: (found := running_job()) and found.pid)
    job = running_job()
    server.kill()
    server.wait()
    if victims == "server and worker":
        os.killpg(job.pid, signal.SIGKILL)
        wait_for(lambda: not identity(job.pid))
        tick()
        assert get_job(job.id).status == "lost"
        resume(token, job.id)
    wait_for(lambda: training_row(job.id))
    assert cancel(token, job.id).status == "cancelled"
