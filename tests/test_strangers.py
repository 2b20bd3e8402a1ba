"""What a stranger may ask of a running server: uploads while there is room, and nothing that is everybody's."""

import json
import urllib.request
from collections.abc import Iterator

import psutil
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

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


@pytest.mark.heavy
def test_uploads_fill_the_room_that_there_is_and_no_more(server):
    visitor = Visitor(server)
    visitor.run()
    before = memory()
    assert visitor.upload(bytes(1_000), "a", session="0b6a2ef0-0000-4000-8000-000000000000") == 400
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
