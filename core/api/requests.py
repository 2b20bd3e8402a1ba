"""Requests of programs, each with a number of its own: in the log, in the answer, and counted by route and status."""

import logging
import re
import time
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.logs import new_number
from core.operations import measures

HEADER: Final = "X-Request-ID"
NUMBER: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
"""Numbers that a proxy may give; others are replaced."""
ENDED: Final = 499
"""Status of what ended without an answer, as proxies write it."""

logger = logging.getLogger(__name__)


class Requests:
    """Middleware that numbers, logs and counts.

    Parameters
    ----------
    app : ASGI application
        What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and note that."""
        given = Headers(scope=scope).get(HEADER, "")
        number = given if NUMBER.fullmatch(given) else new_number()
        status, start = ENDED, time.perf_counter()

        async def send_numbered(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.accept"):
                status = message.get("status", 101)
                MutableHeaders(scope=message)[HEADER] = number
            await send(message)

        with structlog.contextvars.bound_contextvars(request=number):
            try:
                await self._app(scope, receive, send_numbered)
            finally:
                # What was asked for can hold anything; the route is one of ours.
                route = getattr(scope.get("endpoint"), "__name__", "unknown")
                measures.requests.labels(route, str(status)).inc()
                seconds = round(time.perf_counter() - start, 3)
                logger.info("request", extra={"route": route, "status": status, "seconds": seconds})
