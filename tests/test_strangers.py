"""What a stranger may ask of a running server: uploads while there is room, and nothing that is everybody's."""

import asyncio
import contextlib
import json
import socket
import urllib.request
import uuid
from collections.abc import Iterator

import psutil
import pytest
import requests
from streamlit import config
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from benchmarks.visitor import Visitor
from core.config import DecodeLimits, UploadLimits
from core.work.room import Room
from pages.ui.shared import messages as module
from pages.ui.shared.messages import MAX_FILES, RATE, Pace, only_own, read
from pages.ui.shared.strangers import FILE_SIZE, is_at_home
from tests.test_browser import running_app

MIB = 2**20
ROOM = 40
"""Of the server that is attacked, for all uploads, in MiB."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_app({"SOUNDWEB_UPLOADS": str(ROOM)}, "--server.enableAgentApi", "false") as address:
        yield address


def file_id(name: str) -> str:
    """Return what the server could call a file; the same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


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
    assert visitor.upload(bytes(1_000), file_id("a"), session="0b6a2ef0-0000-4000-8000-000000000000") == 403
    statuses = [visitor.upload(bytes(24 * MIB), file_id(f"file-{k}")) for k in range(8)]
    assert statuses == [204] + 7 * [413]
    assert memory() - before < 120 * MIB
    other = Visitor(server)
    other.run()
    assert other.upload(bytes(24 * MIB), file_id("b")) == 413
    visitor.delete(file_id("file-0"))
    assert other.upload(bytes(DecodeLimits().max_bytes), file_id("whole")) == 204, "a file of the limit passes"
    other.delete(file_id("whole"))
    assert other.upload(bytes(UploadLimits.read().per_file + 1), file_id("larger")) == 413


@pytest.mark.heavy
def test_what_is_only_announced_takes_no_room(server):
    slow = Visitor(server)
    slow.run()
    lines = [f"{name}: {value}" for name, value in slow.own_headers().items()]
    lines += ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {24 * MIB}"]
    host, port = server.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        for k in range(6):
            path = f"/_stcore/upload_file/{slow.session}/{file_id(str(k))}"
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            head = "\r\n".join([f"PUT {path} HTTP/1.1", f"Host: {host}", *lines, "", "--x"])
            connection.sendall(head.encode())
        other = Visitor(server)
        other.run()
        assert other.upload(bytes(24 * MIB), file_id("c")) == 204
        other.delete(file_id("c"))


@pytest.mark.heavy
def test_files_without_content_take_room_too_and_have_names_of_the_servers_own(server):
    visitor = Visitor(server)
    visitor.run()
    statuses = [visitor.upload(b"", file_id(str(k))) for k in range(MAX_FILES + 1)]
    assert statuses == MAX_FILES * [204] + [413]
    for name in ("p", "x" * 50_000, "00000000-0000-0000-0000-0000000000zz"):
        assert visitor.upload(b"", name) == 400
    for k in range(MAX_FILES):
        visitor.delete(file_id(str(k)))
    assert visitor.upload(b"RIFF", file_id("a file")) == 204


@pytest.mark.heavy
def test_files_without_content_fill_the_room_as_others_do():
    with running_app({"SOUNDWEB_UPLOADS": "1"}) as address:
        visitor, other = Visitor(address), Visitor(address)
        visitor.run()
        other.run()
        statuses = [visitor.upload(b"", file_id(str(k))) for k in range(100)]
        n_taken = MIB // FILE_SIZE - 1  # a little is what is said of them
        assert statuses == n_taken * [204] + (100 - n_taken) * [413]
        assert other.upload(b"", file_id("a")) == 413
        visitor.delete(file_id("0"))
        assert other.upload(b"", file_id("a")) == 204


FIELD = b'--x\r\nContent-Disposition: form-data; name="f-"\r\n\r\na-b\r\n--x--\r\n'


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/form-data; boundary=x; charset=punycode", 415),
        ("multipart/form-data; boundary=x; charset=idna", 415),
        ("application/x-www-form-urlencoded", 400),
        ("text/plain", 400),
        ("multipart/form-data; boundary=x; charset=utf-8", 400),  # read, and there is no file in it
    ],
)
def test_a_form_is_read_in_a_plain_charset_alone(server, content_type, status):
    visitor = Visitor(server)
    visitor.run()
    path = f"{server}/_stcore/upload_file/{visitor.session}/{file_id('a')}"
    headers = visitor.own_headers() | {"Content-Type": content_type}
    assert requests.put(path, FIELD, headers=headers, timeout=60).status_code == status


@pytest.mark.heavy
def test_a_request_for_too_many_addresses_is_answered_with_a_sentence(server):
    visitor = Visitor(server)
    visitor.run()
    answers = []
    for n in (450_000, MAX_FILES + 1, MAX_FILES):
        visitor.send(file_urls_request={"request_id": str(n), "file_names": n * [""], "session_id": visitor.session})
        while (said := ForwardMsg.FromString(visitor.socket.recv(60))).WhichOneof("type") != "file_urls_response":
            pass
        answers.append((said.file_urls_response.response_id, len(said.file_urls_response.file_urls)))
        assert ("files at most" in said.file_urls_response.error_msg) == (n > MAX_FILES)
    assert answers == [("450000", 0), (str(MAX_FILES + 1), 0), (str(MAX_FILES), MAX_FILES)]


