import datetime
import os

import pytest
import sqlalchemy as sa

from core.operations.access import audit
from core.operations.database import now, reading, writing
from core.operations.jobs.process import job_folder
from core.operations.retention import AUDIT_LIFE, LOG_LIFE, MAX_AUDIT, RUN_LIFE, prune, rule
from core.operations.tables import audit as entries
from core.operations.tables import jobs


def age(path, life: datetime.timedelta) -> None:
    """Let a folder look as if nothing in it was written for longer than it is kept."""
    then = (now() - life).timestamp() - 60
    for one in (*path.rglob("*"), path):
        os.utime(one, (then, then))


def add_job(status: str, run: str) -> int:
    values = {"spec": {}, "actor": "admin", "status": status, "run": run, "created": now(), "queued": now()}
    with writing() as connection:
        return int(connection.execute(sa.insert(jobs).values(**values).returning(jobs.c.id)).scalar_one())


def test_old_entries_of_the_audit_go_and_new_ones_stay(database):
    audit.record("admin", "new")
    with writing() as connection:
        old = {"actor": "admin", "subject": "", "detail": "", "time": now() - AUDIT_LIFE - datetime.timedelta(days=1)}
        connection.execute(sa.insert(entries).values(action="old", **old))
    assert prune() == 1
    with reading() as connection:
        assert connection.scalars(sa.select(entries.c.action)).all() == ["new"]


def test_of_too_many_entries_the_newest_stay(database, monkeypatch):
    monkeypatch.setattr("core.operations.retention.MAX_AUDIT", 3)
    for k in range(5):
        audit.record("admin", str(k))
    assert prune() == 2
    with reading() as connection:
        assert connection.scalars(sa.select(entries.c.action)).all() == ["2", "3", "4"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_trainings_left_goes_unless_one_needs_it_or_it_is_new(database, tmp_path):
    runs = tmp_path / "data" / "runs"
    names = ("voice-0000000a", "voice-0000000b", "voice-0000000c", "not a run")
    for name in names:
        (runs / name / "random").mkdir(parents=True)
        (runs / name / "random" / "history.csv").write_text("epoch")
    for name in names[:2] + names[3:]:
        age(runs / name, RUN_LIFE)
    needed = add_job("queued", names[1])
    ended = add_job("failed", "")
    for job in (needed, ended):
        job_folder(job).mkdir(parents=True)
        (job_folder(job) / "log.txt").write_text("log")
        age(job_folder(job), LOG_LIFE)
    assert prune() == 2
    assert sorted(path.name for path in runs.iterdir()) == sorted(names[1:])
    assert [job_folder(job).is_dir() for job in (needed, ended)] == [True, False]


def test_the_rule_says_what_is_done():
    said = rule()
    for number in (f"{MAX_AUDIT:,}", AUDIT_LIFE.days, RUN_LIFE.days, LOG_LIFE.days):
        assert f"{number} " in said
