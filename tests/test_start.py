"""What a server does when it starts, and in which order."""

import contextlib
import subprocess
import sys
import threading

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from streamlit import net_util

from core.errors import ModelError
from pages.ui.shared import start
from tests.conftest import ROOT

FIRST_PAGE = """
import sys
import soundwebapp
import pages.ui.shared.frame, pages.ui.shared.sounds
from core.corpus.catalogue import list_places
list_places()
heavy = {"numpy", "pandas", "scipy", "sklearn", "librosa", "sqlalchemy", "av", "soundfile", "onnxruntime", "structlog"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_server_and_first_page_are_there_without_what_computes():
    subprocess.run([sys.executable, "-c", FIRST_PAGE], cwd=ROOT, check=True)


def say_path(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["name"])


def ask(app: Starlette, path: str) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    sent = []

    async def receive() -> dict:
        return {"type": "http.request"}

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    anyio.run(app, scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_routes_are_made_when_one_of_them_is_asked_for():
    made = []

    def routes() -> list[Mount]:
        made.append(1)
        return [Mount("/api/v1", Starlette(routes=[Route("/{name}", say_path)]))]

    app = Starlette(routes=[start.OnDemand("/api/", routes), Route("/{name:path}", say_path)])
    assert ask(app, "/apis") == (200, b"apis")
    assert not made
    assert ask(app, "/api/v1/hello") == (200, b"hello")
    assert ask(app, "/api/v2/hello")[0] == 404
    assert ask(app, "/api/v1/again") == (200, b"again")
    assert made == [1]


def test_while_routes_are_made_no_more_wait_than_the_server_can_bear():
    go_on = threading.Event()

    def routes() -> list[Mount]:
        go_on.wait(20)
        return [Mount("/api", Starlette(routes=[Route("/{name}", say_path)]))]

    programs, said = start.OnDemand("/api/", routes), []

    async def receive() -> dict:
        return {"type": "http.request"}

    async def send(message: dict) -> None:
        said.append(message.get("status", message.get("code")))

    async def ask_all() -> None:
        common = {"path": "/api/hello", "headers": [], "query_string": b""}
        async with anyio.create_task_group() as group:
            for kind in 100 * ["http"] + ["websocket"]:
                group.start_soon(programs.handle, {"type": kind, "method": "GET", **common}, receive, send)
            await anyio.wait_all_tasks_blocked()
            go_on.set()

    anyio.run(ask_all)
    assert {200, 503, 1013} <= set(said)


@pytest.mark.parametrize(("query", "root", "address"), [("clip=a%20b", "", "/?clip=a%20b"), ("", "/voice", "/voice/")])
def test_the_first_page_has_one_address(query, root, address):
    scope = {"type": "http", "method": "GET", "path": "/predict", "headers": [], "root_path": root}
    answer = anyio.run(start.to_first_page, Request({**scope, "query_string": query.encode()}))
    assert (answer.status_code, answer.headers["location"]) == (307, address)
    assert ask(Starlette(routes=start.program_routes()[:1]), "/predict")[0] == 307


def test_nobody_is_asked_for_the_address_of_a_server():
    start.middleware()
    assert net_util.get_external_ip() is None


@pytest.fixture
def steps(monkeypatch) -> list[str]:
    """What was done, in its order, by a start of which nothing is carried out."""
    done: list[str] = []
    monkeypatch.setattr(start, "drawn", threading.Event())
    monkeypatch.setattr(start, "prepare_first_page", lambda: done.append("first page"))
    monkeypatch.setattr(start, "start", lambda _: done.append("start"))

    def load() -> None:
        raise ModelError("No model is in use.")

    monkeypatch.setattr(start, "rest", lambda: iter([load, lambda: done.append("rest")]))
    return done


def test_the_rest_of_a_start_waits_for_the_first_page(steps):
    async def visit() -> None:
        with contextlib.ExitStack() as stack:
            async with anyio.create_task_group() as group:
                group.start_soon(start.begin, stack)
                await anyio.sleep(0.3)
                assert steps == ["first page"]
                start.drawn.set()

    anyio.run(visit)
    assert steps == ["first page", "start", "rest"]


def test_a_server_that_nobody_visits_starts_all_the_same(steps, monkeypatch):
    monkeypatch.setattr(start, "PATIENCE", 0.1)
    anyio.run(start.begin, contextlib.ExitStack())
    assert steps == ["first page", "start", "rest"]


def test_a_server_that_ends_waits_for_no_visitor(steps):
    async def serve() -> None:
        async with start.started(None):
            await anyio.sleep(0.2)

    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(serve)
    assert steps == ["first page"]
