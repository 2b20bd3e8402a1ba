"""Who did what, and when: every sign-in and every action of an administrator."""

import dataclasses
import datetime
from typing import Final

import sqlalchemy as sa

from core.operations.access.sessions import require_admin
from core.operations.database import now, reading, writing
from core.operations.tables import audit

MAX_TEXT: Final = 500
"""Length of a field, in characters; longer ones are cut."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """Something that was done."""

    time: datetime.datetime
    """When, in UTC."""
    actor: str
    """Who: ``admin``, an address, or ``console``."""
    action: str
    """What."""
    subject: str
    """To what: a job, a model."""
    detail: str
    """How."""


def record(
    actor: str, action: str, subject: str = "", detail: str = "", *, within: sa.Connection | None = None
) -> None:
    """Note an action.

    Parameters
    ----------
    actor, action, subject, detail : str
        As in ``Entry``.
    within : sqlalchemy.Connection, optional
        Transaction of the action, so that both are kept or neither.
    """
    texts = {"actor": actor, "action": action, "subject": subject, "detail": detail}
    statement = sa.insert(audit).values(time=now(), **{name: text[:MAX_TEXT] for name, text in texts.items()})
    if within is not None:
        within.execute(statement)
        return
    with writing() as connection:
        connection.execute(statement)


def list_entries(token: str, limit: int = 1_000) -> list[Entry]:
    """Return the last entries, the newest first.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    """
    require_admin(token, is_active=False)
    columns = (audit.c.time, audit.c.actor, audit.c.action, audit.c.subject, audit.c.detail)
    with reading() as connection:
        rows = connection.execute(sa.select(*columns).order_by(audit.c.id.desc()).limit(limit))
        return [Entry(**row._mapping) for row in rows]
