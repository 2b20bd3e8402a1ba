"""What a stranger may ask of the server: uploads while there is room for them, and nothing that is another's.

Streamlit keeps what is uploaded in memory until its session ends, without a limit for all; by a message over the
WebSocket anybody can clear all caches; and a session is given to whoever names it, though the addresses of uploads do.
All of it is stopped before Streamlit sees it.
"""

import dataclasses
import logging
import re
import secrets
import threading
import weakref
from typing import Final

from google.protobuf.message import DecodeError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.web.server.starlette.starlette_app_utils import decode_xsrf_token_string

from core.audio.sound import Sound
from core.config import UploadLimits
from core.settings import read_number

logger = logging.getLogger(__name__)

STREAM: Final = "/_stcore/stream"
WORDS: Final = b"sec-websocket-protocol"
"""Header of a handshake: the protocol, a token, and the session that is to go on, each if there is one."""
COOKIE: Final = "_streamlit_xsrf"
"""Cookie with a token of the browser's own, which Streamlit asks for at each upload."""
UPLOAD: Final = re.compile(r"/_stcore/upload_file/([^/]+)/[^/]+")
MESSAGES: Final = frozenset(
    {"rerun_script", "stop_script", "file_urls_request", "app_heartbeat", "backend_operation_request"}
)
"""Messages that concern whoever sends them alone. Others clear everybody's caches, set how the server reads its
files, end it, or tell where they lie."""
FULL: Final = "There is no room for this file at the moment. Remove others, or try again in a few minutes."
OTHERS: Final = "This visit began in another browser. Load the page anew."


@dataclasses.dataclass(frozen=True)
class Browser:
    """The browser that a session began in."""

    token: bytes
    """What its cookie holds."""


class Browsers:
    """Knows the browser of each session; safe to share among threads."""

    def __init__(self) -> None:
        self._known: weakref.WeakValueDictionary[str, Browser] = weakref.WeakValueDictionary()

    def meet(self, session: str, cookie: str | None) -> Browser:
        """Return the browser of a session that begins; it is known as long as somebody holds that."""
        return self._known.setdefault(session, Browser(_token(cookie)))

    def is_own(self, session: str, cookie: str | None) -> bool:
        """Tell whether a session began in the browser that sent a cookie."""
        browser, token = self._known.get(session), _token(cookie)
        return browser is not None and bool(token) and secrets.compare_digest(browser.token, token)


def _token(cookie: str | None) -> bytes:
    """Return what a cookie holds behind its mask, which changes; nothing where it is none."""
    return decode_xsrf_token_string(cookie or "")[0] or b""


browsers: Final = Browsers()
"""Those of this server."""


