"""What a server does when it starts: it listens at once, and sees to the rest while browsers load the first page."""

import contextlib
import functools
import importlib
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match, Route, Router, get_route_path
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose
from streamlit import net_util
from streamlit.runtime.pages_manager import PagesManager

from core import logs
from core.api.health import Health
from core.api.problems import problem_of
from core.compiled import place_temporary_files
from core.config import check_settings, metrics_address
from core.corpus.catalogue import list_places
from core.errors import BusyError, SoundWebError, log_unexpected
from core.operations import measures
from core.work.imports import imports
from core.work.places import Places
from pages.ui.admin.cookie import session_routes
from pages.ui.shared.protection import Protection
from pages.ui.shared.strangers import Guard

if TYPE_CHECKING:
    from core.serving.live import LiveSlots
    from core.serving.predictor import Predictor
    from core.serving.registry import Registry

logger = logging.getLogger(__name__)

PARTS: Final = Path(__file__).parent.parent
"""Folder of the screens' parts."""
FIRST: Final = (
    "pages.ui.shared.frame",
    "pages.ui.shared.sounds",
    "numpy",
    "PIL.Image",
    "streamlit.material_icon_names",
)
"""What the first page is made of; of Streamlit's own what it imports when it is used."""
PATIENCE: Final = 5.0
"""Time within which the first visitor is waited for, in seconds: what is loaded beside a page holds it up."""
drawn: Final = threading.Event()
"""Set once a visitor has a page."""
PROGRAMS: Final = "/api/"
"""Beginning of the addresses that programs ask."""
BUSY: Final = 1013
"""Code with which a WebSocket is closed that may be tried again later."""


class OnDemand(BaseRoute):
    """Routes whose modules are imported when one of them is asked for.

    Parameters
    ----------
    beginning : str
        What their addresses begin with.
    routes : callable
        Returns them.
    """

    def __init__(self, beginning: str, routes: Callable[[], Sequence[BaseRoute]]) -> None:
        self._beginning = beginning
        self._routes = routes
        self._router: Router | None = None
        self._places = Places(threads=1, most_waiting=64)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether an address is one of them."""
        is_one = scope["type"] in ("http", "websocket") and get_route_path(scope).startswith(self._beginning)
        return (Match.FULL if is_one else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as they do."""
        try:
            router = self._router or await self._places.run(self._make)
        except BusyError as error:
            refuse = problem_of(error) if scope["type"] == "http" else WebSocketClose(BUSY, error.told)
            await refuse(scope, receive, send)
        else:
            await router(scope, receive, send)

    def _make(self) -> Router:
        with imports.alone():
            self._router = self._router or Router(self._routes())
            return self._router


@contextlib.asynccontextmanager
async def started(app: st.App) -> AsyncIterator[None]:
    """Do what a server does when it starts, in a thread: nobody waits for it."""
    del app
    # Streamlit takes a folder ``pages`` for its old kind of multipage app until ``st.navigation`` has run once, and
    # would show the first visitors of a page that page alone. There is no public switch for it.
    PagesManager.uses_pages_directory = False
    with contextlib.ExitStack() as stack:
        async with anyio.create_task_group() as group:
            group.start_soon(begin, stack)
            yield
            group.cancel_scope.cancel()


def middleware() -> list[Middleware]:
    """Return what stands around all that the server sends."""
    # Streamlit asks a host of Amazon's which address the server has: for words at the start, and while everybody waits
    # whenever a page of another site wants to connect. There is no switch for it, and it may be unknown.
    net_util.get_external_ip = lambda: None
    return [Middleware(Protection), Middleware(Guard)]


async def to_first_page(request: Request) -> RedirectResponse:
    """Lead to the first page by its own address: from its name, Streamlit would, with a step in the history more."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{request.scope.get('root_path', '').rstrip('/')}/{query}")


def program_routes() -> list[BaseRoute]:
    """Return what the server serves besides pages: to programs, to who watches its health, and to sessions' cookies."""

    def predictor(name: str | None = None) -> "Predictor":
        with imports.alone():
            from pages.ui.shared import cache  # Streamlit's caches need the server, which is there when somebody asks

            return cache.predictor(name)

    def slots() -> "LiveSlots":
        from pages.ui.shared import cache

        return cache.st_live_slots()

    def registry() -> "Registry":
        from pages.ui.shared import cache

        return cache.VerifiedModels()

    def programs() -> Sequence[BaseRoute]:
        from core.api.routes import routes

        return routes(predictor, slots, registry)

    first_page = Route("/predict", to_first_page)
    return [first_page, *Health(predictor).routes(), OnDemand(PROGRAMS, programs), *session_routes()]


async def begin(stack: contextlib.ExitStack) -> None:
    """See to what the first page needs; once it is drawn, or nobody came, do what ``start`` does and load the rest."""
    run = anyio.to_thread.run_sync
    with imports.loading():
        for step in (logs.configure, place_temporary_files, prepare_first_page):
            await run(attempt, step)
        with anyio.move_on_after(PATIENCE):
            while not drawn.is_set():
                await anyio.sleep(0.1)
        await run(attempt, functools.partial(start, stack))
        steps = rest()
        while step := await run(following, steps):
            await run(attempt, step)


def prepare_first_page() -> None:
    """Import what the first page is made of."""
    for module in FIRST:
        importlib.import_module(module)
    list_places()


def start(stack: contextlib.ExitStack) -> None:
    """Check the settings, see to a password, notice trainings that were cut off, serve what is counted.

    What cannot be done now is said in the log, and on the pages that need it.

    Parameters
    ----------
    stack : contextlib.ExitStack
        What is open until the server ends.
    """
    from core.operations.access.sign_in import check_hash
    from core.operations.jobs.queue import tick
    from core.operations.retention import prune
    from pages.ui.shared import cache  # Streamlit's caches need the server that is there by now
    from pages.ui.shared.frame import HASH_NAME, secret

    steps = (
        check_settings,
        lambda: check_hash(secret(HASH_NAME)),
        lambda: print_unlock_code(secret(HASH_NAME)),
        tick,
        prune,
        lambda: stack.enter_context(measures.served(metrics_address(), cache.st_live_slots)),
    )
    for step in steps:
        attempt(step)


def rest() -> Iterator[Callable[[], object]]:
    """Yield what loads what visitors will ask for: the model in use, all pages' modules, predictions, corpora."""
    from core.serving import predictor
    from pages.ui.shared import cache, corpus

    yield cache.in_use
    for path in sorted(PARTS.rglob("[!_]*.py")):
        name = path.relative_to(PARTS.parent.parent).with_suffix("")
        if "live" not in name.parts:  # its component is served only where the run of a page has imported it
            yield functools.partial(importlib.import_module, ".".join(name.parts))
    yield lambda: cache.predictions(cache.VerifiedModels().load())
    yield corpus.load_ahead
    yield predictor.warm_up
    yield cache.spare_collector


def following(steps: Iterator[Callable[[], object]]) -> Callable[[], object] | None:
    """Return the next step; None behind the last one."""
    with imports.alone():
        return next(steps, None)


def attempt(step: Callable[[], object]) -> None:
    """Take a step of the start; what cannot be done now is said in the log."""
    try:
        with imports.alone():
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
    from core.operations.access.sign_in import ensure_unlock_code

    code = ensure_unlock_code(configured_hash)
    if code:
        sys.stderr.write(
            "\n  No administrator's password is set. Set one on the Admin page of the app with this unlock code,\n"
            f"  which works once: {code}\n\n"
        )
        sys.stderr.flush()
