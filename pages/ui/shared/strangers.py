"""What a stranger may ask of the server: uploads while there is room for them, and nothing that is another's.

Streamlit keeps what is uploaded in memory until its session ends, without a limit for all; it takes pages of other
servers on the same host for its own; and a session is given to whoever names it, though the addresses of uploads do.
All of it is stopped before Streamlit sees it, as are messages that concern others (``pages.ui.shared.messages``).
"""

import collections
import dataclasses
import logging
import re
import secrets
import threading
import urllib.parse
import weakref
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose
from streamlit import config, runtime
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.web.server.starlette.starlette_app_utils import decode_xsrf_token_string

from core.api.forms import is_form
from core.audio.sound import Sound
from core.config import UploadLimits
from core.settings import read_number
from core.work.intake import Intake
from pages.ui.shared.messages import MAX_FILES, only_own

logger = logging.getLogger(__name__)

STREAM: Final = "/_stcore/stream"
WORDS: Final = b"sec-websocket-protocol"
"""Header of a handshake: the protocol, a token, and the session that is to go on, each if there is one."""
COOKIE: Final = "_streamlit_xsrf"
"""Cookie with a token of the browser's own, which Streamlit asks for at each upload."""
UPLOAD: Final = re.compile(r"/_stcore/upload_file/([^/]+)/([^/]+)")
FILE: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""What the server calls a file for which a browser asks an address."""
FILE_SIZE: Final = 16_384
"""What a file counts for besides its content, name and type, in bytes: many empty ones would take little room, but long
to be counted."""
PORTS: Final = {"http": 80, "https": 443}
DEFAULT: Final = "localhost"
"""Address that names no server: other servers of the same machine have it too."""
FULL: Final = "There is no room for this file at the moment. Remove others, or try again in a few minutes."
MANY: Final = f"A visit holds {MAX_FILES} files at most. Remove others first."
UNKNOWN: Final = "A file is uploaded as a form, to the address that the server gave."
OTHERS: Final = "This visit began in another browser. Load the page anew."
ELSEWHERE: Final = "This page comes from another address than the server's."


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
        self._intake = Intake()
        self._lying: collections.Counter[str | None] = collections.Counter()
        self._sounds: weakref.WeakValueDictionary[int, Sound] = weakref.WeakValueDictionary()
        self._owners: dict[int, str] = {}

    def keep(self, session: str, sound: Sound) -> None:
        """Count a sound that a session keeps, also after its widget has gone, as long as it does."""
        with self._lock:
            self._sounds[id(sound)], self._owners[id(sound)] = sound, session
            weakref.finalize(sound, self._owners.pop, id(sound), None)

    def has_room(self, session: str, size: int) -> bool:
        """Tell whether there is room for so many bytes."""
        self._look()
        of_session, in_all = self._most(session)
        return self._intake.of(session) + size <= of_session and self._intake.in_all + size <= in_all

    def has_place(self, session: str) -> bool:
        """Tell whether a session may have one more file."""
        return len(_files().get(session, ())) + self._intake.pieces_of(session) < MAX_FILES

    def take_in(self, request: int, session: str, size: int) -> bool:
        """Count a part of a file as it comes, not what is said of the rest; False where there is no room for it."""
        of_session, in_all = self._most(session)
        return self._intake.take(request, session, size, of_owner=of_session, in_all=in_all)

    def release(self, request: int) -> None:
        """Give the room of a file back: it is held now, or did not come."""
        self._look()
        self._intake.release(request)

    def _most(self, session: str) -> tuple[int, int]:
        """Return how much may be on its way beside what lies here, of a session and in all, in bytes."""
        limits, lying = UploadLimits.read(), self._lying
        return limits.per_session - lying[session], limits.in_all - lying[None]

    def _look(self) -> None:
        """Find how much lies here, of each session and in all; what is held twice counts once."""
        sizes: collections.defaultdict[str | None, dict[int, int]] = collections.defaultdict(dict)
        for session, files in list(_files().items()):
            for file in list(files.values()):
                words = len(file.file_id) + len(file.name) + len(file.type)
                sizes[session] |= {id(file.data): len(file.data), id(file): FILE_SIZE + words}
        for key, sound in list(self._sounds.items()):
            sizes[self._owners.get(key)][id(sound.data)] = len(sound.data)
        in_all = _played()
        for held in sizes.values():
            in_all |= held
        lying = {session: sum(held.values()) for session, held in sizes.items()}
        self._lying = collections.Counter(lying | {None: sum(in_all.values())})


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
            if is_at_home(scope):
                await self._app(without_anothers(scope), only_own(receive, send), send)
            else:
                await WebSocketClose(1008, ELSEWHERE)(scope, receive, send)
        elif scope["type"] == "http" and (found := UPLOAD.search(scope["path"])) and scope["method"] != "OPTIONS":
            await self._change_uploads(found[1], found[2], scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _change_uploads(self, session: str, file: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what a browser does with the uploads of its own session, while there is room for them."""
        is_new = scope["method"] == "PUT"
        objection = _objection(session, scope) or (_objection_to_file(session, file, scope) if is_new else None)
        if objection is not None:
            await _refuse(*objection)(scope, receive, send)
        elif is_new:
            await self._upload(session, scope, receive, send)
        else:
            await self._app(scope, receive, send)

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

        uploads.take_in(id(scope), session, FILE_SIZE)
        try:
            await self._app(scope, receive_counted, send_accepted)
        except ClientDisconnect:
            if not is_refused:
                raise
        finally:
            uploads.release(id(scope))
        if is_refused:
            await _refuse(413, FULL)(scope, receive, send)


