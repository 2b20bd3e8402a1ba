"""Signing in: a one-time unlock code, then a password; or a hash from outside; or an address that is on a list.

Nothing is open by default. Every attempt, right or wrong, takes its place in the database before anything is compared,
and the waiting time grows with each that fails, by the address it comes from, so guessing is slow whatever the number
of processes that guess. Many addresses together are slowed down too; an administrator who cannot get in meanwhile gets
a code on the server's console, which cannot be guessed and waits for nobody.
"""

import contextlib
import datetime
import hmac
import ipaddress
import math
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from core.config import data_folder
from core.errors import NotSignedIn, SettingsError, SignInError
from core.operations.access import audit
from core.operations.access.passwords import check_length, hash_password, is_password
from core.operations.access.sessions import close_session, hash_token, open_session, require_admin
from core.operations.database import now, reading, writing
from core.operations.tables import credentials, sessions, throttle
from core.settings import PROGRAM, read_text

ADMIN: Final = "admin"
STRANGERS: Final = "strangers"
"""Accounts that are not on the list: how often they are noted grows as slowly as guesses of the password."""
HASH_VARIABLE: Final = "SOUNDWEB_ADMIN_HASH"
CODE_FILE: Final = "unlock-code"
CONSOLE_CODE: Final = "console-code"
CODE_LIFE: Final = datetime.timedelta(minutes=10)
"""Time within which a code from the console lets in."""
FREE_FAILURES: Final = 3
FREE_FAILURES_OF_ALL: Final = 100
"""Failures in a row, from all addresses together, after which all of them wait."""
FORGOTTEN: Final = datetime.timedelta(hours=1)
"""Time without a failure after which those before count no more."""
MAX_DELAY: Final = 60.0
"""Longest wait between two attempts, in seconds: the owner is never locked out for longer."""


def is_configured(configured_hash: str | None = None) -> bool:
    """Tell whether there is a password: handed in, in the environment, or set with the unlock code."""
    return _stored_hash(configured_hash) is not None


def check_hash(configured_hash: str | None = None) -> None:
    """Refuse a hash from outside that no password can have.

    Raises
    ------
    SettingsError
        If there is one that cannot be read.
    """
    outside = configured_hash or read_text(HASH_VARIABLE)
    try:
        if outside:
            is_password("", outside)
    except SignInError as error:
        where = "The secret with the hash of the password" if configured_hash else HASH_VARIABLE
        raise SettingsError(f"{where} holds no hash. Make one with '{PROGRAM} admin hash'.") from error


def ensure_unlock_code(configured_hash: str | None = None) -> str | None:
    """Return the code that sets the first password, made where there is none; None where a password is set.

    The caller prints it on the server's console; its file can be read by its owner alone.

    Raises
    ------
    SignInError
        If its file cannot be written.
    """
    if is_configured(configured_hash):
        return None
    path = _code_path()
    try:
        write_code(path)
        return path.read_text().strip()
    except FileNotFoundError:  # used up by somebody else just now
        return None
    except OSError as error:
        raise SignInError(f"No unlock code can be written to the data folder: {error.strerror}.") from error


