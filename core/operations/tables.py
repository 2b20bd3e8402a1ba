"""Tables of the database; what must hold for all processes is written here as constraints.

A change here needs a revision in ``migrations/versions`` that brings the tables of older versions to the same.
"""

import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

STATUSES: Final = ("queued", "running", "done", "failed", "cancelled", "lost")


class UtcTime(TypeDecorator[datetime.datetime]):
    """Aware times, stored as UTC without a zone, alike in SQLite and PostgreSQL."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        """Return what is stored."""
        del dialect
        return None if value is None else value.astimezone(datetime.UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        """Return what was meant."""
        del dialect
        return None if value is None else value.replace(tzinfo=datetime.UTC)


metadata: Final = sa.MetaData()

jobs: Final = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("notes", sa.Text, nullable=False, default=""),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("status", sa.Text, sa.CheckConstraint(f"status in {STATUSES}"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("created", UtcTime, nullable=False),
    sa.Column("queued", UtcTime, nullable=False, index=True),
    sa.Column("started", UtcTime),
    sa.Column("finished", UtcTime),
    sa.Column("heartbeat", UtcTime),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    # The process that carries it out; before that is known, the one that claimed it.
    sa.Column("host", sa.Text, nullable=False, default=""),
    sa.Column("claimer", sa.Integer),
    sa.Column("pid", sa.Integer),
    sa.Column("process", sa.Text, nullable=False, default=""),
    # How far it is.
    sa.Column("phase", sa.Text, nullable=False, default=""),
    sa.Column("part", sa.Text, nullable=False, default=""),
    sa.Column("folds_done", sa.Integer, nullable=False, default=0),
    sa.Column("n_folds", sa.Integer, nullable=False, default=0),
    sa.Column("epochs_done", sa.Integer, nullable=False, default=0),
    sa.Column("n_epochs", sa.Integer, nullable=False, default=0),
    sa.Column("fraction", sa.Float, nullable=False, default=0.0),
    sa.Column("remaining", sa.Float),
    sa.Column("peak_memory", sa.BigInteger, nullable=False, default=0),
    # What was measured, over all attempts.
    sa.Column("elapsed", sa.Float, nullable=False, default=0.0),
    sa.Column("training_seconds", sa.Float, nullable=False, default=0.0),
    sa.Column("epochs_trained", sa.Integer, nullable=False, default=0),
    # What came of it.
    sa.Column("run", sa.Text, nullable=False, default=""),
    sa.Column("model", sa.Text, nullable=False, default=""),
    sa.Column("message", sa.Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)
sa.Index(
    "one_running_job",
    jobs.c.status,
    unique=True,
    sqlite_where=jobs.c.status == "running",
    postgresql_where=jobs.c.status == "running",
)

throttle: Final = sa.Table(
    "throttle",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("not_before", UtcTime, nullable=False),
)

credentials: Final = sa.Table(
    "credentials",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("created", UtcTime, nullable=False),
)

sessions: Final = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("opened", UtcTime, nullable=False),
    sa.Column("last_used", UtcTime, nullable=False),
)

audit: Final = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", UtcTime, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

feedback: Final = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", UtcTime, nullable=False, index=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("probabilities", sa.JSON, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("clip", sa.Text, nullable=False, index=True),
    sa.Column("container", sa.Text, nullable=False, default=""),
    sa.Column("size", sa.BigInteger, nullable=False, default=0),
    sqlite_autoincrement=True,
)

keys: Final = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("created", UtcTime, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("revoked", UtcTime),
    sa.Column("last_used", UtcTime),
    sa.Column("per_minute", sa.Integer, nullable=False),
    sa.Column("per_day", sa.Integer, nullable=False),
    # Sounds answered in the minute and on the day of the last use.
    sa.Column("minute_count", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("day_count", sa.Integer, nullable=False, default=0, server_default="0"),
    sqlite_autoincrement=True,
)
