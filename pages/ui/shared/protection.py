"""What stands around everything that the server sends: headers that bind browsers, and addresses that are closed.

Streamlit sets none of these. Its page needs styles that scripts write, scripts that it gets as blobs (components
without a file), and frames of its own origin (the microphone of Live).
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE: Final = Path(st.__file__).with_name("static") / "index.html"
"""The page into which Streamlit's scripts draw everything."""
INLINE: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
CLOSED: Final = re.compile(r"/_stcore/(?:metrics|script-health-check|agent)(?:/|$)")
"""Addresses that tell of the server, or drive the app without a browser: nobody's from outside."""


class Protection:
    """Middleware that closes ``CLOSED`` and adds headers to every response.

    Parameters
    ----------
    app : ASGI application
        What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._headers = app, headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        closed = CLOSED.search(scope["path"])
        await (PlainTextResponse("Not Found", 404) if closed else self._app)(scope, receive, send_protected)


def headers() -> dict[str, str]:
    """Return the headers of every response."""
    return {
        "Content-Security-Policy": "; ".join(f"{kind} {' '.join(sources)}" for kind, sources in policy().items()),
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def policy() -> dict[str, tuple[str, ...]]:
    """Return where each kind of content may come from: this server alone, and what its scripts make."""
    own = "'self'"
    return {
        "default-src": (own,),
        "script-src": (own, "blob:", *inline_scripts()),
        "style-src": (own, "'unsafe-inline'"),
        "img-src": (own, "data:", "blob:"),
        "font-src": (own, "data:"),
        "media-src": (own, "data:", "blob:"),
        "connect-src": (own, "data:", "blob:"),
        "worker-src": (own, "blob:"),
        "frame-src": (own,),
        "frame-ancestors": (own,),
        "form-action": (own,),
        "base-uri": (own,),
        "object-src": ("'none'",),
    }


def inline_scripts() -> Iterator[str]:
    """Yield the hashes of the scripts in Streamlit's page, as they are installed."""
    for script in INLINE.findall(PAGE.read_text(encoding="utf-8")):
        yield f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