def write_code(path: Path) -> None:
    """Make a code where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(16))
    try:
        os.link(aside, path)  # whole or not at all; the first of several processes wins
    except FileExistsError:
        pass
    finally:
        aside.unlink()


def set_password(code: str, password: str, *, address: str = "", configured_hash: str | None = None) -> None:
    """Set the password with the unlock code, which is used up.

    Parameters
    ----------
    code, password : str
        As typed.
    address : str
        Where the attempt comes from, as for ``sign_in``.
    configured_hash : str, optional
        As for ``sign_in``.

    Raises
    ------
    SignInError
        If the code is wrong or comes too soon after wrong ones, the password is too short, or one is set already.
    """
    expected = ensure_unlock_code(configured_hash)
    if expected is None:
        raise SignInError(f"A password is set already. To replace it, run '{PROGRAM} admin reset' on the server.")
    check_length(password)
    _take_turns(address)
    if not hmac.compare_digest(code.strip().encode(), expected.encode()):
        audit.record("unknown", "wrong unlock code")
        raise SignInError("This is not the unlock code. The server printed it on its console when it started.")
    encoded = hash_password(password)
    try:
        with writing() as connection:
            connection.execute(sa.insert(credentials).values(name=ADMIN, hash=encoded, created=now()))
            _forgive(connection, address)
            audit.record(ADMIN, "set password", within=connection)
    except sa.exc.IntegrityError as error:
        raise SignInError("A password was set by somebody else just now. Sign in with it.") from error
    _code_path().unlink(missing_ok=True)


def sign_in(password: str, *, address: str = "", configured_hash: str | None = None) -> str:
    """Return the token of a new session.

    Parameters
    ----------
    password : str
        As typed.
    address : str
        Network address that the attempt comes from; attempts are counted by it.
    configured_hash : str, optional
        A hash from outside, which wins over that of the environment, which wins over the database's.

    Returns
    -------
    str
        Token for ``core.operations.access.sessions.require_admin``.

    Raises
    ------
    SignInError
        If the password is wrong, comes too soon after wrong ones, or none is set.
    """
    encoded = _stored_hash(configured_hash)
    if encoded is None:
        raise SignInError("No password is set. Set one with the unlock code that the server printed on its console.")
    _take_turns(address)
    if not is_password(password, encoded):
        audit.record("unknown", "wrong password")
        raise SignInError("The password is wrong.")
    with writing() as connection:
        _forgive(connection, address)
        audit.record(ADMIN, "sign in", within=connection)
        return open_session(ADMIN, connection)


def make_console_code() -> str:
    """Return a code that signs in once, within ``CODE_LIFE``, without a wait: for the server's console."""
    code = secrets.token_urlsafe(24)
    with writing() as connection:
        connection.execute(sa.delete(credentials).where(credentials.c.name == CONSOLE_CODE))
        values = {"name": CONSOLE_CODE, "hash": hash_token(code), "created": now()}
        connection.execute(sa.insert(credentials).values(**values))
        audit.record("console", "make sign-in code", within=connection)
    return code


def sign_in_by_code(code: str) -> str:
    """Return the token of a new session for a code from the console, which is used up.

    Parameters
    ----------
    code : str
        As ``make_console_code`` returned it, and somebody typed it.

    Returns
    -------
    str

    Raises
    ------
    SignInError
        If there is no such code any more.
    """
    mine = (credentials.c.name == CONSOLE_CODE) & (credentials.c.hash == hash_token(code.strip()))
    with writing() as connection:
        made = connection.scalar(sa.delete(credentials).where(mine).returning(credentials.c.created))
        if made is not None and abs(now() - made) <= CODE_LIFE:
            audit.record(ADMIN, "sign in by console code", within=connection)
            return open_session(ADMIN, connection)
    raise SignInError(f"This code lets nobody in. Make one with '{PROGRAM} admin enter' on the server.")


def admit(email: str | None, allowed: Iterable[str]) -> str:
    """Return the token of a new session of somebody whom an identity provider has named.

    Parameters
    ----------
    email : str or None
        Address that the provider vouches for.
    allowed : iterable of str
        Addresses of the administrators.

    Returns
    -------
    str

    Raises
    ------
    NotSignedIn
        If the address is not on the list.
    """
    if not email or not is_allowed(email, allowed):
        with contextlib.suppress(SignInError):  # strangers, of whom there can be any number, fill no table
            _take_turn({STRANGERS: FREE_FAILURES})
            audit.record(str(email), "address refused")
        raise NotSignedIn(f"The address {email!r} is not on the list of administrators.")
    with writing() as connection:
        audit.record(normalize_address(email), "sign in", within=connection)
        return open_session(normalize_address(email), connection)


def is_allowed(email: str, allowed: Iterable[str]) -> bool:
    """Tell whether an address is on a list.

    >>> is_allowed(" Ada@Example.org", ["ada@example.org"])
    True
    >>> is_allowed("ada@example.org.evil", ["ada@example.org"]), is_allowed("", [""])
    (False, False)
    """
    address = normalize_address(email)
    return "@" in address and address in {normalize_address(one) for one in allowed}


def normalize_address(email: str) -> str:
    r"""Return an address without surrounding space and in small letters.

    Letters beyond ASCII stay as they are: some of them become ASCII ones when made small, and would let in a stranger.

    >>> normalize_address("Ada@Example.org "), normalize_address("\u212aim@example.org") == "kim@example.org"
    ('ada@example.org', False)
    """
    text = email.strip()
    return text.lower() if text.isascii() else text


def sign_out(token: str) -> None:
    """End a session; a token that is none is ignored."""
    try:
        actor = require_admin(token)
    except NotSignedIn:
        return
    with writing() as connection:
        close_session(token, connection)
        audit.record(actor, "sign out", within=connection)


