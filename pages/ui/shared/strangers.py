"""What a stranger may ask of the server: uploads while there is room for them, and nothing that is everybody's.

Streamlit keeps what is uploaded in memory until its session ends, without a limit for all; and by a message over the
WebSocket anybody can clear all caches. Both are stopped before Streamlit sees them.
"""

import logging
import re
import threading
import weakref
from typing import Final

from google.protobuf.message import DecodeError
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime
from streamlit.proto.BackMsg_pb2 import BackMsg

from core.audio.sound import Sound
from core.config import UploadLimits
from core.settings import read_number

logger = logging.getLogger(__name__)

STREAM: Final = "/_stcore/stream"
UPLOAD: Final = re.compile(r"/_stcore/upload_file/([^/]+)/[^/]+")
MESSAGES: Final = frozenset(
    {"rerun_script", "stop_script", "file_urls_request", "app_heartbeat", "backend_operation_request"}
)
"""Messages that concern whoever sends them alone. Others clear everybody's caches, set how the server reads its
files, end it, or tell where they lie."""
FULL: Final = "There is no room for this file at the moment. Remove others, or try again in a few minutes."


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
        sizes: dict[int, int] = {}
        for owner, files in list(runtime.get_instance().uploaded_file_mgr.file_storage.items()):  # type: ignore[attr-defined]
            if session in (None, owner):
                sizes |= {id(file.data): len(file.data) for file in list(files.values())}
        for key, sound in list(self._sounds.items()):
            if session in (None, self._owners.get(key)):
                sizes[id(sound.data)] = len(sound.data)
        coming = sum(size for owner, size in list(self._coming.values()) if session in (None, owner))
        return sum(sizes.values()) + coming

    def reserve(self, request: int, session: str, size: int) -> bool:
        """Make room for a file that is to come; False where there is none."""
        limits = UploadLimits.read()
        with self._lock:
            if self.held(session) + size > limits.per_session or self.held() + size > limits.in_all:
                return False
            self._coming[request] = (session, size)
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
            await self._app(scope, only_own(receive), send)
        elif scope["type"] == "http" and scope["method"] == "PUT" and (found := UPLOAD.search(scope["path"])):
            await self._upload(found[1], scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _upload(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an upload on where there is room for it."""
        stated = dict(scope["headers"]).get(b"content-length", b"").decode("latin-1")
        size = read_number(stated)
        size = UploadLimits.read().per_file if size is None else size
        if not uploads.reserve(id(scope), session, size):
            logger.warning("An upload of %s bytes was refused: there is no room.", f"{size:,}")
            await PlainTextResponse(FULL, 413, {"Connection": "close"})(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            uploads.release(id(scope))


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