def _objection(session: str, scope: Scope) -> tuple[int, str] | None:
    """Return why a browser may not change the uploads of a session: status and words; None where it may."""
    if not is_at_home(scope):
        return 403, ELSEWHERE
    return None if browsers.is_own(session, HTTPConnection(scope).cookies.get(COOKIE)) else (403, OTHERS)


def _objection_to_file(session: str, file: str, scope: Scope) -> tuple[int, str] | None:
    """Return why a file is not taken: status and words; None where it is."""
    headers = Headers(scope=scope)
    stated = read_number(headers.get("content-length", ""))
    try:
        if not (is_form(headers) and FILE.fullmatch(file)):
            return 400, UNKNOWN
    except HTTPException as error:
        return error.status_code, error.detail
    if not uploads.has_place(session):
        return 413, MANY
    size = UploadLimits.read().per_file if stated is None else stated
    return None if uploads.has_room(session, size + FILE_SIZE) else (413, FULL)


def _files() -> dict[str, dict[str, UploadedFileRec]]:
    """Return the files of all sessions, by session and by what they are called."""
    found: dict[str, dict[str, UploadedFileRec]] = runtime.get_instance().uploaded_file_mgr.file_storage  # type: ignore[attr-defined]
    return found


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


def is_at_home(scope: Scope) -> bool:
    """Tell whether a request comes from a page of this server's own address, from one that is named, or from no page.

    Cookies are the same on all ports of a host, and Streamlit looks at the host alone.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None:
        return True
    scheme = origin.partition(":")[0]
    # A page without TLS is none of a server with it; the other way about, a proxy may have seen to it.
    is_possible = scheme == "https" or scope["scheme"] in ("http", "ws")
    addresses = [*_named(), *([headers.get("host", "")] if is_possible else [])]
    try:
        if scheme in PORTS and place_of(origin, scheme) in [place_of(address, scheme) for address in addresses]:
            return True
    except ValueError:  # a port that is none
        pass
    logger.warning("A page of %.100r was refused. If it is this server's, name it as browser.serverAddress.", origin)
    return False


def place_of(address: str, scheme: str) -> tuple[str | None, int | None]:
    """Return host and port of an address, which may leave out scheme and port.

    >>> place_of("https://Voice.example/x", "https"), place_of("voice.example:443", "https")
    (('voice.example', 443), ('voice.example', 443))
    """
    parts = urllib.parse.urlsplit(address if "://" in address else f"{scheme}://{address}")
    return parts.hostname, parts.port or PORTS.get(parts.scheme)


def _named() -> list[str]:
    """Return the addresses that Streamlit's configuration names; without a port, that of the scheme is meant."""
    named = [origin.strip() for origin in config.get_option("server.corsAllowedOrigins")]
    address, port = config.get_option("browser.serverAddress"), config.get_option("browser.serverPort")
    if config.is_manually_set("browser.serverPort"):
        named.append(f"{address}:{port}")
    elif address != DEFAULT:
        named.append(address)
    return named
