"""Sessions of administrators who have signed in: a secret token for them, its hash in the database."""

import datetime
import hashlib
import secrets
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from core.errors import NotSignedIn
from core.operations.database import now, reading, writing
from core.operations.tables import sessions

IDLE_TIMEOUT: Final = datetime.timedelta(minutes=30)
RENEWAL_INTERVAL: Final = datetime.timedelta(seconds=20)
"""Shortest time between two notes that a session is in use: each costs a write."""


def anybody(actor: str) -> bool:
    """Let all sessions go on."""
    del actor
    return True


_may_stay: Callable[[str], bool] = anybody


def limit_to(may_stay: Callable[[str], bool]) -> None:
    """End sessions of whom an installation does not name any more, at whatever they do next.

    Parameters
    ----------
    may_stay : callable
        Tells of the name for the audit whether its sessions go on.
    """
    global _may_stay  # noqa: PLW0603 - one installation a process
    _may_stay = may_stay


def open_session(actor: str, connection: sa.Connection) -> str:
    """Return the token of a new session of somebody who has proved who they are."""
    token = secrets.token_urlsafe(32)
    time = now()
    connection.execute(sa.delete(sessions).where(sessions.c.last_used < time - IDLE_TIMEOUT))
    values = {"token_hash": hash_token(token), "actor": actor, "opened": time, "last_used": time}
    connection.execute(sa.insert(sessions).values(**values))
    return token


def require_admin(token: str | None, *, is_active: bool = True) -> str:
    """Return who is signed in with a token.

    Parameters
    ----------
    token : str or None
        As ``open_session`` returned it; None where nobody signed in.
    is_active : bool
        Whether a person did something; a screen that refreshes itself must not keep a session alive.

    Returns
    -------
    str
        The name for the audit.

    Raises
    ------
    NotSignedIn
        If the token is unknown, signed out, was not used for ``IDLE_TIMEOUT``, or its account is no administrator's any
        more.
    """
    if not isinstance(token, str) or not token:
        raise NotSignedIn("This needs an administrator. Sign in first.")
    mine = sessions.c.token_hash == hash_token(token)
    with reading() as connection:
        row = connection.execute(sa.select(sessions.c.actor, sessions.c.last_used).where(mine)).one_or_none()
    # A clock that was ahead and was put right must not keep a session alive.
    if row is None or abs(now() - row.last_used) > IDLE_TIMEOUT:
        raise NotSignedIn("The sign-in has ended, by signing out or by a long pause. Sign in again.")
    if not _may_stay(str(row.actor)):
        with writing() as connection:
            connection.execute(sa.delete(sessions).where(mine))
        raise NotSignedIn("This account is not on the list of administrators any more.")
    if is_active and abs(now() - row.last_used) > RENEWAL_INTERVAL:
        with writing() as connection:
            connection.execute(sa.update(sessions).where(mine).values(last_used=now()))
    return str(row.actor)


def close_session(token: str, connection: sa.Connection) -> None:
    """End a session."""
    connection.execute(sa.delete(sessions).where(sessions.c.token_hash == hash_token(token)))


def hash_token(token: str) -> str:
    """Return what is stored of a secret that was drawn: random and long, its plain hash cannot be guessed backwards."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
