"""Headers, closed addresses and health of the real server; and that browsers keep to what the headers say."""

import json
import shutil
import sqlite3
import threading
import time

import pytest
import requests
from playwright.sync_api import expect
from starlette.requests import Request

from core.api import health
from core.config import PROJECT_ROOT
from pages.ui.shared.protection import CLOSED, PAGE, headers, inline_scripts
from tests.test_browser import TIMEOUT, browse, running_app  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data and models of a server that may be damaged."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(PROJECT_ROOT / "artifacts", folder / "artifacts")
    return folder


@pytest.fixture(scope="module")
def served(place):
    """The address of a server."""
    own = {"SOUNDWEB_DATA": str(place / "data"), "SOUNDWEB_ARTIFACTS": str(place / "artifacts"), "DATABASE_URL": ""}
    with running_app(own) as address:
        deadline = time.monotonic() + 240
        while ready(address)[0] != 200:  # a first start compiles
            assert time.monotonic() < deadline
        yield address


def ready(address: str) -> tuple[int, dict[str, str]]:
    """What a server says of itself, once an earlier answer holds no longer."""
    time.sleep(2.1)
    answer = requests.get(f"{address}/readyz", timeout=60)
    return answer.status_code, answer.json()["checks"]


WELL = {"model": "well", "database": "well", "disk": "well"}


@pytest.mark.heavy
@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/_stcore/health", "/healthz", "/api/v1/", "/nowhere/at/all", "/api/v1/models"]
)
def test_every_answer_has_the_headers(served, path):
    answer = requests.get(served + path, timeout=60)
    assert {name: answer.headers[name] for name in headers()} == headers()


@pytest.mark.heavy
@pytest.mark.parametrize(
    "path",
    [
        "metrics",
        "metrics/",
        "metrics?families=active_sessions",
        "agent/openapi.json",
        "agent/interact",
        "agent",
        "script-health-check",
    ],
)
@pytest.mark.parametrize("prefix", ["/_stcore/", "//_stcore/", "/%5Fstcore/"])
def test_what_tells_of_the_server_is_closed(served, prefix, path):
    for method in ("GET", "POST", "OPTIONS"):
        answer = requests.request(method, served + prefix + path, timeout=60)
        assert answer.status_code in (400, 404)
        assert "active_sessions" not in answer.text
        assert "openapi" not in answer.text


def test_what_pages_need_is_not_closed():
    assert not any(map(CLOSED.search, ("/_stcore/health", "/_stcore/stream", "/metrics", "/_stcore/host-config")))


def test_scripts_within_the_page_are_known_by_their_hashes():
    page = PAGE.read_text()
    assert len(list(inline_scripts())) == page.count("<script>") > 0
    assert all(script.startswith("'sha256-") for script in inline_scripts())


@pytest.mark.heavy
def test_a_server_that_is_well_says_so(served):
    assert requests.get(f"{served}/healthz", timeout=60).json() == {"status": "well"}
    assert ready(served) == (200, WELL)


@pytest.mark.heavy
def test_an_ill_server_says_what_is_ill_and_nothing_else_and_gets_well_by_itself(served, place):
    champion = place / "artifacts" / "champion.json"
    aside = champion.rename(champion.with_name("aside"))
    assert ready(served) == (200, WELL)  # the last good model goes on answering
    assert requests.get(f"{served}/healthz", timeout=60).status_code == 200
    aside.rename(champion)
    assert ready(served) == (200, WELL)

    database = place / "data" / "soundweb.db"
    with sqlite3.connect(database) as connection:
        connection.execute("alter table sessions rename to gone")
    assert ready(served) == (503, WELL | {"database": "ill"})
    with sqlite3.connect(database) as connection:
        connection.execute("alter table gone rename to sessions")
    assert ready(served) == (200, WELL)


@pytest.mark.heavy
def test_health_tells_strangers_no_place_and_no_version(served, place):
    said = requests.get(f"{served}/readyz", timeout=60)
    words = said.text + str(said.headers)
    assert str(place) not in words
    assert not any(sign in words.lower() for sign in ("sqlite", "streamlit", "python", "starlette"))


@pytest.mark.browser
def test_a_browser_runs_no_script_from_elsewhere_and_none_that_was_slipped_in(served, browse):  # noqa: F811
    page = browse(served)
    expect(page.get_by_text("No sound yet")).to_be_visible(timeout=TIMEOUT)
    ran = page.evaluate(
        """() => new Promise(tell => {
            const found = [];
            document.addEventListener("securitypolicyviolation", event => found.push(event.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            new Image().src = "http://192.0.2.1/";
            fetch("http://192.0.2.1/").catch(() => 0);
            setTimeout(() => tell([window.ran === true, found.sort()]), 500);
        })"""
    )
    assert ran == [False, ["connect-src", "img-src", "script-src-elem"]]
    browse.refused.clear()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_check_that_hangs_is_ill_and_started_once(monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    monkeypatch.setattr(health, "KEPT", 0.0)
    came, go_on = [], threading.Event()

    def hang() -> None:
        came.append(1)
        go_on.wait(20)

    watched = health.Health(hang)
    request = Request({"type": "http"})
    for _ in range(5):
        answer = await watched.ready(request)
        assert answer.status_code == 503
        assert json.loads(bytes(answer.body))["checks"]["model"] == "ill"
    assert came == [1]
    go_on.set()