@pytest.mark.heavy
def test_pages_of_another_port_of_the_same_host_are_refused(server):
    visitor = Visitor(server)
    visitor.run()
    address = f"ws{server.removeprefix('http')}/_stcore/stream"
    with pytest.raises(InvalidStatus):
        connect(address, origin=f"{server}1", subprotocols=["streamlit"], legacy=True)
    connect(address, origin=server, subprotocols=["streamlit"], legacy=True).close()
    path = f"{server}/_stcore/upload_file/{visitor.session}/{file_id('a')}"
    headers = visitor.own_headers() | {"Origin": "http://localhost:9999"}
    assert requests.put(path, files={"f": b"RIFF"}, headers=headers, timeout=60).status_code == 403


def handshake(origin: str | None, host: str, scheme: str = "ws") -> dict:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "websocket", "scheme": scheme, "headers": raw}


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "is_own"),
    [
        (None, "voice.example", "ws", True),
        ("http://voice.example", "voice.example", "ws", True),
        ("http://voice.example", "VOICE.example:80", "ws", True),
        ("https://voice.example", "voice.example", "ws", True),  # behind a proxy
        ("https://voice.example", "voice.example:443", "wss", True),
        ("https://[::1]:8501", "[::1]:8501", "wss", True),
        ("http://voice.example", "voice.example", "wss", False),
        ("http://voice.example:9999", "voice.example:8501", "ws", False),
        ("https://voice.example:8501", "voice.example", "ws", False),
        ("http://voice.example.evil", "voice.example", "ws", False),
        ("http://voice.example:x", "voice.example", "ws", False),
        ("ftp://voice.example", "voice.example", "ws", False),
        ("null", "null", "ws", False),
        ("", "", "ws", False),
        ("https://named.example", "127.0.0.1:8501", "ws", True),
        ("https://named.example:444", "127.0.0.1:8501", "ws", False),
        ("http://other.example:81", "127.0.0.1:8501", "ws", True),
        ("http://other.example", "127.0.0.1:8501", "ws", False),
    ],
)
def test_a_page_is_the_servers_own_by_host_and_port_or_by_name(monkeypatch, origin, host, scheme, is_own):
    options = {"browser.serverAddress": "named.example", "browser.serverPort": 8501}
    options |= {"server.corsAllowedOrigins": ["http://other.example:81"]}
    monkeypatch.setattr(config, "get_option", options.__getitem__)
    monkeypatch.setattr(config, "is_manually_set", lambda _: False)
    assert is_at_home(handshake(origin, host, scheme)) == is_own


@pytest.mark.parametrize(
    ("address", "port", "accepted"),
    [
        ("localhost", None, set()),
        ("localhost", 444, {"https://localhost:444"}),
        ("named.example", None, {"https://named.example"}),
        ("named.example", 444, {"https://named.example:444"}),
    ],
)
def test_an_address_is_named_with_its_port_or_means_that_of_its_scheme(monkeypatch, address, port, accepted):
    options = {"browser.serverAddress": address, "browser.serverPort": port, "server.corsAllowedOrigins": []}
    monkeypatch.setattr(config, "get_option", options.__getitem__)
    monkeypatch.setattr(config, "is_manually_set", lambda name: options[name] is not None)
    origins = [f"https://{host}{end}" for host in ("localhost", "named.example") for end in ("", ":444", ":8501")]
    assert {origin for origin in origins if is_at_home(handshake(origin, "127.0.0.1:8501"))} == accepted


def received(*messages: bytes) -> list[float]:
    """Let messages of one connection come all at once, and return how long each was kept waiting, in seconds."""
    waited, coming = [], iter(messages)

    async def sleep(duration: float) -> None:
        waited.append(duration)

    async def receive() -> dict:
        return {"type": "websocket.receive", "bytes": next(coming)}

    async def send(_: dict) -> None:
        raise AssertionError

    async def take() -> None:
        own = only_own(receive, send)
        for message in messages:
            assert (await own())["bytes"] == message

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.anyio, "sleep", sleep)
        asyncio.run(take())
    return waited


def test_messages_wait_where_they_come_faster_than_any_page_sends_them():
    said = BackMsg(app_heartbeat=True).SerializeToString()
    waited = received(*1_000 * [said])
    assert not any(waited[:100])
    assert sum(waited) > 0
    assert waited[-1] > 500 / RATE
    large = BackMsg(rerun_script={"query_string": "x" * 900_000}).SerializeToString()
    assert received(*5 * [large])[-1] > 100 / RATE


def test_a_pause_lets_messages_come_at_once_again(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    pace = Pace()
    while not pace.wait(100):
        pass
    clock[0] += 3_600
    assert not any(pace.wait(100) for _ in range(100))


def test_a_message_of_more_than_a_pages_size_is_not_read(monkeypatch):
    monkeypatch.setattr(module, "read", None)
    assert received(bytes(48 * MIB)) == []


@pytest.mark.heavy
def test_a_session_goes_on_in_its_own_browser_alone(server):
    visitor = Visitor(server)
    visitor.run()
    assert visitor.upload(b"RIFF", file_id("mine")) == 204
    stranger = Visitor(server)
    stranger.run()
    assert stranger.upload(b"RIFF", file_id("theirs"), session=visitor.session) == 403
    visitor.socket.close()
    assert session_of(Visitor(server, visitor.session)) not in ("", visitor.session)
    assert session_of(Visitor(server, visitor.session, cookies=stranger.cookies)) != visitor.session
    assert session_of(Visitor(server, visitor.session, cookies=visitor.cookies)) == visitor.session
    assert visitor.upload(b"RIFF", file_id("after")) == 204


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
    assert read(BackMsg(**{name: True}).SerializeToString()).WhichOneof("type") == name
    assert read(json.dumps({name: True}).encode()).WhichOneof("type") is None


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
