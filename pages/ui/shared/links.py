"""Widgets whose values stand in the address, each change a step that Back takes back.

Streamlit's own binding replaces the address, so that Back skips the step, and takes its parameters out of the page's
history when another page is opened. Here the address is the truth: what it says goes into the widget before it is
drawn, and what a person chooses goes into the address.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from pages.ui.shared import state

Value = TypeVar("Value")
Read = Callable[[list[str]], Any]
"""Makes a widget's value of an address's texts, which may be any; without texts the default."""


def linked(key: str, read: Read) -> dict[str, Any]:
    """Return the options of a widget whose value stands in the address under its key."""
    told = st.query_params.get_all(key)
    seen: dict[str, list[str]] = st.session_state.setdefault(state.LINKS, {})
    if key not in st.session_state or told != seen.get(key):
        st.session_state[key] = read(told)
    seen[key] = told
    return {"key": key, "on_change": _tell, "args": (key, read([]))}


def choose(values: Mapping[str, Any]) -> None:
    """Put values into widgets and the address, in one step."""
    st.session_state.update(values)
    _write({key: _texts(value) for key, value in values.items()})


def clear(defaults: Mapping[str, Any]) -> None:
    """Put defaults into widgets, and take these out of the address, in one step."""
    # Set, not removed: the browser would send what it still shows.
    st.session_state.update(defaults)
    _write({key: [] for key in defaults})


def one_of(options: Iterable[Value], default: Value | None = None) -> Read:
    """Return what reads one of some options."""
    by_text = {str(option): option for option in options}
    return lambda told: by_text.get(told[-1], default) if told else default


def some_of(options: Iterable[Value]) -> Read:
    """Return what reads several of some options, in the options' order."""
    by_text = {str(option): option for option in options}
    return lambda told: [option for text, option in by_text.items() if text in told]


def words(limit: int = 200) -> Read:
    """Return what reads a text."""
    return lambda told: told[-1][:limit] if told else ""


def span(low: float, high: float) -> Read:
    """Return what reads two numbers within bounds; the bounds themselves by default, and for anything else."""

    def read(told: list[str]) -> tuple[float, float]:
        try:
            first, last = (min(max(float(text), low), high) for text in told)
        except ValueError:
            return low, high
        return (first, last) if first <= last else (low, high)

    return read


def _tell(key: str, default: Any) -> None:
    """Put what somebody chose into the address; the default needs no words there."""
    value = st.session_state[key]
    _write({key: [] if value == default else _texts(value)})


def _write(texts: Mapping[str, list[str]]) -> None:
    """Change parameters of the address at once: each message to the browser is a step of its history."""
    st.session_state.setdefault(state.LINKS, {}).update(texts)
    before = {name: st.query_params.get_all(name) for name in st.query_params}
    after = {name: values for name, values in (before | dict(texts)).items() if values}
    if after != before:
        st.query_params.from_dict(after)


def _texts(value: Any) -> list[str]:
    """Return a value as an address has it."""
    if value is None or value == "":
        return []
    return [str(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else [str(value)]
