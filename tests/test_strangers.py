"""What a stranger may ask of a running server: uploads while there is room, and nothing that is everybody's."""

import contextlib
import json
import socket
import urllib.request
from collections.abc import Iterator

import psutil
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed

from benchmarks.visitor import Visitor
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


def memory() -> int:
    """Return the resident memory of the started servers, in bytes."""
    return sum(child.memory_info().rss for child in psutil.Process().children() if "streamlit" in child.cmdline())


def session_of(visitor: Visitor) -> str:
    """Return the session in which a page of a visitor's runs."""
    visitor.run()
    return visitor.session


@pytest.mark.heavy
def test_uploads_fill_the_room_that_there_is_and_no_more(server):
    visitor = Visitor(server)
    visitor.run()
    before = memory()
    assert visitor.upload(bytes(1_000), "a", session="0b6a2ef0-0000-4000-8000-000000000000") == 403
    statuses = [visitor.upload(bytes(24 * MIB), f"file-{k}") for k in range(8)]
    assert statuses == [204] + 7 * [413]
    assert memory() - before < 120 * MIB
    other = Visitor(server)
    other.run()
    assert other.upload(bytes(24 * MIB), "b") == 413
    visitor.delete("file-0")
    assert other.upload(bytes(DecodeLimits().max_bytes), "whole") == 204, "a file of the limit passes"
    other.delete("whole")
    assert other.upload(bytes(UploadLimits.read().per_file + 1), "larger") == 413


@pytest.mark.heavy
def test_what_is_only_announced_takes_no_room(server):
    slow = Visitor(server)
    slow.run()
    lines = [f"{name}: {value}" for name, value in slow.own_headers().items()]
    lines += ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {24 * MIB}"]
    host, port = server.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        for k in range(6):
            path = f"/_stcore/upload_file/{slow.session}/slow-{k}"
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            head = "\r\n".join([f"PUT {path} HTTP/1.1", f"Host: {host}", *lines, "", "--x"])
            connection.sendall(head.encode())
        other = Visitor(server)
        other.run()
        assert other.upload(bytes(24 * MIB), "c") == 204
        other.delete("c")


@pytest.mark.heavy
def test_a_session_goes_on_in_its_own_browser_alone(server):
    visitor = Visitor(server)
    visitor.run()
    assert visitor.upload(b"RIFF", "mine") == 204
    stranger = Visitor(server)
    stranger.run()
    assert stranger.upload(b"RIFF", "theirs", session=visitor.session) == 403
    visitor.socket.close()
    assert session_of(Visitor(server, visitor.session)) not in ("", visitor.session)
    assert session_of(Visitor(server, visitor.session, cookies=stranger.cookies)) != visitor.session
    assert session_of(Visitor(server, visitor.session, cookies=visitor.cookies)) == visitor.session
    assert visitor.upload(b"RIFF", "after") == 204


@pytest.mark.heavy
def test_widgets_hold_words_and_no_files(server):
    visitor = Visitor(server)
    visitor.run()
    visitor.widgets = {"text": WidgetState(id="text", string_value="x" * 2 * MIB)}
    with pytest.raises(ConnectionClosed):
        visitor.run()


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
