import datetime
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock

from core.errors import DatabaseError
from core.labels import EMOTIONS
from core.operations import database as database_module
from core.operations import schema, tables
from core.operations.access import audit
from core.operations.access.passwords import hash_password
from core.operations.access.sessions import require_admin
from core.operations.access.sign_in import sign_in, waiting_time
from core.operations.database import close_database, database_url, now, reading, writing
from core.operations.feedback import entries
from core.operations.jobs.record import get_job, list_jobs, running_job
from core.operations.spec import TrainingSpec
from core.operations.tables import UtcTime, jobs, metadata
from tests.conftest import ROOT

TIME = datetime.datetime(2026, 7, 1, 1, 30)
PROBABILITIES = {emotion: 1 / len(EMOTIONS) for emotion in EMOTIONS}
SPEC = TrainingSpec(epochs=3, feedback=True)
PASSWORD = "a password of version 0.1.0"
TOKEN = "a token of version 0.1.0"
OPEN = """
import sys
from core.operations.database import reading
with reading():
    print("alembic" in sys.modules)
"""
OPEN_WITHOUT_ROOM = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
{OPEN}
"""
REVISION = """
import sqlalchemy as sa
from alembic import op
revision = "9001"
down_revision = "{}"
def upgrade():
    op.create_table("half", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("audit", sa.Column("more", sa.Text()))
    op.execute("delete from feedback")
    {}
"""


only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def old_rows():
    """Rows for every table of version 0.1.0, each column with a value of its own."""
    used = now().replace(tzinfo=None)
    numbers = {"attempt": 2, "folds_done": 3, "n_folds": 4, "epochs_done": 5, "n_epochs": 6, "epochs_trained": 7}
    measured = {"fraction": 0.5, "remaining": 1.5, "elapsed": 9.5, "training_seconds": 8.5, "peak_memory": 2**40}
    texts = {name: f"{name} 'ä'" for name in ("actor", "notes", "host", "process", "phase", "part", "run", "model")}
    times = {name: TIME + datetime.timedelta(hours=k) for k, name in enumerate(("created", "queued", "started"))}
    job = {"spec": SPEC.to_json(), "status": "done", "cancel_requested": False, "claimer": 8, "pid": 9, "message": "m"}
    job |= numbers | measured | texts | times
    said = {"time": TIME, "label": "happy", "answer": "sad", "probabilities": PROBABILITIES, "model": "voice-00000000"}
    said |= {"clip": "0" * 64, "container": "wav", "size": 2**29}
    done = {"time": TIME, "actor": "admin", "action": "promote", "subject": "voice", "detail": "first"}
    token_hash = hashlib.sha256(TOKEN.encode()).hexdigest()
    return {
        "jobs": [job, job | {"status": "running"}, job | {"status": "queued", "started": None}],
        "throttle": [{"name": "admin", "failures": 7, "not_before": used + datetime.timedelta(seconds=50)}],
        "credentials": [{"name": "admin", "hash": hash_password(PASSWORD), "created": TIME}],
        "sessions": [{"token_hash": token_hash, "actor": "admin", "opened": used, "last_used": used}],
        "audit": [done, done | {"detail": "second"}],
        "feedback": [said, said | {"container": "", "size": 0}],
    }


def connect():
    """Open a transaction past the app's code."""
    return sa.create_engine(database_url(), poolclass=sa.NullPool).begin()


def make_tables(kind):
    """Make the tables of version 0.1.0."""
    if kind == "sqlite":
        Path(database_url().database).parent.mkdir(exist_ok=True)
    script = (ROOT / "tests" / "data" / f"schema-0.1.0-{kind}.sql").read_text()
    with connect() as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.exec_driver_sql(statement)


@pytest.fixture
def old(database):
    """A database of version 0.1.0 with rows in every table; its kind."""
    make_tables(database)
    with connect() as connection:
        for name, rows in old_rows().items():
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            for row in rows:
                connection.execute(sa.insert(table).values(row))
    return database


def open_database():
    """Open the database as a start of the app does."""
    close_database()
    with reading():
        pass


def contents():
    """All rows of all tables."""
    tables = sa.MetaData()
    with connect() as connection:
        tables.reflect(connection)
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table))] for table in tables.sorted_tables
        }


def _texts(index):
    return {name: str(value) for name, value in index.get("dialect_options", {}).items()}


def structure():
    """What the database says of its tables."""
    with connect() as connection:
        seen = sa.inspect(connection)
        counted = "select name from sqlite_master where sql like '%autoincrement%' order by name"
        sqlite = connection.dialect.name == "sqlite"
        return {
            "counted": connection.scalars(sa.text(counted)).all() if sqlite else [],
            **{
                name: (
                    [column | {"type": str(column["type"])} for column in seen.get_columns(name)],
                    seen.get_pk_constraint(name)["constrained_columns"],
                    [index | {"dialect_options": _texts(index)} for index in seen.get_indexes(name)],
                    seen.get_check_constraints(name),
                )
                for name in seen.get_table_names()
            },
        }


