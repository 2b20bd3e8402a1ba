"""Whose browser it is that has signed in: nothing that stands in an address tells."""

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response
from streamlit.testing.v1 import AppTest

from core.errors import BusyError, DatabaseError
from core.operations.access import sessions
from core.operations.access.sign_in import sign_out
from pages.ui.admin import cookie
from pages.ui.admin import sign_in as page
from pages.ui.admin.cookie import COOKIE, MAX_WORD, PATH, Handovers, handovers, session_routes
from pages.ui.shared import state
from tests.conftest import ROOT

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def post(word: bytes | str, **headers: str) -> Response:
    """Let a browser hand over a word, and return the answer."""
    body = word.encode() if isinstance(word, str) else word
    said = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "scheme": "http", "path": PATH, "query_string": b"", "headers": said}
    return anyio.run(session_routes()[0].endpoint, Request(scope, receive))


def test_a_word_is_answered_once_with_a_cookie_that_scripts_cannot_read(token):
    word = handovers.give(token)
    answer = post(word)
    assert answer.status_code == 204
    said = answer.headers["set-cookie"].lower()
    assert said.startswith(f"{COOKIE}={token}".lower())
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in said.split(";")}
    assert "secure" not in said
    assert post(word).status_code == 403


def test_over_https_the_cookie_is_sent_over_https_alone(token):
    answer = post(handovers.give(token), x_forwarded_proto="https")
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("word", "status"), [(b"", 403), (b"guess", 403), (b"\xff", 403), (b"x" * (MAX_WORD + 1), 413)]
)
def test_other_words_get_no_cookie(database, word, status):
    answer = post(word)
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("error", [DatabaseError("gone"), BusyError("busy")])
def test_where_the_database_cannot_be_asked_a_word_gets_a_sentence(token, monkeypatch, error):
    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(sessions, "require_admin", fail)
    answer = post(handovers.give(token))
    assert (answer.status_code, answer.body.decode()) == (503, error.told)


def test_a_session_that_was_ended_gets_no_cookie(token):
    word = handovers.give(token)
    sign_out(token)
    assert post(word).status_code == 403


def test_words_end_by_themselves(database, monkeypatch):
    places = Handovers()
    word = places.give("token")
    monkeypatch.setattr(cookie, "LIFE", -1.0)
    late = places.give("token")
    assert places.take(late) is None
    assert places.take(word) == "token"


@pytest.fixture
def admin(database, token, monkeypatch, tmp_path) -> AppTest:
    """The Admin page of who signed in over a connection."""
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "none"))
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    monkeypatch.setattr(page, "connection_key", lambda: "first connection")
    app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60)
    app.session_state[state.ADMIN_SESSION] = token
    app.session_state[state.ADMIN_CONNECTION] = "first connection"
    app.run().switch_page("pages/admin.py").run()
    assert "Signed in as admin" in [text.value for text in app.text]
    return app


def test_who_takes_over_a_session_by_its_name_is_not_signed_in(admin, monkeypatch):
    monkeypatch.setattr(page, "connection_key", lambda: "another connection")
    admin.run()
    assert not admin.exception
    assert "Signed in as admin" not in [text.value for text in admin.text]
    assert "Sign out" not in [button.label for button in admin.button]


def test_the_browser_that_signed_in_stays_so_over_a_new_connection(admin, token, monkeypatch):
    monkeypatch.setattr(page, "connection_key", lambda: "another connection")
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.cookies", {COOKIE: token})
    assert "Signed in as admin" in [text.value for text in admin.run().text]
    sign_out(token)
    assert "Signed in as admin" not in [text.value for text in admin.run().text]