def reset() -> str | None:
    """Forget the password and all sessions, from the console, and return a new unlock code.

    Returns
    -------
    str or None
        None where a hash stands in the environment, which this cannot change.
    """
    with writing() as connection:
        for table in (credentials, sessions, throttle):
            connection.execute(sa.delete(table))
        audit.record("console", "reset password", within=connection)
    _code_path().unlink(missing_ok=True)
    return ensure_unlock_code()


def waiting_time(address: str = "") -> float:
    """Return how long the next attempt from an address must wait, in seconds; 0 where it need not."""
    names = (ADMIN, _counted_as(address))
    with reading() as connection:
        times = connection.scalars(sa.select(throttle.c.not_before).where(throttle.c.name.in_(names)))
        return max(map(_wait_until, times), default=0.0)


def delay_after(failures: int, free: int = FREE_FAILURES) -> float:
    """Return the wait after a number of failures in a row, in seconds.

    >>> [delay_after(n) for n in (0, 2, 3, 4, 5, 9, 10_000)]
    [0.0, 0.0, 1.0, 2.0, 4.0, 60.0, 60.0]
    """
    return 0.0 if failures < free else min(2.0 ** min(failures - free, 10), MAX_DELAY)


def network_of(address: str) -> str:
    """Return what counts as one place: an address, or the network of 2**64 that one line gets in IPv6.

    >>> network_of("2001:db8:1:2:3:4:5:6"), network_of("192.0.2.7"), network_of("nonsense")
    ('2001:db8:1:2::/64', '192.0.2.7', '')
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))


def _counted_as(address: str) -> str:
    """Return the name under which attempts from an address are counted; the address itself is not kept."""
    return f"{ADMIN}@{hash_token(network_of(address))[:32]}"


def _forgive(connection: sa.Connection, address: str) -> None:
    """Forget the failures of somebody who has proved who they are, and of addresses that have been quiet."""
    quiet = now() - FORGOTTEN
    connection.execute(sa.delete(throttle).where((throttle.c.not_before < quiet) & throttle.c.name.like(f"{ADMIN}@%")))
    mine = throttle.c.name.in_((ADMIN, _counted_as(address)))
    connection.execute(sa.update(throttle).where(mine).values(failures=0, not_before=now()))


def _take_turns(address: str) -> None:
    """Count an attempt by its address and among those of all, or refuse it where it comes too soon."""
    _take_turn({_counted_as(address): FREE_FAILURES, ADMIN: FREE_FAILURES_OF_ALL})


def _take_turn(names: Mapping[str, int]) -> None:
    """Count an attempt as failed before it is evaluated, or refuse it where it comes too soon.

    Parameters
    ----------
    names : mapping of str to int
        Names that it is counted under, with the failures that each has free.

    Raises
    ------
    SignInError
        If one of them must wait.
    """
    with writing() as connection:
        for name in names:
            _ensure_throttle(connection, name)
        mine = sa.select(throttle).where(throttle.c.name.in_(names)).order_by(throttle.c.name).with_for_update()
        rows = connection.execute(mine).all()
        wait = max(_wait_until(row.not_before) for row in rows)
        for row in rows if wait <= 0 else ():
            failures = 1 if now() - row.not_before > FORGOTTEN else row.failures + 1
            not_before = now() + datetime.timedelta(seconds=delay_after(failures, names[row.name]))
            values = {"failures": failures, "not_before": not_before}
            connection.execute(sa.update(throttle).where(throttle.c.name == row.name).values(**values))
    if wait > 0:
        raise SignInError(f"Too many attempts failed. Try again in {math.ceil(wait)} s.")


def _wait_until(not_before: datetime.datetime) -> float:
    """Return how long it is to a time, in seconds; 0 where it is past, or was set by a clock that was ahead."""
    wait = (not_before - now()).total_seconds()
    return wait if 0 < wait <= MAX_DELAY else 0.0


def _ensure_throttle(connection: sa.Connection, name: str) -> None:
    """Make the row that counts, in a way that two may do at once."""
    from sqlalchemy.dialects import postgresql, sqlite

    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(throttle).values(name=name, failures=0, not_before=now()).on_conflict_do_nothing())


def _stored_hash(configured_hash: str | None) -> str | None:
    outside = configured_hash or read_text(HASH_VARIABLE)
    if outside:
        return outside
    with reading() as connection:
        return connection.scalar(sa.select(credentials.c.hash).where(credentials.c.name == ADMIN))


def _code_path() -> Path:
    return data_folder() / CODE_FILE
