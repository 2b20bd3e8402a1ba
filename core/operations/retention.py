"""How long what the operation writes is kept; the rule is shown on the Admin page."""

import datetime
import re
import shutil
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from core.config import STORED_NAME, data_folder
from core.operations.database import now, reading, writing
from core.operations.spec import JOBS, RUNS
from core.operations.tables import audit, jobs

AUDIT_LIFE: Final = datetime.timedelta(days=730)
MAX_AUDIT: Final = 100_000
"""Entries of the audit that are kept, the newest."""
RUN_LIFE: Final = datetime.timedelta(days=30)
"""Time after which what a training left behind for being resumed goes, counted from its last change."""
LOG_LIFE: Final = datetime.timedelta(days=180)


def rule() -> str:
    """Return the rule, for people."""
    return (
        f"Audit: the newest {MAX_AUDIT:,} entries, {AUDIT_LIFE.days} days at most. What an unfinished training needs "
        f"to be resumed: {RUN_LIFE.days} days after its last step. Logs of trainings: {LOG_LIFE.days} days."
    )


def prune() -> int:
    """Remove what is kept no longer, and return how many entries and folders that were.

    What a waiting or running training uses stays.
    """
    with writing() as connection:
        oldest = sa.select(audit.c.id).order_by(audit.c.id.desc()).offset(MAX_AUDIT).limit(1).scalar_subquery()
        old = (audit.c.time < now() - AUDIT_LIFE) | (audit.c.id <= oldest)
        n_removed: int = connection.execute(sa.delete(audit).where(old)).rowcount
    with reading() as connection:
        active = connection.execute(
            sa.select(jobs.c.id, jobs.c.run).where(jobs.c.status.in_(("queued", "running")))
        ).all()
    used = {run for _, run in active} | {str(job) for job, _ in active}
    for folder, life, names in ((RUNS, RUN_LIFE, STORED_NAME), (JOBS, LOG_LIFE, re.compile(r"\d+"))):
        for path in _folders(data_folder() / folder, names):
            if path.name not in used and now() - _last_change(path) > life:
                shutil.rmtree(path, ignore_errors=True)
                n_removed += 1
    return n_removed


def _folders(place: Path, names: re.Pattern[str]) -> list[Path]:
    """Return the folders of a place that are ours by their names."""
    return [path for path in place.glob("*") if names.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]


def _last_change(folder: Path) -> datetime.datetime:
    """Return when anything in a folder was written last."""
    times = [path.lstat().st_mtime for path in (folder, *folder.rglob("*"))]
    return datetime.datetime.fromtimestamp(max(times), datetime.UTC)
