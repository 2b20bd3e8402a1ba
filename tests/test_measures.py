"""What a server counts of itself, and where it is told."""

import json
import re
import socket

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from starlette.exceptions import HTTPException

from core.config import PROJECT_ROOT, metrics_address
from core.errors import AudioError, SettingsError, TooManyRequests
from core.operations import measures
from core.operations.database import close_database
from core.serving.live import LiveSlots
from core.settings import Address


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    yield
    close_database()


@pytest.fixture
def address() -> Address:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", free.getsockname()[1])


def scrape(address: Address) -> dict[str, dict[tuple, float]]:
    """What is told: by name of the sample, values by their labels."""
    text = requests.get(f"http://{address.host}:{address.port}/metrics", timeout=30).text
    found: dict[str, dict[tuple, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_answers_and_refusals_are_counted_by_kind(address):
    with measures.served(address, lambda: LiveSlots(3)):
        before = scrape(address)
        with measures.refusing("page"), measures.answering("page"):
            pass
        with pytest.raises(AudioError), measures.refusing("page"), measures.answering("page"):
            raise AudioError("/home/someone/talk.wav is silent")
        for error in (TooManyRequests("slowly", 3), HTTPException(413, "x"), RuntimeError("secret")):
            measures.refuse("program", error)
        after = scrape(address)

    def more(name: str, *labels: str) -> float:
        return after[name][labels] - before.get(name, {}).get(labels, 0)

    assert more("soundweb_answer_seconds_count", "page") == 1
    assert more("soundweb_refusals_total", "page", "AudioError") == 1
    kinds = ("TooManyRequests", "Request Entity Too Large", "unexpected")
    assert {kind: more("soundweb_refusals_total", "program", kind) for kind in kinds} == dict.fromkeys(kinds, 1)
    assert "someone" not in str(after)


def test_the_moment_is_told_and_what_fails_is_left_out(address, monkeypatch, tmp_path):
    with measures.served(address, lambda: LiveSlots(3)):
        found = scrape(address)
        assert found["soundweb_live_places"][()] == 3
        assert found["soundweb_live_streams"][()] == 0
        assert (found["soundweb_computing"][()], found["soundweb_waiting"][()]) == (0, 0)
        assert found["soundweb_jobs"][("queued",)] == 0
        assert len(found["soundweb_model_info"]) == 1
        monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "none"))
        found = scrape(address)
        assert "soundweb_model_info" not in found
        assert "soundweb_live_places" in found


def test_a_port_that_is_taken_is_said(address):
    with (
        measures.served(address, lambda: LiveSlots(1)),
        pytest.raises(SettingsError, match="nothing can be served"),
        measures.served(address, lambda: LiveSlots(1)),
    ):
        pass
    with measures.served(None, lambda: LiveSlots(1)), pytest.raises(requests.ConnectionError):
        scrape(address)


@pytest.mark.parametrize("value", ["x", "0", "65536", "-1", "9100x", "host:", "²"])
def test_an_address_that_is_none_is_said(monkeypatch, value):
    monkeypatch.setenv("SOUNDWEB_METRICS", value)
    with pytest.raises(SettingsError, match="SOUNDWEB_METRICS is"):
        metrics_address()


def test_without_a_host_the_own_machine_alone_is_served(monkeypatch):
    monkeypatch.setenv("SOUNDWEB_METRICS", "9100")
    assert metrics_address() == Address("127.0.0.1", 9100)
    monkeypatch.setenv("SOUNDWEB_METRICS", "0.0.0.0:9100")
    assert metrics_address() == Address("0.0.0.0", 9100)  # noqa: S104 - a setting, not a socket
    monkeypatch.setenv("SOUNDWEB_METRICS", "")
    assert metrics_address() is None


def test_the_dashboard_asks_for_what_is_told_and_leaves_nothing_out(address):
    dashboard = json.loads((PROJECT_ROOT / "deploy" / "grafana-dashboard.json").read_text())
    queries = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    measures.refuse("page", AudioError("x"))
    with measures.answering("page"):
        measures.requests.labels("predict", "200").inc()
    with measures.served(address, lambda: LiveSlots(1)):
        told = {name for name in scrape(address) if not name.endswith("_created")}
    asked = set(re.findall(r"\b(?:soundweb|process)_\w+", queries))
    assert asked <= told
    own = {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in told if name.startswith("soundweb")}
    assert own == {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in asked if name.startswith("soundweb")}
