"""What a server does when it starts, before anybody visits it."""

import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from types import ModuleType

import anyio
import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from streamlit.runtime.pages_manager import PagesManager

from core import logs
from core.api.health import Health
from core.api.routes import routes
from core.compiled import place_temporary_files
from core.config import check_settings, metrics_address
from core.errors import SoundWebError
from core.operations import measures
from core.operations.access.sign_in import check_hash, ensure_unlock_code
from core.operations.jobs.queue import tick
from pages.ui.shared.protection import Protection

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def started(app: st.App) -> AsyncIterator[None]:
    """Do what a server does when it starts."""
    del app
    # Streamlit takes a folder ``pages`` for its old kind of multipage app until ``st.navigation`` has run once, and
    # would show the first visitors of a page that page alone. There is no public switch for it.
    PagesManager.uses_pages_directory = False
    with contextlib.ExitStack() as stack:
        await anyio.to_thread.run_sync(start, stack)
        yield


def middleware() -> list[Middleware]:
    """Return what stands around all that the server sends."""
    return [Middleware(Protection)]


def program_routes() -> list[BaseRoute]:
    """Return what the server serves to programs, with the model and the live places that the pages use."""

    def cache() -> ModuleType:
        from pages.ui.shared import cache  # Streamlit's caches need the server, which is there when somebody asks

        return cache

    health = Health(lambda: cache().predictor())
    return [*health.routes(), *routes(lambda name: cache().predictor(name), lambda: cache().st_live_slots())]


def start(stack: contextlib.ExitStack) -> None:
    """Set up the log, check the settings, see to a password, notice trainings that were cut off, serve what is counted.

    What cannot be done now is said in the log, and on the pages that need it.

    Parameters
    ----------
    stack : contextlib.ExitStack
        What is open until the server ends.
    """
    from pages.ui.shared import cache  # Streamlit's caches need the server that is there by now
    from pages.ui.shared.frame import HASH_NAME, secret

    steps = (
        logs.configure,
        place_temporary_files,
        check_settings,
        lambda: check_hash(secret(HASH_NAME)),
        lambda: print_unlock_code(secret(HASH_NAME)),
        tick,
        lambda: stack.enter_context(measures.served(metrics_address(), cache.st_live_slots)),
    )
    for step in steps:
        try:
            step()
        except (SoundWebError, OSError) as error:
            logger.warning("%s", error)


def print_unlock_code(configured_hash: str | None) -> None:
    """Print the code that sets the administrator's password, where no password is set."""
    code = ensure_unlock_code(configured_hash)
    if code:
        sys.stderr.write(
            "\n  No administrator's password is set. Set one on the Admin page of the app with this unlock code,\n"
            f"  which works once: {code}\n\n"
        )
        sys.stderr.flush()
