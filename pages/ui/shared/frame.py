"""What stands around every screen: the sidebar beside it, the one place where errors are shown."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import streamlit as st

from core.errors import SoundWebError
from pages.ui.shared import cache, state
from pages.ui.shared.navigation import mend_navigation
from pages.ui.shared.strangers import COOKIE, browsers

logger = logging.getLogger(__name__)

HASH_NAME: Final = "admin_password_hash"
"""Secret that holds the hash of the administrator's password."""
ADMINS_NAME: Final = "admins"
"""Secret that lists the addresses of administrators who sign in with an account."""
STYLE: Final = Path(__file__).with_name("frame.css")
DOMAIN_NOTICE = "Trained on acted speech and song. It hears how a voice sounds, not what a person feels."


def secret(name: str) -> Any:
    """Return a secret of the installation; None where it has none of this name."""
    return st.secrets.get(name) if st.secrets.load_if_toml_exists() else None


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show an error that a user can act on as a sentence, and end the run; anything else is a bug and shows as one."""
    try:
        yield
    except SoundWebError as error:
        if error.told != str(error):
            logger.warning("%s", error)
        st.error(error.told, icon=":material/error:")
        st.stop()


@contextmanager
def toasted_errors() -> Iterator[None]:
    """Show an error that a user can act on for a while: for what runs before the page, as callbacks do."""
    try:
        yield
    except SoundWebError as error:
        st.toast(error.told, icon=":material/error:")


@contextmanager
def framed() -> Iterator[None]:
    """Show the sidebar before the page; where a model must be loaded for it, behind the page, which does not wait."""
    if state.BROWSER not in st.session_state:
        st.session_state[state.BROWSER] = browsers.meet(cache.session(), st.context.cookies.get(COOKIE))
    st.html(STYLE)
    mend_navigation()
    is_ready = cache.is_ready()
    if is_ready:
        _show_sidebar()
    try:
        yield
    finally:
        if not is_ready:
            _show_sidebar()


def _show_sidebar() -> None:
    from pages.ui.shared.sidebar import show_sidebar  # it imports what a model needs

    with st.sidebar:
        show_sidebar()