class Uploads:
    """Counts what is uploaded, by session; safe to share among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: dict[int, tuple[str, int]] = {}
        self._sounds: weakref.WeakValueDictionary[int, Sound] = weakref.WeakValueDictionary()
        self._owners: dict[int, str] = {}

    def keep(self, session: str, sound: Sound) -> None:
        """Count a sound that a session keeps, also after its widget has gone, as long as it does."""
        with self._lock:
            self._sounds[id(sound)], self._owners[id(sound)] = sound, session
            weakref.finalize(sound, self._owners.pop, id(sound), None)

    def held(self, session: str | None = None) -> int:
        """Return how many bytes are held or on their way, of a session or of all; what is held twice counts once."""
        sizes = {} if session else _played()
        for owner, files in list(runtime.get_instance().uploaded_file_mgr.file_storage.items()):  # type: ignore[attr-defined]
            if session in (None, owner):
                sizes |= {id(file.data): len(file.data) for file in list(files.values())}
        for key, sound in list(self._sounds.items()):
            if session in (None, self._owners.get(key)):
                sizes[id(sound.data)] = len(sound.data)
        coming = sum(size for owner, size in list(self._coming.values()) if session in (None, owner))
        return sum(sizes.values()) + coming

    def has_room(self, session: str, size: int) -> bool:
        """Tell whether there is room for so many bytes."""
        limits = UploadLimits.read()
        return self.held(session) + size <= limits.per_session and self.held() + size <= limits.in_all

    def take_in(self, request: int, session: str, size: int) -> bool:
        """Count a part of a file as it comes, not what is said of the rest; False where there is no room for it."""
        with self._lock:
            if not self.has_room(session, size):
                return False
            self._coming[request] = (session, self._coming.get(request, (session, 0))[1] + size)
        return True

    def release(self, request: int) -> None:
        """Give the room of a file back: it is held now, or did not come."""
        with self._lock:
            self._coming.pop(request, None)


uploads: Final = Uploads()
"""Those of this server."""


class Guard:
    """Lets through what a stranger may ask; stands before Streamlit as a middleware.

    Parameters
    ----------
    app : callable
        What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "websocket" and scope["path"].endswith(STREAM):
            await self._app(without_anothers(scope), only_own(receive), send)
        elif scope["type"] == "http" and (found := UPLOAD.search(scope["path"])) and scope["method"] != "OPTIONS":
            await self._change_uploads(found[1], scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _change_uploads(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what a browser does with the uploads of its own session, while there is room for them."""
        request = HTTPConnection(scope)
        stated = read_number(request.headers.get("content-length", ""))
        if not browsers.is_own(session, request.cookies.get(COOKIE)):
            await _refuse(403, OTHERS)(scope, receive, send)
        elif scope["method"] != "PUT":
            await self._app(scope, receive, send)
        elif not uploads.has_room(session, UploadLimits.read().per_file if stated is None else stated):
            await _refuse(413, FULL)(scope, receive, send)
        else:
            await self._upload(session, scope, receive, send)

    async def _upload(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an upload on as it comes; others may have taken its room meanwhile."""
        is_refused = False

        async def receive_counted() -> Message:
            nonlocal is_refused
            message = await receive()
            size = len(message.get("body", b""))
            if is_refused or (size and not uploads.take_in(id(scope), session, size)):
                is_refused = True
                return {"type": "http.disconnect"}
            return message

        async def send_accepted(message: Message) -> None:
            if not is_refused:
                await send(message)

        try:
            await self._app(scope, receive_counted, send_accepted)
        except ClientDisconnect:
            if not is_refused:
                raise
        finally:
            uploads.release(id(scope))
        if is_refused:
            await _refuse(413, FULL)(scope, receive, send)


def _played() -> dict[int, int]:
    """Return the sizes of what players of all sessions are served: sounds as they came, and decoded ones."""
    storage = runtime.get_instance().media_file_mgr._storage  # type: ignore[attr-defined]
    return {id(file.content): len(file.content) for file in list(storage._files_by_id.values())}


def _refuse(status: int, words: str) -> PlainTextResponse:
    """Return the answer to an upload that is not taken; the rest of it is not waited for."""
    logger.warning("An upload was refused: %s", words)
    return PlainTextResponse(words, status, {"Connection": "close"})


def without_anothers(scope: Scope) -> Scope:
    """Return a handshake without the session that it names, where that did not begin in the same browser."""
    words = [word.strip() for word in Headers(scope=scope).get(WORDS.decode(), "").split(",")]
    if len(words) < 3 or browsers.is_own(words[2], HTTPConnection(scope).cookies.get(COOKIE)):
        return scope
    logger.info("A browser named a session that did not begin in it, or has ended, and got a new one.")
    headers = [(name, value) for name, value in scope["headers"] if name != WORDS]
    return {**scope, "headers": [*headers, (WORDS, ", ".join(words[:2]).encode())], "subprotocols": words[:2]}


def only_own(receive: Receive) -> Receive:
    """Return what receives the messages of a WebSocket without those that concern others than who sends them."""

    async def receive_own() -> Message:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive" or kind_of(message.get("bytes")) in MESSAGES:
                return message
            logger.info("A message from a browser was left out: it would concern others too.")

    return receive_own


def kind_of(data: bytes | None) -> str | None:
    r"""Return what a message from a browser is; None where it is none.

    >>> kind_of(BackMsg(clear_cache=True).SerializeToString()), kind_of(b"\\xff"), kind_of(None)
    ('clear_cache', None, None)
    """
    try:
        kind: str | None = BackMsg.FromString(data).WhichOneof("type") if data else None
    except DecodeError:
        return None
    return kind
