"""Settings of an installation, as environment variables: read by type, and refused where they hold something else.

An empty variable counts as one that is not set.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.errors import SettingsError

MAX_DIGITS: Final = 10
"""Longest number that is read, in digits: longer ones mean nothing here, and take long."""


@dataclasses.dataclass(frozen=True)
class Address:
    """Where something is served."""

    host: str
    """Address of the interface; empty for all of them."""
    port: int
    """Port, 1 to 65,535."""


def read_text(name: str) -> str | None:
    """Return what a variable holds; None where it is not set."""
    return os.environ.get(name) or None


PROGRAM: Final = read_text("SOUNDWEB_PROGRAM") or "python -m core"
"""What the command line is called where people type it."""


def read_count(name: str, default: int) -> int:
    """Return a variable that holds a number of things.

    Parameters
    ----------
    name : str
        Name of the variable.
    default : int
        Value where it is not set.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    SettingsError
        If it holds anything else than a whole number from 1.
    """
    text = read_text(name)
    if text is None:
        return default
    if not text.strip().isdecimal() or int(text) < 1:
        raise SettingsError(f"{name} is {text!r}; it takes a whole number from 1. Unset it for {default}.")
    return int(text)


def read_choice(name: str, choices: Sequence[str]) -> str:
    """Return a variable that holds one of several words; the first where it is not set.

    Raises
    ------
    SettingsError
        If it holds another word.
    """
    text = read_text(name) or choices[0]
    if text not in choices:
        raise SettingsError(f"{name} is {text!r}; it takes {' or '.join(choices)}. Unset it for {choices[0]}.")
    return text


def read_address(name: str) -> Address | None:
    """Return a variable that holds a port, or host and port; None where it is not set.

    Without a host, programs on the same machine alone are served.

    Raises
    ------
    SettingsError
        If it holds anything else.
    """
    text = read_text(name)
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    number = read_number(port)
    if number is None or not 1 <= number <= 65_535:
        raise SettingsError(f"{name} is {text!r}; it takes a port from 1 to 65535, as 9100, or 0.0.0.0:9100.")
    return Address(host if colon else "127.0.0.1", number)


def read_number(text: str) -> int | None:
    """Return a number of bytes, hertz or seconds from outside, of ten digits at most; None for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None


def read_folder(name: str) -> Path | None:
    """Return the folder that a variable names, which may be missing as yet; None where it is not set."""
    text = read_text(name)
    return None if text is None else Path(text)


def check_folder(name: str) -> None:
    """Refuse a variable that names something else than a folder.

    Raises
    ------
    SettingsError
        If a file lies where the folder should, or in the way to it.
    """
    folder = read_folder(name)
    if folder is None:
        return
    for path in (folder, *folder.parents):
        if path.is_dir():
            return
        if path.exists():
            raise SettingsError(f"{name} is {str(folder)!r}, but {str(path)!r} is a file; it takes a folder.")
