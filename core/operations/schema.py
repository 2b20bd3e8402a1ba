"""The revision of the tables, and the way from an older one to the newest.

A revision is a file of ``migrations/versions``, named by its number. Alembic carries them out; it is imported only
where there is something to carry out, so a start on a database that is up to date costs two queries.
"""

import datetime
import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from core.errors import DatabaseError
from core.files import partial_of

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS: Final = Path(__file__).with_name("migrations")
FIRST_REVISION: Final = "0001"
FIRST_TABLES: Final = frozenset({"audit", "credentials", "feedback", "jobs", "sessions", "throttle"})
"""Tables of version 0.1.0, which wrote no revision."""

_version: Final = sa.table("alembic_version", sa.column("version_num", sa.String))
_log: Final = logging.getLogger(__name__)


def update_schema(connection: sa.Connection) -> None:
    """Bring the tables of a database to the newest revision; an empty database gets all of them.

    An SQLite file that holds something is copied first.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that keeps other processes from doing the same. Nothing of a migration that fails is kept
        where it is rolled back.

    Raises
    ------
    DatabaseError
        If the database is of a newer version, has some of the tables only, cannot be copied, or a migration fails.
    """
    stored, known = stored_revision(connection), list_revisions()
    if stored == known[-1]:
        return
    if stored is not None and stored not in known:
        raise DatabaseError(
            f"The database is of revision {stored}, and this version of the app knows those up to {known[-1]}. "
            "Start the newer version, or use a copy of the database from before its upgrade."
        )
    copy = _copy_sqlite(connection, stored) if stored is not None and connection.dialect.name == "sqlite" else None
    try:
        _migrate(connection, stored)
    except Exception as error:  # whatever a migration does wrong, the database is as before
        if copy is not None:
            copy.unlink(missing_ok=True)
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        raise DatabaseError(
            f"The database cannot be brought from revision {stored or 'none'} to {known[-1]} and stays as it was "
            f"({reason}). Check rights and free space, or start the version of the app that you had."
        ) from error
    if stored is not None:
        _log.info("The database went from revision %s to %s; copy: %s", stored, known[-1], copy or "none")


def stored_revision(connection: sa.Connection) -> str | None:
    """Return the revision of a database's tables; None where it has none of them.

    Raises
    ------
    DatabaseError
        If it has some of the tables of version 0.1.0 only.
    """
    inspector = sa.inspect(connection)
    if inspector.has_table(_version.name):
        revision: str | None = connection.scalar(sa.select(_version.c.version_num))
        if revision is not None:
            return revision
    present = FIRST_TABLES.intersection(inspector.get_table_names())
    if missing := present and FIRST_TABLES - present:
        raise DatabaseError(
            f"The database has tables {', '.join(sorted(present))} but not {', '.join(sorted(missing))}. "
            "Restore a copy of it, or name an empty database in DATABASE_URL."
        )
    return FIRST_REVISION if present else None


def list_revisions() -> list[str]:
    """Return the known revisions, the oldest first."""
    return sorted(path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*_*.py"))


def write_revision(connection: sa.Connection, message: str) -> None:
    """Write the file of a new revision, with what ``core.operations.tables`` has and a database has not.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To a database of the newest revision.
    message : str
        What changes; file and docstring are named by it.
    """
    from alembic import command

    number = f"{int(list_revisions()[-1]) + 1:04}"
    command.revision(_alembic(connection), message, autogenerate=True, rev_id=number)


def _alembic(connection: sa.Connection) -> "Config":
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _migrate(connection: sa.Connection, stored: str | None) -> None:
    from alembic import command

    config = _alembic(connection)
    if stored is not None:
        command.stamp(config, stored)
    command.upgrade(config, "head")


def _copy_sqlite(connection: sa.Connection, revision: str) -> Path:
    """Copy the file of an SQLite database beside it, for its owner alone, and return where the copy is."""
    original = Path(str(connection.engine.url.database))
    time = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")
    copy = original.with_name(f"{original.stem}-{revision}-{time}{original.suffix}")
    partial = partial_of(copy)
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        # The connection that migrates holds the lock for writing, with which SQLite does not copy; another one reads.
        with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
        partial.replace(copy)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(
            f"{str(original)!r} cannot be copied before its upgrade ({error}). Check rights and free space."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return copy
