"""Values from files of anybody: those that can be stored, shown and sent, and of which kind they are."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Final

MAX_NUMBER: Final = 2**63
"""Numbers of the database are below."""


def check_values(value: object) -> None:
    """Refuse decoded JSON that holds, however deep, a number or text which could not be stored, shown or sent.

    Parameters
    ----------
    value : object
        As from ``json.loads``, which takes more than JSON has: numbers that are none, and halves of characters.

    Raises
    ------
    ValueError
        If a number is infinite, none, or 2**63 or more; or a text holds a zero or half a character.
    RecursionError
        If it is too deep.

    Examples
    --------
    >>> check_values({"share": [0.5, None]})
    >>> check_values({"share": [float("nan")]})
    Traceback (most recent call last):
        ...
    ValueError: nan is no number that can be kept
    """
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"{value!r:.40} is no text that can be kept")
    elif isinstance(value, int | float):
        if not abs(value) < MAX_NUMBER:
            raise ValueError(f"{value!r:.40} is no number that can be kept")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            check_values(key)
            check_values(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            check_values(inner)


def check_kind(name: str, value: object, kind: Any) -> None:
    """Refuse a value that is not of an annotated kind, however deep.

    Parameters
    ----------
    name : str
        What it is called.
    value : object
        The value.
    kind : type
        A plain type, a dataclass, a tuple or mapping of such, or one of these or None.

    Raises
    ------
    TypeError
        If it is not.

    Examples
    --------
    >>> check_kind("seeds", (0, 1), tuple[int, ...])
    >>> check_kind("seeds", (0, True), tuple[int, ...])
    Traceback (most recent call last):
        ...
    TypeError: seeds is 'True'
    """
    origin, of = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return
    if origin is types.UnionType:
        kind = next((one for one in of if one is not type(None)), None) if value is not None else type(None)
        check_kind(name, value, kind)
        return
    plain = {tuple: tuple, Mapping: Mapping}.get(origin, (int, float) if kind is float else kind)
    if not isinstance(value, plain) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} is {str(value)[:40]!r}")
    if dataclasses.is_dataclass(kind):
        for field, inner in typing.get_type_hints(kind).items():
            check_kind(field, getattr(value, field), inner)
    elif origin is Mapping:
        for inner in typing.cast("Mapping[str, object]", value).values():
            check_kind(name, inner, of[1])
    elif origin is tuple:
        for inner in typing.cast("tuple[object, ...]", value):
            check_kind(name, inner, of[0])
