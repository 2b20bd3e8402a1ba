"""What a stranger may ask of a running server: uploads while there is room, and nothing that is everybody's."""

import http.cookiejar
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from core.config import DecodeLimits, UploadLimits
from core.work.room import Room
from pages.ui.shared.strangers import kind_of
from tests.test_browser import running_app

MIB = 2**20
ROOM = 40
"""Of the server that is attacked, for all uploads, in MiB."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_app({"SOUNDWEB_UPLOADS": str(ROOM)}, "--server.enableAgentApi", "false") as address:
        yield address


class Visitor:
    """A browser without a person: a WebSocket, its session, and uploads to it."""

    def __init__(self, address: str, session: str = "") -> None:
        self.address = address
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.opener.open(f"{address}/_stcore/health").read()
        self.xsrf = next((cookie.value for cookie in self.jar if cookie.name == "_streamlit_xsrf"), "") or ""
        words = ["streamlit", self.xsrf or "PLACEHOLDER", *([session] if session else [])]
        self.socket: ClientConnection = connect(
            f"ws{address.removeprefix('http')}/_stcore/stream",
            subprotocols=words,  # type: ignore[arg-type]
            additional_headers={"Cookie": f"_streamlit_xsrf={self.xsrf}"},
            max_size=None,
            legacy=True,
        )
        self.session = ""

    def send(self, **message: Any) -> None:
        self.socket.send(BackMsg(**message).SerializeToString())

    def run(self) -> str:
        """Let the page run and return all that it says, as text."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        self.socket.send(message.SerializeToString())
        said = []
        while True:
            data = self.socket.recv(60)
            forward = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
            kind = forward.WhichOneof("type")
            if kind == "new_session":
                self.session = forward.new_session.initialize.session_id
            elif kind == "delta":
                said.append(str(forward.delta))
            elif kind == "script_finished":
                return "\n".join(said)

    def upload(self, size: int, name: str, session: str | None = None) -> int:
        """Upload zeros and return the status."""
        body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.wav"\r\n\r\n%b\r\n--x--\r\n' % bytes(size)
        request = urllib.request.Request(  # noqa: S310
            f"{self.address}/_stcore/upload_file/{session or self.session}/{name}",
            body,
            {"Content-Type": "multipart/form-data; boundary=x", "X-Xsrftoken": self.xsrf},
            method="PUT",
        )
        try:
            with self.opener.open(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:  # refused before all of it was sent
            return 413

    def delete(self, name: str) -> None:
        address = f"{self.address}/_stcore/upload_file/{self.session}/{name}"
        self.opener.open(urllib.request.Request(address, headers={"X-Xsrftoken": self.xsrf}, method="DELETE"))  # noqa: S310


def memory() -> int:
    """Return the resident memory of the started servers, in bytes."""
    return sum(child.memory_info().rss for child in psutil.Process().children() if "streamlit" in child.cmdline())


@pytest.mark.heavy
def test_uploads_fill_the_room_that_there_is_and_no_more(server):
    visitor = Visitor(server)
    visitor.run()
    before = memory()
    assert visitor.upload(1_000, "a", session="0b6a2ef0-0000-4000-8000-000000000000") == 400
    statuses = [visitor.upload(24 * MIB, f"file-{k}") for k in range(8)]
    assert statuses == [204] + 7 * [413]
    assert memory() - before < 120 * MIB
    other = Visitor(server)
    other.run()
    assert other.upload(24 * MIB, "b") == 413
    visitor.delete("file-0")
    assert other.upload(DecodeLimits().max_bytes, "whole") == 204, "a file of the limit passes"
    other.delete("whole")
    assert other.upload(UploadLimits.read().per_file + 1, "larger") == 413


@pytest.mark.heavy
def test_a_message_that_concerns_others_is_left_out(server):
    visitor = Visitor(server)
    visitor.run()
    for message in ({"clear_cache": True}, {"set_run_on_save": True}, {"debug_shutdown_runtime": True}):
        visitor.send(**message)
    visitor.socket.send(b"\xff\xff")
    visitor.socket.send("text")
    assert "No sound yet" in visitor.run()
    with urllib.request.urlopen(f"{server}/_stcore/health") as answer:  # noqa: S310
        assert answer.status == 200


@pytest.mark.parametrize("name", ["clear_cache", "set_run_on_save", "debug_shutdown_runtime"])
def test_messages_are_told_apart(name):
    assert kind_of(BackMsg(**{name: True}).SerializeToString()) == name
    assert kind_of(json.dumps({name: True}).encode()) is None


def test_a_room_keeps_what_was_used_last_and_never_too_much():
    room, asked = Room(3_000), []

    def make(name: str) -> bytes:
        asked.append(name)
        return bytes(1_000)

    for name in ("a", "b", "a", "c", "a", "b"):
        room.get("me", name, lambda name=name: make(name))
    assert asked == ["a", "b", "c", "b"]
    assert room.n_bytes <= room.max_bytes
    assert len(room.get("me", "large", lambda: bytes(5_000))) == 5_000
    room.get("me", "large", lambda: make("large"))
    assert asked[-1] == "large"
    room.forget("me")
    assert room.n_bytes == 0
