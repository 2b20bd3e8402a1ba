"""Widgets whose values stand in the address, each change a step that Back takes back.

Streamlit's own binding replaces the address, so that Back skips the step, and a page with bound widgets stands in the
history twice when another one is opened. Here the address is the truth: what it says goes into the widget before it is
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
    """Return the options of a widget whose value stands in the address under its key.

    What is not offered any more, as beside another model, is forgotten.
    """
    told = st.query_params.get_all(key)
    seen: dict[str, list[str]] = st.session_state.setdefault(state.LINKS, {})
    is_read = key in st.session_state and told == seen.get(key)
    if not is_read or read(_texts(st.session_state[key])) != st.session_state[key]:
        st.session_state[key] = read(told)
    seen[key] = told
    return {"key": key, "on_change": _tell, "args": (key, read([]))}


def choose(values: Mapping[str, Any]) -> None:
    """Put values into widgets and the address, in one step."""
    st.session_state.update(values)
    tell({key: _texts(value) for key, value in values.items()})


def tell(texts: Mapping[str, list[str]]) -> None:
    """Change parameters of the address at once: each message to the browser is a step of its history."""
    st.session_state.setdefault(state.LINKS, {}).update(texts)
    before = {name: st.query_params.get_all(name) for name in st.query_params}
    after = {name: values for name, values in (before | dict(texts)).items() if values}
    if after != before:
        st.query_params.from_dict(after)


def news(*parameters: str) -> list[str | None] | None:
    """Return what parameters say on a page that is opened with them, or else than before; None where they tell nothing.

    A page that is opened without them has no news: what the visit holds stays. Without them on the same page, by Back,
    nothing is chosen any more.
    """
    told = [st.query_params.get(parameter) for parameter in parameters]
    seen = st.session_state.setdefault(state.NEWS, {})
    before, seen[parameters] = seen.get(parameters), told
    if arrives(*parameters):
        return told if any(told) else None
    return None if told == before else told


def arrives(*names: str) -> bool:
    """Tell whether what has these names is shown on another page than last time, or for the first time."""
    pages, page = st.session_state.setdefault(state.PAGES, {}), st.context.url
    is_arrival = names not in pages or pages[names] != page
    pages[names] = page
    return is_arrival


def clear(defaults: Mapping[str, Any]) -> None:
    """Put defaults into widgets, and take these out of the address, in one step."""
    # Set, not removed: the browser would send what it still shows.
    st.session_state.update(defaults)
    tell({key: [] for key in defaults})


def one_of(options: Iterable[Value], default: Value | None = None) -> Read:
    """Return what reads one of some options."""
    by_text = {str(option): option for option in options}
    return lambda told: by_text.get(told[-1], default) if told else default


def some_of(options: Iterable[Value]) -> Read:
    """Return what reads several of some options, in the options' order."""
    by_text = {str(option): option for option in options}
    return lambda told: [option for text, option in by_text.items() if text in told]


def switch() -> Read:
    """Return what reads whether something is on, off by default."""
    return lambda told: told[-1:] == ["true"]


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


def number(low: float, high: float) -> Read:
    """Return what reads a number within bounds; the lower bound by default, and for anything else."""
    return lambda told: span(low, high)([*told[-1:], str(high)])[0]


def linked_row(key: str, parameter: str, names: Sequence[str], shown: str) -> dict[str, Any]:
    """Return the options of a table whose chosen row stands in the address, by its name."""

    def note(name: str | None) -> None:
        tell({parameter: _texts(name)})

    return chosen_row(key, names, shown, note)


def chosen_row(key: str, names: Sequence[str], shown: str, choose: Callable[[str | None], None]) -> dict[str, Any]:
    """Return the options of a table one row of which is chosen, by a click on any of its cells.

    Parameters
    ----------
    key : str
        Key of the table.
    names : sequence of str
        Names of its rows, in their order.
    shown : str
        Name of the row that is shown as chosen: it can be another one than was clicked, by Back or by a link.
    choose : callable
        Called with the name of the row that somebody chooses; with None where the choice is taken back.

    Returns
    -------
    dict
        Options of ``st.dataframe``.
    """
    wanted = [names.index(shown)] if shown in names else []
    selection = st.session_state.get(key, {}).get("selection", {})
    if selection.get("rows") != wanted or selection.get("cells"):
        st.session_state[key] = {"selection": {"rows": wanted}}

    def take() -> None:
        found = st.session_state[key]["selection"]
        # A cell is chosen beside the row that was, until the next run.
        rows = [row for row, _ in found["cells"]] or found["rows"]
        name = names[rows[0]] if rows and rows[0] < len(names) else None
        # The browser also tells of the row that was marked for it.
        if name != shown:
            choose(name)

    return {"key": key, "on_select": take, "selection_mode": ["single-row", "single-cell"]}


def _tell(key: str, default: Any) -> None:
    """Put what somebody chose into the address; the default needs no words there."""
    value = st.session_state[key]
    tell({key: [] if value == default else _texts(value)})


def _texts(value: Any) -> list[str]:
    """Return a value as an address has it."""
    if value is None or value == "":
        return []
    if isinstance(value, bool):
        return [str(value).lower()]
    return [str(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else [str(value)]
