"""Keys of programs: secrets by which the interface for programs knows who calls, each with limits of its own.

A key is shown once, when it is made; the database holds its hash. It is refused from the moment it is revoked. How
often it was used is counted in the database too, so that its limits hold for all servers together.
"""

import dataclasses
import datetime
import math
import secrets
from typing import Final

import sqlalchemy as sa

from core.errors import KeyRefused, SignInError, TooManyRequests
from core.operations.access.audit import record
from core.operations.access.sessions import hash_token, require_admin
from core.operations.database import now, reading, writing
from core.operations.tables import keys

PREFIX: Final = "soundweb_"
"""Beginning of every key, by which it is recognised where it should not be."""
HINT_LENGTH: Final = 4
MAX_NAME: Final = 60
"""Longest name, in characters."""
MAX_PER_MINUTE: Final = 10_000
MAX_PER_DAY: Final = 10_000_000
MINUTE: Final = datetime.timedelta(minutes=1)
DAY: Final = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Key:
    """What is known of a key."""

    id: int
    """Its number."""
    name: str
    """What it is for."""
    hint: str
    """Its last characters."""
    created: datetime.datetime
    """When it was made, in UTC."""
    created_by: str
    """Who made it."""
    revoked: datetime.datetime | None
    """Since when it is refused; None where it works."""
    last_used: datetime.datetime | None
    """When it was used last; None where it never was."""
    per_minute: int
    """Sounds that it may have answered in a minute."""
    per_day: int
    """Sounds that it may have answered in a day, in UTC."""
    day_count: int
    """Sounds that it had answered on the day of ``last_used``."""


def make_key(token: str, name: str, *, per_minute: int, per_day: int) -> str:
    """Make a key, and return it: the only time that anybody sees it.

    Parameters
    ----------
    token : str
        Session of the administrator.
    name : str
        What it is for.
    per_minute, per_day : int
        Sounds that it may have answered.

    Returns
    -------
    str

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    SignInError
        If name or limits cannot be used.
    """
    actor = require_admin(token)
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise SignInError(f"Name the program in 1 to {MAX_NAME} characters.")
    if not (1 <= per_minute <= MAX_PER_MINUTE and per_minute <= per_day <= MAX_PER_DAY):
        raise SignInError(
            f"A key answers 1 to {MAX_PER_MINUTE:,} sounds a minute, and in a day as many at least, "
            f"up to {MAX_PER_DAY:,}; not {per_minute:,} and {per_day:,}."
        )
    key = PREFIX + secrets.token_urlsafe(32)
    values = {"name": name, "hash": hash_token(key), "hint": key[-HINT_LENGTH:], "created": now(), "created_by": actor}
    values |= {"per_minute": per_minute, "per_day": per_day}
    with writing() as connection:
        connection.execute(sa.insert(keys).values(**values))
        record(actor, "made a key", name, f"{per_minute:,} a minute, {per_day:,} a day", within=connection)
    return key


def list_keys(token: str) -> list[Key]:
    """Return all keys, those that work first, the newest first.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    """
    require_admin(token)
    columns = [keys.c[field.name] for field in dataclasses.fields(Key)]
    order = (keys.c.revoked.is_not(None), keys.c.id.desc())
    with reading() as connection:
        return [Key(**row._mapping) for row in connection.execute(sa.select(*columns).order_by(*order))]


def revoke_key(token: str, number: int) -> None:
    """Refuse a key from now on.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    SignInError
        If there is no such key that works.
    """
    actor = require_admin(token)
    mine = sa.and_(keys.c.id == number, keys.c.revoked.is_(None))
    with writing() as connection:
        name = connection.execute(sa.select(keys.c.name).where(mine)).scalar_one_or_none()
        if name is None:
            raise SignInError("There is no such key that still works. Look at the list again.")
        connection.execute(sa.update(keys).where(mine).values(revoked=now()))
        record(actor, "revoked a key", str(name), within=connection)


def use_key(key: str | None, n_sounds: int = 1, *, is_counted: bool = True) -> str:
    """Count a use of a key, and return its name.

    Parameters
    ----------
    key : str or None
        As ``make_key`` returned it; None where the caller sent none.
    n_sounds : int
        Sounds to be answered; 0 only checks the key.
    is_counted : bool
        Whether they are; otherwise it is only checked whether they may be.

    Returns
    -------
    str

    Raises
    ------
    KeyRefused
        If there is no such key, or it was revoked.
    TooManyRequests
        If it has had as many sounds answered as it may.
    """
    if not key:
        raise KeyRefused("Send a key: 'Authorization: Bearer <key>'. An administrator makes one on the Admin page.")
    mine, time = sa.and_(keys.c.hash == hash_token(key), keys.c.revoked.is_(None)), now()
    found, is_counted = sa.select(keys).where(mine), is_counted and n_sounds > 0
    with writing() if is_counted else reading() as connection:
        # Locked, where rows can be: two uses at once must not both count from the same number.
        row = connection.execute(found.with_for_update() if is_counted else found).one_or_none()
        if row is None:
            raise KeyRefused("This key is unknown, or was revoked. Ask an administrator for one.")
        if not n_sounds:
            return str(row.name)
        # Clocks of servers differ by moments: one that is behind begins nothing anew. One that was days ahead is wrong.
        last = row.last_used if row.last_used is not None and row.last_used - time < DAY else None
        counts = {}
        for span, column, limit in ((MINUTE, "minute", row.per_minute), (DAY, "day", row.per_day)):
            begin = _begin(max(time, last or time), span)
            is_new = last is None or _begin(last, span) < begin
            if n_sounds > limit:
                raise TooManyRequests(
                    f"This key may have {limit:,} sounds answered a {column}, not {n_sounds:,}. Send fewer at once."
                )
            counts[f"{column}_count"] = n_sounds + (0 if is_new else row._mapping[f"{column}_count"])
            if counts[f"{column}_count"] > limit:
                wait = math.ceil((begin + span - time).total_seconds())
                raise TooManyRequests(f"This key may have {limit:,} sounds answered a {column}.", wait)
        if is_counted:
            connection.execute(sa.update(keys).where(mine).values(last_used=max(time, last or time), **counts))
        return str(row.name)


def _begin(time: datetime.datetime, span: datetime.timedelta) -> datetime.datetime:
    """Return when the minute, or the day, began that a time lies in."""
    since = time - datetime.datetime.min.replace(tzinfo=datetime.UTC)
    return time - since % span
