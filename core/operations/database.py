"""The database: SQLite in the data folder, or PostgreSQL where ``DATABASE_URL`` names one that several servers share.

Tables are made, or brought to the newest revision, at first use. Times are UTC and aware. What must never happen (two
jobs running at once, two passwords) is forbidden by the tables themselves, so it holds for any number of processes and
servers.
"""

import contextlib
import datetime
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from filelock import FileLock, Timeout

from core.config import data_folder
from core.errors import DatabaseError
from core.operations.schema import update_schema
from core.settings import read_text

SQLITE_FILE: Final = "soundweb.db"
BUSY_TIMEOUT: Final = 5
"""Longest wait for a connection, or for another one's write, in seconds: people wait for what waits for it."""
STATEMENT_TIMEOUT: Final = 60
"""Longest time that a statement takes in PostgreSQL, in seconds."""
OPEN_TIMEOUT: Final = 15
"""Longest wait for another process, or thread, that opens or upgrades the database, in seconds."""
SCHEMA_LOCK: Final = 7_685_221
"""Number of the advisory lock under which one process makes or changes the tables in PostgreSQL."""

_engines: dict[str, sa.Engine] = {}
_engines_lock = threading.Lock()


def database_url() -> sa.URL:
    """Return where the database is.

    Raises
    ------
    DatabaseError
        If ``DATABASE_URL`` names neither PostgreSQL nor SQLite.
    """
    configured = read_text("DATABASE_URL")
    if not configured:
        return sa.URL.create("sqlite", database=str((data_folder() / SQLITE_FILE).absolute()))
    try:
        url = sa.make_url(configured)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise DatabaseError("DATABASE_URL is not an address like 'postgresql://user:password@host/name'.") from error
    kind = url.drivername.partition("+")[0]
    if kind in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and url.database:
        return url.set(drivername="sqlite")
    raise DatabaseError(f"DATABASE_URL names a database of kind {kind!r}. Use postgresql:// or leave it unset.")


def describe_database() -> str:
    """Return where the database is, without a password; parameters can hold one too."""
    return database_url().set(query={}).render_as_string(hide_password=True)


def require_database() -> str:
    """Return where the database is, for the console.

    Raises
    ------
    DatabaseError
        If there is none yet: a shell beside a server may lack its settings.
    """
    url = database_url()
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise DatabaseError(
            f"There is no database at {describe_database()} yet. Give this command the SOUNDWEB_DATA or DATABASE_URL "
            "of the server, or start the server first."
        )
    return describe_database()


@contextlib.contextmanager
def reading(*, at_one_moment: bool = False) -> Iterator[sa.Connection]:
    """Open a connection for queries.

    Parameters
    ----------
    at_one_moment : bool
        Whether all queries see the database as of the first one; with SQLite they do anyway.

    Yields
    ------
    sqlalchemy.Connection

    Raises
    ------
    DatabaseError
        If the database cannot be used.
    """
    with _said_plainly(), _engine().connect() as connection:
        if at_one_moment and connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection.execution_options(reads_only=True)


@contextlib.contextmanager
def writing() -> Iterator[sa.Connection]:
    """Open a transaction: all of it is kept, or nothing after an error.

    Yields
    ------
    sqlalchemy.Connection

    Raises
    ------
    DatabaseError
        If the database cannot be used.
    """
    with _said_plainly(), _engine().begin() as connection:
        yield connection


def now() -> datetime.datetime:
    """Return the time, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def close_database() -> None:
    """Close all connections of this process; they open again when needed."""
    with _engines_lock:
        for engine in _engines.values():
            engine.dispose()
        _engines.clear()


@contextlib.contextmanager
def _said_plainly() -> Iterator[None]:
    """Turn what a user can mend into a sentence; broken constraints are the callers' business."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.Error) as error:
        original = getattr(error, "orig", error)
        if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError) or _is_wrong_statement(error):
            raise
        reason = str(original).strip().partition("\n")[0]
        raise DatabaseError(
            f"The database {describe_database()} cannot be used ({reason}). Check DATABASE_URL, rights and free space.",
            reason if isinstance(original, sqlite3.Error) else "",  # PostgreSQL's reasons name hosts and users
        ) from error


def _is_wrong_statement(error: Exception) -> bool:
    """Tell whether a statement was at fault, not the database; tables that are gone are the database's fault."""
    missing = ("42P01", "3F000")
    return isinstance(error, sa.exc.ProgrammingError) and getattr(error.orig, "sqlstate", None) not in missing


def _engine() -> sa.Engine:
    """Return the engine of the configured database, with its tables up to date."""
    url = database_url()
    key = url.render_as_string(hide_password=False)
    if not _engines_lock.acquire(timeout=OPEN_TIMEOUT):
        raise _opened_elsewhere(url)
    try:
        if key not in _engines:
            make = _sqlite_engine if url.drivername == "sqlite" else _postgres_engine
            try:
                _engines[key] = make(url)
            except Timeout as error:
                raise _opened_elsewhere(url) from error
            except OSError as error:
                raise DatabaseError(f"The file {url.database!r} cannot be written: {error.strerror}.") from error
        return _engines[key]
    finally:
        _engines_lock.release()


def _opened_elsewhere(url: sa.URL) -> DatabaseError:
    return DatabaseError(
        f"Another process or thread has been opening or upgrading {url.database!r} for {OPEN_TIMEOUT} s. "
        "Try again in a minute."
    )


def _postgres_engine(url: sa.URL) -> sa.Engine:
    try:
        engine = sa.create_engine(
            url, pool_pre_ping=True, pool_timeout=BUSY_TIMEOUT, connect_args={"connect_timeout": BUSY_TIMEOUT}
        )
    except ModuleNotFoundError as error:
        raise DatabaseError("PostgreSQL needs psycopg. Install it with: pip install 'psycopg[binary]'") from error
    sa.event.listen(engine, "connect", _prepare_postgres)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{OPEN_TIMEOUT}s'")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))
            update_schema(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _prepare_postgres(connection: Any, record: object) -> None:
    """Bound what statements wait for, and take; a pooler before the server may refuse this as a connection's option."""
    del record
    connection.execute(f"SET lock_timeout = '{BUSY_TIMEOUT}s'")
    connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}s'")
    connection.commit()


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    """Open SQLite: a file for its owner alone, readers beside one writer, writers that wait for each other."""
    path = Path(str(url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    # A file that is gone must not be made anew, empty, while its owner looks for it: it is missing until it is back.
    existing = f"{path.absolute().as_uri()}?mode=rw"
    engine = sa.create_engine(
        url, poolclass=sa.NullPool, creator=lambda: sqlite3.connect(existing, timeout=BUSY_TIMEOUT, uri=True)
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    # Switching to the write-ahead log does not wait for other processes, so they take turns.
    with FileLock(path.with_name(f"{path.name}.lock"), timeout=OPEN_TIMEOUT):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with engine.connect() as connection:
            connection.connection.driver_connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[union-attr]
        with engine.begin() as connection:
            update_schema(connection)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    """Set what SQLite forgets with each connection, and leave transactions to ``_begin_sqlite``."""
    del record
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads and then writes would fail, not wait, where another one wrote in between.
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
