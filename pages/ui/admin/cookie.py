"""The cookie that keeps an administrator's session over a reload and in a new tab.

A page cannot set a cookie that scripts cannot read; a route can. Whoever has signed in gets a word that works once and
for seconds; a line of JavaScript sends it to the route, which answers with the cookie. Signing out ends the session,
and with it what the cookie is worth.
"""

import secrets
import threading
import time
from typing import Final

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import NotSignedIn, SoundWebError
from core.work.places import Places
from pages.ui.shared import state

COOKIE: Final = "soundweb-admin"
PATH: Final = "/admin-session"
LIFE: Final = 30.0
"""Time within which a word can be handed over, in seconds."""
MAX_WORD: Final = 200
"""Longest body that is read, in bytes."""
JS: Final = """
export default function ({ data, setStateValue }) {
  if (data.word) fetch("%s", { method: "POST", body: data.word, credentials: "same-origin" })
}
""" % PATH.removeprefix("/")  # noqa: UP031 - braces are JavaScript's


class Handovers:
    """Words that stand for tokens, once and for seconds; safe to share among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}

    def give(self, token: str) -> str:
        """Return a word for a token."""
        word = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens = {one: kept for one, kept in self._tokens.items() if kept[1] > time.monotonic()}
            self._tokens[word] = (token, time.monotonic() + LIFE)
        return word

    def take(self, word: str) -> str | None:
        """Return the token of a word, which is used up; None where there is none."""
        with self._lock:
            token, end = self._tokens.pop(word, (None, 0.0))
        return token if end > time.monotonic() else None


handovers: Final = Handovers()
"""Those of this server."""
places: Final = Places(threads=2, most_waiting=16)
"""Threads that wait for the database."""


def ask_for_cookie(word: str | None) -> None:
    """Let the browser hand over a word, where there is one."""
    if word:
        _component()(key=state.ADMIN_COOKIE, data={"word": word})


def _component():  # type: ignore[no-untyped-def]
    return st.components.v2.component("admin_cookie", js=JS)


async def set_cookie(request: Request) -> Response:
    """Answer a word with the cookie of its session."""
    from core.operations.access.sessions import require_admin

    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_WORD:
            return Response(status_code=413)
    token = handovers.take(body.decode("latin-1"))
    if token is None:
        return Response(status_code=403)
    try:
        await places.run(require_admin, token)
    except NotSignedIn:
        return Response(status_code=403)
    except SoundWebError as error:  # the database cannot be used, or too many wait for it
        return Response(error.told, 503)
    response = Response(status_code=204)
    is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=is_secure, path="/")
    return response


def session_routes() -> list[Route]:
    """Return the route that sets the cookie."""
    return [Route(PATH, set_cookie, methods=["POST"])]