def revisions():
    """What the database says of its revision."""
    with connect() as connection:
        return connection.scalars(sa.text("select version_num from alembic_version")).all()


def copies(tmp_path):
    return sorted(path.name for path in (tmp_path / "data").glob("soundweb-*"))


def add_revision(tmp_path, monkeypatch, last="pass"):
    """Give the app a revision more than it has."""
    shutil.copytree(schema.MIGRATIONS, tmp_path / "migrations")
    text = REVISION.format(schema.list_revisions()[-1], last)
    (tmp_path / "migrations" / "versions" / "9001_more.py").write_text(text)
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path / "migrations")


def test_a_database_of_0_1_0_loses_nothing(old):
    before = contents()
    open_database()
    new = {name: [] for name in set(metadata.tables) - schema.FIRST_TABLES}
    assert new
    assert contents() == before | new | {"alembic_version": [(schema.list_revisions()[-1],)]}
    assert {name: len(rows) for name, rows in before.items()} == {name: len(rows) for name, rows in old_rows().items()}


def test_rows_of_0_1_0_are_read_by_the_functions_of_today(old, monkeypatch):
    rows = old_rows()
    assert require_admin(TOKEN) == "admin"
    assert [entry.detail for entry in audit.list_entries(TOKEN)] == ["second", "first"]
    kept, other = entries.list_kept(), entries.list_feedback(TOKEN)
    assert [entry.id for entry in kept] == [1]
    assert [entry.id for entry in other] == [2, 1]
    assert (kept[0].probabilities, kept[0].size, kept[0].time) == (
        PROBABILITIES,
        2**29,
        TIME.replace(tzinfo=datetime.UTC),
    )
    assert [job.status for job in list_jobs()] == ["queued", "running", "done"]
    assert running_job().id == 2
    job = get_job(1)
    assert job.spec == SPEC
    for name, value in rows["jobs"][0].items():
        if isinstance(value, datetime.datetime):
            assert getattr(job, name) == value.replace(tzinfo=datetime.UTC)
        elif name != "spec":
            assert getattr(job, name) == value
    assert 0 < waiting_time() <= 50
    monkeypatch.setattr("core.operations.access.sign_in.now", lambda: now() + datetime.timedelta(minutes=1))
    assert require_admin(sign_in(PASSWORD)) == "admin"


def test_numbers_go_on_after_the_last_of_0_1_0_even_where_it_was_deleted(old):
    entries.delete(TOKEN, 2)
    entries.add("calm", PROBABILITIES, model="voice-00000000", clip="1" * 64)
    assert [entry.id for entry in entries.list_feedback(TOKEN)] == [3, 1]
    with writing() as connection:
        values = {"spec": {}, "actor": "admin", "created": now(), "queued": now(), "status": "queued"}
        assert connection.execute(sa.insert(jobs).values(values)).inserted_primary_key == (4,)
    assert [entry.action for entry in audit.list_entries(TOKEN)] == ["delete feedback", "promote", "promote"]


def test_a_database_of_0_1_0_becomes_what_a_fresh_one_is(database, tmp_path):
    make_tables(database)
    open_database()
    upgraded = structure()
    close_database()
    if database == "sqlite":
        shutil.rmtree(tmp_path / "data")
    else:
        with connect() as connection:
            seen = sa.MetaData()
            seen.reflect(connection)
            seen.drop_all(connection)
    open_database()
    assert structure() == upgraded
    assert revisions() == schema.list_revisions()[-1:]
    assert copies(tmp_path) == []


def test_revisions_and_tables_in_code_say_the_same(database):
    with reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_files_of_revisions_are_numbered_in_their_order():
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())[::-1]
    assert [script.revision for script in scripts] == schema.list_revisions()
    assert [Path(script.path).name[:4] for script in scripts] == [f"{k:04}" for k in range(1, len(scripts) + 1)]


@only_sqlite
def test_a_copy_of_the_file_is_kept_before_an_upgrade(old, tmp_path):
    before, started = contents(), now().replace(microsecond=0)
    open_database()
    (name,) = copies(tmp_path)
    time = datetime.datetime.strptime(name, "soundweb-0001-%Y-%m-%dT%H%M%SZ.db").replace(tzinfo=datetime.UTC)
    assert started <= time <= now()
    copy = tmp_path / "data" / name
    assert copy.stat().st_mode & 0o777 == 0o600
    Path(database_url().database).write_bytes(copy.read_bytes())
    assert contents() == before


