"""The log of a server: one form for all, requests by number, nothing of a person, nobody's line but ours."""

import io
import json
import logging

import pytest
import requests
import structlog

from core import logs
from core.config import LOG_FORMS, log_form
from core.errors import SettingsError
from tests.test_api import api, key, predictor, sample, server, token  # noqa: F401 - fixtures


def fail(**values: str) -> None:
    raise RuntimeError("broken")


@pytest.fixture
def write():
    """Log by a logger of its own, and return the lines."""

    def write(form: str, *arguments: object, error: bool = False, **extra: object) -> list[str]:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logs.make_formatter(form))
        logger = logging.Logger("core.test")
        logger.addHandler(handler)
        if error:
            try:
                fail(secret="a value of a variable")
            except RuntimeError:
                logger.exception(*arguments)
        else:
            logger.info(*arguments, extra=extra)
        return stream.getvalue().splitlines()

    return write


def test_json_has_an_object_a_line(write):
    structlog.contextvars.clear_contextvars()
    with structlog.contextvars.bound_contextvars(request="abc"):
        (line,) = write("json", "two\nlines %s", "x", route="predict", seconds=0.5)
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    expected = {"event": "two\nlines x", "level": "info", "logger": "core.test", "request": "abc"}
    assert found == expected | {"route": "predict", "seconds": 0.5}


def test_an_error_is_told_without_the_values_of_variables(write):
    (line,) = write("json", "failed", error=True)
    assert "RuntimeError: broken" in json.loads(line)["exception"]
    text = "\n".join(write("text", "failed", error=True))
    assert "RuntimeError: broken" in text
    assert "│" not in text  # no table of variables


def test_what_somebody_sent_makes_no_line_of_its_own(write):
    (line,) = write("text", "at %s", "/x\n2026-01-01 [error] all is lost\x1b[2J", route="a\rb")
    assert "\\n2026" in line
    assert "\x1b" not in line
    assert "a\\rb" in line


def test_a_form_that_is_none_is_said(monkeypatch):
    monkeypatch.setenv("SOUNDWEB_LOG", "xml")
    with pytest.raises(SettingsError, match="SOUNDWEB_LOG is 'xml'; it takes text or json"):
        log_form()
    monkeypatch.delenv("SOUNDWEB_LOG")
    assert log_form() == LOG_FORMS[0]


def test_requests_are_logged_by_number_and_route_alone(api, server, sample, caplog):  # noqa: F811
    with caplog.at_level(logging.INFO, "core"):
        answer = api.post("/predict?part=a-name-of-somebody", sample)
        strange = requests.get(f"{server}/api/v1/a-name-of-somebody", timeout=60, headers={"X-Request-ID": "x\ty" * 9})
        given = requests.get(f"{server}/api/v1/", timeout=60, headers={"X-Request-ID": "from-the-proxy-1"})
    assert given.headers["x-request-id"] == "from-the-proxy-1"
    assert answer.headers["x-request-id"] != strange.headers["x-request-id"]
    assert strange.headers["x-request-id"].isalnum()
    found = [(r.route, r.status) for r in caplog.records if r.msg == "request"]
    assert found == [("predict", 200), ("unknown", 404), ("page", 200)]
    assert "somebody" not in caplog.text


def test_an_unexpected_error_has_the_number_of_its_request(api, sample, monkeypatch, caplog):  # noqa: F811
    numbers = []

    def note(*_: object) -> str:
        numbers.append(structlog.contextvars.get_contextvars()["request"])
        raise RuntimeError

    monkeypatch.setattr("core.api.routes.prediction_json", note)
    answer = api.post("/predict", sample)
    assert answer.status_code == 500
    assert numbers == [answer.headers["x-request-id"]]
