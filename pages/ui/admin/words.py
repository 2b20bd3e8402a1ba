"""Durations and sizes in words, and what was done by the last click."""

import streamlit as st

from pages.ui.shared import state


def duration(seconds: float) -> str:
    """Return a duration as people say it.

    >>> [duration(seconds) for seconds in (0.4, 50, 100, 5_000, 200_000)]
    ['1 s', '50 s', '1 min 40 s', '1 h 23 min', '55 h 33 min']
    """
    whole = max(round(seconds), 1)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def size(n_bytes: float) -> str:
    """Return a size as people say it.

    >>> [size(n_bytes) for n_bytes in (12, 3 * 2**20, 5 * 2**30)]
    ['0.0 MiB', '3.0 MiB', '5.0 GiB']
    """
    return f"{n_bytes / 2**30:,.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:,.1f} MiB"


def say_done(sentence: str) -> None:
    """Run the page anew, and say there what was done."""
    st.session_state[state.ADMIN_DONE] = sentence
    st.rerun()


def show_done() -> None:
    """Say what was done by the last click."""
    sentence = st.session_state.pop(state.ADMIN_DONE, None)
    if sentence:
        st.toast(sentence, icon=":material/check:")
