"""Who calls: the key in the header of a request, or of the handshake of a WebSocket."""

import functools
from typing import Final

from starlette.requests import HTTPConnection

from core.operations.access.keys import use_key
from core.work.places import Places

places: Final = Places(threads=8, most_waiting=64)
"""Threads that wait for the database; fewer than its connections, which pages need too."""


async def charge(connection: HTTPConnection, n_sounds: int, *, is_counted: bool = True) -> str:
    """Count a use of the key that came with a request, and return its name.

    Parameters
    ----------
    connection : HTTPConnection
        A request, or a WebSocket.
    n_sounds, is_counted
        As for ``core.operations.access.keys.use_key``.

    Returns
    -------
    str

    Raises
    ------
    KeyRefused
        If there is no key that works.
    TooManyRequests
        If it has had as many sounds answered as it may.
    DatabaseError
        If the database cannot be used.
    BusyError
        If too many wait for it already.
    """
    key = bearer(connection.headers.get("authorization", ""))
    return await places.run(functools.partial(use_key, key, n_sounds, is_counted=is_counted))


def bearer(header: str) -> str | None:
    """Return the key in a header.

    >>> bearer("Bearer abc"), bearer("bearer abc "), bearer("Basic abc"), bearer("")
    ('abc', 'abc', None, None)
    """
    scheme, _, key = header.partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
