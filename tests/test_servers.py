"""Two servers behind the shipped proxy, with one PostgreSQL and one folder of models: visitors see one app."""

import secrets
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from playwright.sync_api import expect, sync_playwright

from benchmarks.load import Clip, Seen, make_clips, wait_for
from benchmarks.visitor import Visitor
from core.config import PROJECT_ROOT
from core.operations.access.keys import make_key
from core.operations.access.passwords import hash_password
from core.operations.access.sessions import open_session
from core.operations.database import close_database, writing
from core.serving.predictor import Predictor
from core.serving.registry import Registry
from pages.ui.admin.cookie import COOKIE
from tests.conftest import require
from tests.test_browser import CHROMIUM, TIMEOUT, press, running_app
from tests.test_deploy import running_proxy

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore:Unverified HTTPS request")]

PASSWORD = "a long enough password"
N_VISITORS = 8


class Servers(NamedTuple):
    """Two apps behind a proxy."""

    address: str
    tls: ssl.SSLContext
    log: Path
    """A line a request: last the app that answered, and the visit."""
    registry: Registry
    first: ExitStack
    """Ends the first app when it is closed."""

    def visitor(self, **more: object) -> Visitor:
        return Visitor(self.address, tls=self.tls, **more)

    def apps_of(self, visit: str) -> set[str]:
        """The apps that requests of a visit came to."""
        return {line.split()[-2] for line in self.log.read_text().splitlines() if line.endswith(f" {visit}")}

    def visits(self) -> list[str]:
        """A visit at each app."""
        found: dict[str, str] = {}
        while len(found) < 2:
            visit = secrets.token_hex(16)
            requests.get(self.address, cookies={"soundweb_visit": visit}, verify=False, timeout=60)  # noqa: S501
            wait_for(lambda visit=visit: self.apps_of(visit))  # the proxy's log comes behind its answer
            (app,) = self.apps_of(visit)
            found[app] = visit
        return list(found.values())


@pytest.fixture
def servers(tmp_path, postgres, monkeypatch) -> Iterator[Servers]:
    models = tmp_path / "artifacts"
    shutil.copytree(PROJECT_ROOT / "artifacts", models)
    own = {
        "DATABASE_URL": postgres.render_as_string(hide_password=False),
        "SOUNDWEB_ARTIFACTS": str(models),
        "SOUNDWEB_DATA": str(tmp_path / "data"),
        "SOUNDWEB_ADMIN_HASH": hash_password(PASSWORD),
        "STREAMLIT_SERVER_COOKIE_SECRET": secrets.token_hex(16),
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack, ExitStack() as first:
        apps = [first.enter_context(running_app()), stack.enter_context(running_app())]
        address, certificate = stack.enter_context(running_proxy(tmp_path, *apps))
        tls = ssl.create_default_context(cafile=str(certificate))
        tls.check_hostname = False
        yield Servers(address, tls, tmp_path / "proxy.log", Registry(models), first)
    close_database()


def clips_of(registry: Registry, n: int) -> list[Clip]:
    clips = make_clips(Predictor.load(registry=registry))
    return [next(clips) for _ in range(n)]


def answered(visitor: Visitor, clip: Clip) -> Seen:
    seen = Seen()
    seen.ask(visitor, clip)
    return seen


def test_uploads_and_answers_of_a_visit_stay_with_one_server_and_both_are_visited(servers):
    clips = clips_of(servers.registry, N_VISITORS)
    visitors = [servers.visitor() for _ in clips]
    for visitor in visitors:
        visitor.run()
    for visitor, clip in zip(visitors, clips, strict=True):
        seen = answered(visitor, clip)
        assert (len(seen.seconds), seen.others, seen.refused) == (1, [], [])
        visitor.socket.close()
    apps = [servers.apps_of(visitor.cookies["soundweb_visit"]) for visitor in visitors]
    assert {len(of_one) for of_one in apps} == {1}
    assert len(set.union(*apps)) == 2, "one chance in 128 that all visitors are sent to the same"


def test_who_signs_in_at_one_server_is_signed_in_at_the_other_and_a_promotion_is_seen_by_both(servers):
    here, there = servers.visits()
    before, after = servers.registry.champion(), servers.registry.previous()
    assert after not in (None, before)
    (clip,) = clips_of(servers.registry, 1)
    at_both = [servers.visitor(cookies={"soundweb_visit": visit}) for visit in (here, there)]
    for visitor in at_both:
        assert before in visitor.run()
        assert answered(visitor, clip).seconds
    token = sign_in_and_roll_back(servers.address, here, after)
    assert servers.registry.champion() == after
    (clip,) = clips_of(servers.registry, 1)
    for visitor in at_both:
        assert after in visitor.run()
        assert answered(visitor, clip).seconds
        visitor.socket.close()
    admin = servers.visitor(cookies={"soundweb_visit": there, COOKIE: token}, page="admin")
    assert "Signed in as admin" in admin.run()
    admin.socket.close()
    stranger = servers.visitor(cookies={"soundweb_visit": there}, page="admin")
    assert "Signed in as admin" not in stranger.run()
    stranger.socket.close()


def sign_in_and_roll_back(address: str, visit: str, model: str) -> str:
    """Do that on the Admin page in Chromium, in a visit, and return the session's token."""
    require(CHROMIUM, "Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(ignore_https_errors=True)
        context.add_cookies([{"name": "soundweb_visit", "value": visit, "url": address}])
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        page.goto(f"{address}/admin")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password", exact=True).press("Enter")
        expect(page.get_by_text("Signed in as admin")).to_be_visible(timeout=TIMEOUT)
        page.get_by_role("tab", name="Models").click()
        press(page, f"Roll back to {model}")
        expect(page.get_by_text(f"{model} is in use.")).to_be_visible(timeout=TIMEOUT)
        token = {cookie["name"]: cookie["value"] for cookie in context.cookies()}[COOKIE]
        browser.close()
    return token


def test_a_program_is_answered_by_both_and_the_server_that_stays_takes_over(servers):
    with writing() as connection:
        token = open_session("admin", connection)
    key = make_key(token, "a robot", per_minute=100, per_day=100)
    (clip,) = clips_of(servers.registry, 1)
    here, there = servers.visits()

    def ask(visit: str) -> requests.Response:
        return requests.post(
            f"{servers.address}/api/v1/predict",
            clip.data,
            headers={"Authorization": f"Bearer {key}"},
            cookies={"soundweb_visit": visit},
            verify=False,  # noqa: S501 - made just now
            timeout=120,
        )

    answers = [ask(visit) for visit in (here, there)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    servers.first.close()
    assert [ask(visit).status_code for visit in (here, there)] == [200, 200]
    visitor = servers.visitor(cookies={"soundweb_visit": here})
    visitor.run()
    assert answered(visitor, clip).seconds
    visitor.socket.close()
