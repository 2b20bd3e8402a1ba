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
from core.errors import SoundWebError, log_unexpected
from core.operations import measures
from core.operations.access.sessions import limit_to
from core.operations.access.sign_in import check_hash, ensure_unlock_code, is_allowed
from core.operations.jobs.queue import tick
from core.operations.retention import prune
from pages.ui.admin.cookie import session_routes
from pages.ui.shared.protection import Protection
from pages.ui.shared.strangers import Guard

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
    return [Middleware(Protection), Middleware(Guard)]


def program_routes() -> list[BaseRoute]:
    """Return what the server serves besides pages: to programs, to who watches its health, and to sessions' cookies."""

    def cache() -> ModuleType:
        from pages.ui.shared import cache  # Streamlit's caches need the server, which is there when somebody asks

        return cache

    health = Health(lambda: cache().predictor())
    programs = routes(lambda name: cache().predictor(name), lambda: cache().st_live_slots())
    return [*health.routes(), *programs, *session_routes()]


def start(stack: contextlib.ExitStack) -> None:
    """Set up the log, check the settings, see to a password, notice trainings that were cut off, serve what is counted.

    What cannot be done now is said in the log, and on the pages that need it.

    Parameters
    ----------
    stack : contextlib.ExitStack
        What is open until the server ends.
    """
    from pages.ui.shared import cache  # Streamlit's caches need the server that is there by now
    from pages.ui.shared.frame import ADMINS_NAME, HASH_NAME, secret

    limit_to(lambda actor: "@" not in actor or is_allowed(actor, secret(ADMINS_NAME) or ()))
    steps = (
        logs.configure,
        place_temporary_files,
        check_settings,
        lambda: check_hash(secret(HASH_NAME)),
        lambda: print_unlock_code(secret(HASH_NAME)),
        tick,
        prune,
        lambda: stack.enter_context(measures.served(metrics_address(), cache.st_live_slots)),
    )
    for step in steps:
        try:
            step()
        except (SoundWebError, OSError) as error:
            logger.warning("%s", error)
        except Exception as error:  # a server that starts shows what is wrong; one that does not helps nobody
            log_unexpected(error, "start")


def apologise(error: Exception) -> bool:
    """Show an error that nobody expected as an apology with the number that it has in the log.

    Parameters
    ----------
    error : Exception
        What the script of a page or a callback raised.

    Returns
    -------
    bool
        True: nothing else of it is shown.
    """
    number = log_unexpected(error, "a page")
    st.error(
        f"Sorry, something went wrong here. The server's log tells more under number {number}. The other pages, and "
        "what you did before, are as they were.",
        icon=":material/error:",
    )
    return True


def print_unlock_code(configured_hash: str | None) -> None:
    """Print the code that sets the administrator's password, where no password is set."""
    code = ensure_unlock_code(configured_hash)
    if code:
        sys.stderr.write(
            "\n  No administrator's password is set. Set one on the Admin page of the app with this unlock code,\n"
            f"  which works once: {code}\n\n"
        )
        sys.stderr.flush()
