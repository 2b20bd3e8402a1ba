"""What a browser may say over the WebSocket: what concerns itself alone, no more than a page does, and not too fast."""

import logging
import time
from typing import Final

import anyio
from google.protobuf.message import DecodeError
from starlette.types import Message, Receive, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLsRequest, FileURLsResponse
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.runtime_util import get_max_widget_state_size_bytes

logger = logging.getLogger(__name__)

MESSAGES: Final = frozenset(
    {"rerun_script", "stop_script", "file_urls_request", "app_heartbeat", "backend_operation_request"}
)
"""Messages that concern whoever sends them alone. Others clear everybody's caches, set how the server reads its
files, end it, or tell where they lie."""
MAX_FILES: Final = 500
"""Most files of a visit, and of one request for their addresses: ten times as many as a page analyses."""
BURST: Final = 200.0
"""Messages that are taken at once after a pause; a page's own come by ones."""
RATE: Final = 25.0
"""Messages that are taken in a second after that; sliders and Live send fewer than ten."""
SHARE: Final = 10_000
"""Size by which a message counts as one more, in bytes: most have a tenth of it."""


class Pace:
    """Bounds how fast the messages of a connection are taken: what comes faster waits at its sender's."""

    def __init__(self) -> None:
        self._room, self._since = BURST, time.monotonic()

    def wait(self, size: int) -> float:
        """Count a message, of a size in bytes, and return how long it has to wait, in seconds."""
        now = time.monotonic()
        self._room = min(BURST, self._room + (now - self._since) * RATE) - 1 - size / SHARE
        self._since = now
        return max(0.0, -self._room / RATE)


def only_own(receive: Receive, send: Send) -> Receive:
    """Return what receives the messages of a WebSocket without those that cost others their server."""
    pace = Pace()

    async def receive_own() -> Message:
        while True:
            message = await receive()
            data = message.get("bytes") or b""
            # Streamlit closes the connection of who sends a larger one; to read it would cost many times its size.
            if message["type"] != "websocket.receive" or len(data) > get_max_widget_state_size_bytes():
                return message
            await anyio.sleep(pace.wait(len(data)))
            said = read(data)
            kind = said.WhichOneof("type")
            if kind == "file_urls_request" and len(said.file_urls_request.file_names) > MAX_FILES:
                await send({"type": "websocket.send", "bytes": _refusal(said.file_urls_request)})
            elif kind in MESSAGES:
                return message
            else:
                logger.info("A message from a browser was left out: it would concern others too.")

    return receive_own


def read(data: bytes) -> BackMsg:
    r"""Return a message from a browser; an empty one where it is none.

    >>> read(BackMsg(clear_cache=True).SerializeToString()).WhichOneof("type")
    'clear_cache'
    >>> read(b"\\xff").WhichOneof("type"), read(b"").WhichOneof("type")
    (None, None)
    """
    try:
        return BackMsg.FromString(data)
    except DecodeError:
        return BackMsg()


def _refusal(request: FileURLsRequest) -> bytes:
    """Return the answer to a request for the addresses of too many files, which their widget shows."""
    logger.warning("A request for the addresses of %d files was refused.", len(request.file_names))
    words = f"Choose {MAX_FILES} files at most."
    answer = FileURLsResponse(response_id=request.request_id, error_msg=words)
    return bytes(ForwardMsg(file_urls_response=answer).SerializeToString())
