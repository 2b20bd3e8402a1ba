import contextlib
import datetime
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from core.errors import DatabaseError, NotSignedIn
from core.operations import database as module
from core.operations.access import audit, sessions
from core.operations.access.sessions import open_session, require_admin
from core.operations.database import close_database, database_url, describe_database, now, reading, writing
from core.operations.tables import jobs
from tests.conftest import ROOT

RECORD = """
import sys
from core.operations.access import audit
for k in range(20):
    audit.record(sys.argv[1], "write", str(k))
"""


def insert_job(status):
    with writing() as connection:
        values = {"spec": {}, "actor": "admin", "created": now(), "queued": now()}
        connection.execute(sa.insert(jobs).values(status=status, **values))


@pytest.mark.heavy
def test_several_processes_make_and_write_the_database_at_once(database, token):
    names = [f"process {k}" for k in range(4)]
    writers = [subprocess.Popen([sys.executable, "-c", RECORD, name], cwd=ROOT) for name in names]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    entries = [entry for entry in audit.list_entries(token) if entry.action == "write"]
    assert sorted({entry.actor for entry in entries}) == names
    assert len(entries) == 80
    assert [e.subject for e in entries if e.actor == "process 0"] == [str(k) for k in range(19, -1, -1)]


def test_only_one_job_runs_by_the_databases_own_rule(database):
    insert_job("running")
    insert_job("queued")
    insert_job("queued")
    with pytest.raises(sa.exc.IntegrityError):
        insert_job("running")
    with pytest.raises(sa.exc.IntegrityError), writing() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.status == "queued").values(status="running"))
    with pytest.raises(sa.exc.IntegrityError):
        insert_job("resting")


def test_times_come_back_as_they_were_in_utc(database):
    insert_job("done")
    elsewhere = datetime.datetime(2026, 7, 1, 1, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    with writing() as connection:
        connection.execute(sa.update(jobs).values(started=elsewhere))
    with reading() as connection:
        row = connection.execute(sa.select(jobs)).one()
    assert row.started == elsewhere
    assert row.started.utcoffset() == datetime.timedelta(0)
    assert abs(row.created - now()) < datetime.timedelta(seconds=20)
    assert row.finished is None


def test_a_failed_transaction_leaves_nothing(database, token):
    def fail():
        with writing() as connection:
            audit.record("admin", "half", within=connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert audit.list_entries(token) == []


def test_the_file_is_private_and_writes_do_not_block_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    insert_job("queued")
    assert (tmp_path / "soundweb.db").stat().st_mode & 0o777 == 0o600
    with writing() as writer, reading() as reader:
        writer.execute(sa.delete(jobs))
        assert reader.scalar(sa.select(sa.func.count()).select_from(jobs)) == 1
    close_database()


@pytest.mark.parametrize(
    ("value", "driver"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg2://u:p@h/d", "postgresql+psycopg"),
        ("sqlite:////tmp/x.db", "sqlite"),
    ],
)
def test_addresses_are_understood(monkeypatch, value, driver):
    monkeypatch.setenv("DATABASE_URL", value)
    assert database_url().drivername == driver
    assert ":p@" not in describe_database()


def test_a_password_among_the_parameters_of_an_address_is_not_shown(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d?password=secret&sslpassword=secret")
    assert describe_database() == "postgresql+psycopg://u@h/d"


@pytest.mark.parametrize("value", ["mysql://h/d", "nonsense", "sqlite://", "postgresql://h:port/d"])
def test_other_addresses_are_refused(monkeypatch, value):
    monkeypatch.setenv("DATABASE_URL", value)
    with pytest.raises(DatabaseError, match="DATABASE_URL"):
        database_url()


def test_a_server_that_is_not_there_is_a_sentence_without_its_password(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://soundweb:secret@127.0.0.1:1/none")
    with pytest.raises(DatabaseError, match="cannot be used") as error, reading():
        pass
    assert "secret" not in str(error.value)


def test_a_folder_that_can_not_be_made_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(DatabaseError, match="cannot be written"), reading():
        pass


def test_a_lock_that_another_one_keeps_is_a_sentence(database, monkeypatch):
    monkeypatch.setattr(module, "BUSY_TIMEOUT", 1)
    insert_job("queued")
    touch = sa.update(jobs).values(actor="somebody")
    with writing() as first:
        first.execute(touch)
        with pytest.raises(DatabaseError, match="cannot be used"), writing() as second:
            second.execute(touch)
    insert_job("done")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_where_all_connections_are_taken_that_is_a_sentence(database, monkeypatch):
    monkeypatch.setattr(module, "BUSY_TIMEOUT", 1)
    with contextlib.ExitStack() as stack:

        def take_all() -> None:
            for _ in range(50):
                stack.enter_context(reading())

        with pytest.raises(DatabaseError, match="cannot be used") as error:
            take_all()
    assert "Pool" not in error.value.told


def test_an_opening_that_does_not_end_keeps_others_no_longer_than_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(module, "OPEN_TIMEOUT", 0.1)
    came, go_on = threading.Event(), threading.Event()

    def upgrade(_: sa.Connection) -> None:
        came.set()
        go_on.wait(20)

    monkeypatch.setattr(module, "update_schema", upgrade)

    def open_it() -> None:
        with reading():
            pass

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(open_it)
        came.wait(20)
        with pytest.raises(DatabaseError, match="opening or upgrading"):
            open_it()
        go_on.set()
        first.result()
    close_database()


def test_sessions_end_by_a_long_pause_but_not_by_use(database, monkeypatch, token):
    clock = [now()]
    monkeypatch.setattr(sessions, "now", lambda: clock[0])
    for _ in range(3):
        clock[0] += datetime.timedelta(minutes=29)
        assert require_admin(token) == "admin"
    clock[0] += datetime.timedelta(minutes=29)
    assert require_admin(token, is_active=False) == "admin"
    clock[0] += datetime.timedelta(minutes=2)
    with pytest.raises(NotSignedIn, match="has ended"):
        require_admin(token)


def test_sessions_of_a_clock_that_was_ahead_end(database, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sessions, "now", lambda: now() + datetime.timedelta(days=365))
        with writing() as connection:
            token = open_session("admin", connection)
    with pytest.raises(NotSignedIn, match="has ended"):
        require_admin(token)


@pytest.mark.parametrize("wrong", [None, "", "guess", 7])
def test_other_tokens_are_refused(database, token, wrong):
    with pytest.raises(NotSignedIn):
        require_admin(wrong)


def test_tokens_are_not_in_the_database(tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with writing() as connection:
        token = open_session("admin", connection)
    close_database()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"admin" in stored
    assert token.encode() not in stored


def test_audit_is_for_administrators(database):
    with pytest.raises(NotSignedIn):
        audit.list_entries("")
    audit.record("x" * 1_000, "long")


@pytest.mark.heavy
def test_importing_operations_reads_no_configuration():
    environment = os.environ | {"DATABASE_URL": "nonsense"}
    code = "import core.operations.jobs.control, core.operations.access.sign_in, core.operations.feedback.entries"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