@only_sqlite
def test_without_room_for_the_copy_nothing_is_upgraded(old, tmp_path):
    with connect() as connection:
        connection.execute(sa.text("update jobs set notes = :notes"), {"notes": "n" * 60_000})
    before = contents()
    command = [sys.executable, "-c", OPEN_WITHOUT_ROOM]
    start = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert start.returncode == 1
    assert "cannot be copied before its upgrade" in start.stderr
    assert contents() == before
    assert copies(tmp_path) == []


@pytest.mark.heavy
def test_a_start_after_the_upgrade_does_nothing_and_needs_no_alembic(old, tmp_path):
    command = [sys.executable, "-c", OPEN]
    starts = [subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout for _ in range(2)]
    assert starts == ["True\n", "False\n"]
    assert len(copies(tmp_path)) == (old == "sqlite")


@pytest.mark.heavy
def test_of_servers_that_start_at_once_one_upgrades(old, tmp_path):
    command = [sys.executable, "-c", OPEN]
    servers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [server.communicate(timeout=120)[0] for server in servers]
    assert [server.returncode for server in servers] == [0] * 4
    assert sorted(said) == ["False\n"] * 3 + ["True\n"]
    assert revisions() == schema.list_revisions()[-1:]
    assert len(copies(tmp_path)) == (old == "sqlite")


@only_sqlite
def test_a_start_that_waits_too_long_for_another_one_says_so(old, monkeypatch):
    monkeypatch.setattr(database_module, "OPEN_TIMEOUT", 0.1)
    path = Path(database_url().database)
    with FileLock(path.with_name(f"{path.name}.lock")), pytest.raises(DatabaseError, match="Another process"):
        open_database()


@pytest.mark.parametrize("is_upgraded", [False, True])
@pytest.mark.parametrize("last", ['op.execute("insert into nowhere values (1)")', "1 / 0"])
def test_a_revision_that_fails_leaves_everything_as_it_was(old, tmp_path, monkeypatch, last, is_upgraded):
    if is_upgraded:
        open_database()
        close_database()
    before, kept = (contents(), structure()), copies(tmp_path)
    with monkeypatch.context() as patch:
        add_revision(tmp_path, patch, last)
        with pytest.raises(DatabaseError, match=r"to 9001 and stays as it was \(.*(nowhere|division)"):
            open_database()
    assert (contents(), structure()) == before
    assert copies(tmp_path) == kept
    open_database()
    assert revisions() == schema.list_revisions()[-1:]


def test_a_further_revision_is_carried_out(old, tmp_path, monkeypatch):
    open_database()
    before = contents()
    known = schema.list_revisions()[-1]
    add_revision(tmp_path, monkeypatch)
    open_database()
    after = contents()
    assert (after["half"], after["feedback"], after["alembic_version"]) == ([], [], [("9001",)])
    assert after["audit"] == [(*row, None) for row in before["audit"]]
    assert after["jobs"] == before["jobs"]
    if old == "sqlite":
        assert [name[:14] for name in copies(tmp_path)] == ["soundweb-0001-", f"soundweb-{known}-"]


def test_a_database_of_a_newer_version_is_refused(old, tmp_path):
    open_database()
    close_database()
    with connect() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    before, kept = contents(), copies(tmp_path)
    with pytest.raises(DatabaseError, match=r"revision 9999.*Start the newer version"):
        open_database()
    assert contents() == before
    assert copies(tmp_path) == kept


def test_a_database_with_some_of_the_tables_is_refused(old):
    with connect() as connection:
        connection.execute(sa.text("drop table feedback"))
    before = contents()
    with pytest.raises(DatabaseError, match=r"but not feedback\. Restore a copy"):
        open_database()
    assert contents() == before


def test_a_table_that_is_new_in_code_is_written_as_a_revision(database, tmp_path, monkeypatch, capsys):
    shutil.copytree(schema.MIGRATIONS, tmp_path / "migrations")
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path / "migrations")
    grown = sa.MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(grown)
    sa.Table("visits", grown, sa.Column("id", sa.Integer, primary_key=True), sa.Column("time", UtcTime, index=True))
    monkeypatch.setattr(tables, "metadata", grown)
    with reading() as connection:
        schema.write_revision(connection, "Visits")
    number = f"{len(schema.list_revisions()):04}"
    written = (tmp_path / "migrations" / "versions" / f"{number}_visits.py").read_text()
    assert 'sa.Column("time", sa.DateTime()' in written.replace("'", '"')
    assert "op.batch_alter_table" in written
    open_database()
    assert revisions() == [number]
    with reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), grown) == []
