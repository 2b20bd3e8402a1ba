"""Passwords as scrypt hashes.

References
----------
Percival C, Josefsson S (2016). The scrypt password-based key derivation function. RFC 7914.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from core.errors import SignInError
from core.settings import PROGRAM

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 1_000
COST: Final = (2**15, 8, 1)
"""Time and memory (32 MiB), block size, parallelism."""
SALT_BYTES: Final = 16
KEY_BYTES: Final = 32
MAX_MEMORY: Final = 2**28
"""Most memory that a stored hash may ask for, in bytes."""


def hash_password(password: str) -> str:
    """Return ``scrypt$n$r$p$salt$key``, salt and key in base 64.

    Raises
    ------
    SignInError
        If the password is too short or too long.
    """
    check_length(password)
    salt = secrets.token_bytes(SALT_BYTES)
    key = _derive(password, salt, *COST)
    return "$".join(["scrypt", *map(str, COST), _encode(salt), _encode(key)])


def check_length(password: str) -> None:
    """Refuse a password that is too short or too long.

    Raises
    ------
    SignInError
        If it is.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise SignInError(f"A password has {MIN_LENGTH} to {MAX_LENGTH:,} characters; this one has {len(password):,}.")


def is_password(password: str, encoded: str) -> bool:
    """Tell whether a password has a hash, in a time that does not depend on how much of it is right.

    Raises
    ------
    SignInError
        If the hash is not one of ``hash_password``.
    """
    try:
        kind, n, r, p, salt, key = encoded.split("$")
        derived = _derive(password[:MAX_LENGTH], base64.b64decode(salt, validate=True), int(n), int(r), int(p))
        return kind == "scrypt" and hmac.compare_digest(derived, base64.b64decode(key, validate=True))
    except (ValueError, binascii.Error, MemoryError) as error:
        raise SignInError(f"The password's hash cannot be read. Make one with '{PROGRAM} admin hash'.") from error


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    encoded = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(encoded, salt=salt, n=n, r=r, p=p, maxmem=MAX_MEMORY, dklen=KEY_BYTES)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
