"""Each page in Chromium: without obstacles that axe-core calls serious, and by the keyboard alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.corpus.samples import list_synthesized
from core.operations.access.passwords import hash_password
from tests.test_browser import TIMEOUT, browse, player_of, running_app, upload  # noqa: F401 - a fixture among them

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "data/axe/axe.min.js").read_text()
SERIOUS = ("serious", "critical")
PASSWORD = "a long enough password"
SIGNS = {
    "predict": "No sound yet",
    "live": "Nobody speaks yet",
    "features": "No sound yet",
    "dataset": "Clip",
    "metrics": "Which emotion is taken for which",
    "admin": "Start a training",
}
"""What stands on a page when it is there."""


@pytest.fixture(scope="module")
def app(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("data")
    corpus = {"RAVDESS_ROOT": str(generated), "SOUNDWEB_DATA": str(data), "DATABASE_URL": ""}
    with running_app({**corpus, "SOUNDWEB_ADMIN_HASH": hash_password(PASSWORD)}) as address:
        yield address


def open_page(page: Page, app: str, name: str) -> None:
    page.goto(f"{app}/{name}")
    if name == "admin":
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text(SIGNS[name]).first).to_be_visible(timeout=TIMEOUT)
    expect(page.locator("[data-testid=stSidebarNavItems] [role=list]").first).to_be_attached(timeout=TIMEOUT)
    page.wait_for_timeout(2_000)


def obstacles(page: Page) -> dict[str, list[str]]:
    """Return where a page has serious faults, by rule."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return {
        one["id"]: [node["html"][:200] for node in one["nodes"]]
        for one in found["violations"]
        if one["impact"] in SERIOUS
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_obstacle(app, browse, scheme):  # noqa: F811
    page = browse("about:blank")
    page.emulate_media(color_scheme=scheme)
    found = {}
    for name in SIGNS:
        open_page(page, app, name)
        found[name] = obstacles(page)
    page.get_by_role("tab", name="Models").click()
    expect(page.get_by_text("Compare two models")).to_be_visible(timeout=TIMEOUT)
    found["admin, models"] = obstacles(page)
    page.goto(app)
    upload(page, list_synthesized()[0].path)
    player_of(page)
    page.wait_for_timeout(2_000)
    found["predict, answered"] = obstacles(page)
    page.get_by_role("link", name="Pitch and voice").click()
    expect(page.get_by_text("Definitions")).to_be_visible(timeout=TIMEOUT)
    found["features, voice"] = obstacles(page)
    assert {name: faults for name, faults in found.items() if faults} == {}


FOCUSED = """() => {
  let at = document.activeElement
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
  if (at.matches("main, body")) return ""  // the whole page, which scrolls by keys
  return [at.getAttribute("aria-label"), at.innerText, ...[...(at.labels ?? [])].map((one) => one.innerText)].join(" ")
}"""


def reach(page: Page, label: str, n_steps: int = 120) -> None:
    """Press the tab key until what has a label has the focus, not the help beside it."""
    for _ in range(n_steps):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if label in focused and not focused.startswith("Help for"):
            return
    pytest.fail(f"no way to {label!r} by the tab key")


def test_a_sample_is_chosen_heard_and_explained_by_keys_alone(app, browse):  # noqa: F811
    page = browse(app)
    expect(page.get_by_text("No sound yet")).to_be_visible(timeout=TIMEOUT)
    page.wait_for_timeout(1_000)
    reach(page, "Upload")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    player_of(page)
    page.wait_for_timeout(1_000)
    reach(page, "Position in")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=TIMEOUT)
    reach(page, "Why this answer")
    page.keyboard.press("Enter")
    expect(page.get_by_text("What the model reads of this sound")).to_be_visible(timeout=TIMEOUT)


def test_a_confusion_is_chosen_and_explained_by_keys_alone(app, browse):  # noqa: F811
    page = browse(f"{app}/metrics")
    expect(page.get_by_text(SIGNS["metrics"])).to_be_visible(timeout=TIMEOUT)
    page.wait_for_timeout(1_000)
    reach(page, "Emotion, answered as")
    page.keyboard.type("sad as fearful", delay=50)
    page.keyboard.press("Enter")
    expect(page.get_by_text("sad taken for fearful")).to_be_visible(timeout=TIMEOUT)
    assert "metrics-cell=sad+as+fearful" in page.url


def test_a_page_is_reached_by_keys_alone(app, browse):  # noqa: F811
    page = browse(app)
    expect(page.get_by_text("No sound yet")).to_be_visible(timeout=TIMEOUT)
    reach(page, "Dataset")
    page.keyboard.press("Enter")
    player_of(page)
    reach(page, "Search")
    page.keyboard.type("sad door")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“sad door”")).to_be_visible(timeout=TIMEOUT)
