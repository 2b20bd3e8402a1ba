"""Health of the server, for who watches it: ``/healthz`` tells that it lives, ``/readyz`` that its pages would work.

Both are open to everybody, and say no more than that: reasons stand in the log.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

LIVE_PATH: Final = "/healthz"
READY_PATH: Final = "/readyz"
PATIENCE: Final = 5.0
"""Time after which what has not answered counts as ill, in seconds."""
KEPT: Final = 2.0
"""Time for which an answer holds, in seconds: however many ask, checks cost the server little."""


class Health:
    """Answers those who watch.

    Parameters
    ----------
    predictor : callable
        Returns the model in use, ready to answer.
    """

    def __init__(self, predictor: Callable[[], object]) -> None:
        self._checks = {"model": predictor, "database": _database, "disk": _room}
        self._lock = anyio.Lock()
        self._limiter = anyio.CapacityLimiter(len(self._checks))
        self._asked: set[str] = set()
        self._found: dict[str, bool] = {}
        self._due = 0.0

    def routes(self) -> list[Route]:
        """Return the routes of both."""
        return [Route(LIVE_PATH, self.live), Route(READY_PATH, self.ready)]

    async def live(self, request: Request) -> JSONResponse:
        """Tell that the server lives."""
        del request
        return _answer({})

    async def ready(self, request: Request) -> JSONResponse:
        """Tell whether the pages would work, and what is ill."""
        del request
        async with self._lock:
            if time.monotonic() >= self._due:
                self._found = await self._ask()
                self._due = time.monotonic() + KEPT
            return _answer(self._found)

    async def _ask(self) -> dict[str, bool]:
        """Check everything at once; what does not come back in time is ill, and not asked again before it does."""
        found = dict.fromkeys(self._checks, False)

        async def ask(name: str) -> None:
            run = anyio.to_thread.run_sync
            found[name] = await run(self._check, name, abandon_on_cancel=True, limiter=self._limiter)

        with anyio.move_on_after(PATIENCE):
            async with anyio.create_task_group() as group:
                for name in self._checks.keys() - self._asked:
                    group.start_soon(ask, name)
        return found

    def _check(self, name: str) -> bool:
        from core.operations.health import is_well

        self._asked.add(name)
        try:
            return is_well(self._checks[name])
        finally:
            self._asked.discard(name)


def _database() -> None:
    from core.operations.health import check_database  # what it imports is no matter of the server's start

    check_database()


def _room() -> None:
    from core.operations.health import check_room

    check_room()


def _answer(found: Mapping[str, bool]) -> JSONResponse:
    """Return an answer: 503 where anything is ill."""
    words = {True: "well", False: "ill"}
    content: dict[str, Any] = {"status": words[all(found.values())]}
    if found:
        content["checks"] = {name: words[is_well] for name, is_well in found.items()}
    return JSONResponse(content, 200 if all(found.values()) else 503, {"Cache-Control": "no-store"})
