"""A browser without a person: a WebSocket to the app, its session, uploads, and what the page says."""

import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPResponse
from http.cookies import SimpleCookie
from types import MappingProxyType
from typing import Any, Final

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState, UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import InvalidMessage
from websockets.sync.client import ClientConnection, connect

PATIENCE: Final = 120.0
"""Time in which the app says something, in seconds."""
HANDSHAKES: Final = 4
"""Times that a handshake is tried, ten seconds each."""


def open_socket(address: str, **options: Any) -> ClientConnection:
    """Open a WebSocket as a page does, which tries again where a handshake is not answered.

    Parameters
    ----------
    address : str
        Where.
    **options
        As for ``websockets.sync.client.connect``.

    Returns
    -------
    websockets.sync.client.ClientConnection
    """
    for _ in range(HANDSHAKES - 1):
        with contextlib.suppress(TimeoutError, InvalidMessage):
            return connect(address, **options)
    return connect(address, **options)


class Visitor:
    """Somebody who visits the app.

    Parameters
    ----------
    address : str
        Where it is served, beginning with ``http``.
    session : str
        The session to go on with; a new one by default.
    tls : ssl.SSLContext, optional
        What the server's certificate is checked by.
    cookies : mapping from str to str
        What the browser has kept from before.
    page : str
        Name of the page in the address; the first one by default.
    """

    def __init__(
        self,
        address: str,
        session: str = "",
        *,
        tls: ssl.SSLContext | None = None,
        cookies: Mapping[str, str] = MappingProxyType({}),
        page: str = "",
    ) -> None:
        self.address, self.tls, self.page = address, tls, page
        self.cookies = dict(cookies)
        self._open("/_stcore/health").close()
        words = ["streamlit", self.cookies.get("_streamlit_xsrf", "PLACEHOLDER"), *([session] if session else [])]
        self.socket: ClientConnection = open_socket(
            f"ws{address.removeprefix('http')}/_stcore/stream",
            subprotocols=words,  # type: ignore[arg-type]
            additional_headers={"Cookie": self._kept()},
            ssl=tls,
            max_size=None,
            legacy=True,
        )
        self.session = ""
        self.widgets: dict[str, WidgetState] = {}
        self._ids: dict[str, str] = {}

    def send(self, **message: Any) -> None:
        """Send a message with these fields."""
        self.socket.send(BackMsg(**message).SerializeToString())

    def messages(self) -> Iterator[ForwardMsg]:
        """Let the page run, and yield what comes of it, up to its end."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        message.rerun_script.page_name = self.page
        message.rerun_script.widget_states.widgets.extend(self.widgets.values())
        self.socket.send(message.SerializeToString())
        while True:
            forward = self._receive()
            kind = forward.WhichOneof("type")
            if kind == "new_session":
                self.session = forward.new_session.initialize.session_id
            elif kind == "delta":
                self._ids.update(_identities(forward.delta.new_element))
            yield forward
            if kind == "script_finished":
                return

    def run(self, saw: Callable[[str], object] = bool) -> str:
        """Let the page run and return all that it says, as text.

        Parameters
        ----------
        saw : callable
            Called with each piece of it as it comes.

        Returns
        -------
        str
        """
        said = []
        for forward in self.messages():
            if forward.WhichOneof("type") == "delta":
                said.append(str(forward.delta))
                saw(said[-1])
        return "\n".join(said)

    def choose(self, name: str, data: bytes) -> None:
        """Upload a sound to the page's uploader in place of the one before; the next run sees it."""
        self.send(file_urls_request={"request_id": name, "file_names": [name], "session_id": self.session})
        while (forward := self._receive()).WhichOneof("type") != "file_urls_response":
            pass
        urls = forward.file_urls_response.file_urls[0]
        status = self.upload(data, urls.file_id)
        if status != 204:
            raise RuntimeError(f"The upload of {name} was refused: {status}.")
        info = UploadedFileInfo(file_id=urls.file_id, name=name, size=len(data), file_urls=urls)
        state = WidgetState(id=self._ids["file_uploader"])
        state.file_uploader_state_value.CopyFrom(FileUploaderState(uploaded_file_info=[info]))
        self.widgets = {"file_uploader": state}

    def press(self, label: str) -> Iterator[ForwardMsg]:
        """Press a button, and yield what comes of it."""
        self.widgets["button"] = WidgetState(id=self._ids[label], trigger_value=True)
        try:
            yield from self.messages()
        finally:
            del self.widgets["button"]

    def upload(self, data: bytes, name: str, session: str | None = None) -> int:
        """Upload bytes under a name of the session's and return the status."""
        body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.wav"\r\n\r\n%b\r\n--x--\r\n' % data
        path = f"/_stcore/upload_file/{session or self.session}/{name}"
        try:
            with self._open(path, body, method="PUT", content_type="multipart/form-data; boundary=x") as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:  # refused before all of it was sent
            return 413

    def delete(self, name: str) -> None:
        """Take an upload back."""
        self._open(f"/_stcore/upload_file/{self.session}/{name}", method="DELETE").close()

    def _open(
        self, path: str, body: bytes | None = None, *, method: str = "GET", content_type: str = ""
    ) -> HTTPResponse:
        """Send a request as a browser does, with the cookies that it keeps."""
        headers = self.own_headers() | ({"Content-Type": content_type} if content_type else {})
        request = urllib.request.Request(self.address + path, body, headers, method=method)  # noqa: S310
        answer: HTTPResponse = urllib.request.urlopen(request, context=self.tls)  # noqa: S310
        for line in answer.headers.get_all("Set-Cookie", ()):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return answer

    def own_headers(self) -> dict[str, str]:
        """Return the headers by which the server knows the browser."""
        return {"Cookie": self._kept(), "X-Xsrftoken": self.cookies.get("_streamlit_xsrf", "")}

    def _kept(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _receive(self) -> ForwardMsg:
        data = self.socket.recv(PATIENCE)
        return ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())


def _identities(element: Element) -> Iterator[tuple[str, str]]:
    """Yield the widget in an element, if it is one that a visitor uses: its name, and what the app knows it by."""
    kind = element.WhichOneof("type")
    if kind == "file_uploader" and ".wav" in element.file_uploader.type:
        yield kind, element.file_uploader.id
    elif kind == "button":
        yield element.button.label, element.button.id
