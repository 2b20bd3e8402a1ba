"""One file at fault: answers go on, a sentence says so, and everything returns with the file."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.operations.database import BUSY_TIMEOUT, SQLITE_FILE
from core.serving.registry import CHAMPION_FILE, Registry
from pages.ui.shared import state
from tests.conftest import ROOT
from tests.test_contributions import LIVELY

pytestmark = [pytest.mark.heavy, pytest.mark.parametrize("database", ["sqlite"], indirect=True)]

PAGES = ("predict", "features", "dataset", "metrics", "admin")
"""Live needs a browser; it asks for the model as Predict does."""
DEEP = b'{"a":' * 100_000
GARBAGE = b"\xff\xfe\x00{garbage"


def texts(app: AppTest) -> str:
    elements = [*app.title, *app.markdown, *app.caption, *app.error, *app.warning, *app.info, *app.text]
    return "\n".join(element.value for element in elements)


def visit(app: AppTest, page: str) -> str:
    """Open a page, which must not fail, and return what it says."""
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, (page, app.exception[0].stack_trace)
    return texts(app)


def answered(app: AppTest) -> str:
    """Upload a sound on Predict and return what the page says."""
    visit(app, "predict")
    app.file_uploader(key=state.SOUND.uploads).upload("lively.flac", LIVELY).run()
    assert not app.exception
    return texts(app)


@pytest.fixture
def registry(tmp_path) -> Registry:
    """A registry of its own with a shipped model, to change at will."""
    shipped = Registry(ROOT / "artifacts").names_of("reference")[0]
    shutil.copytree(ROOT / "artifacts" / shipped, tmp_path / "artifacts" / shipped)
    registry = Registry(tmp_path / "artifacts")
    registry.promote(shipped)
    return registry


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    """What a server keeps open while it runs."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def app(registry, database, monkeypatch) -> AppTest:
    """An app whose administrator is signed in, that has answered before."""
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(registry.root))
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=180).run()
    assert "confident" in answered(app)
    return app


MODEL_FAULTS: dict[str, tuple[str, bytes | None]] = {
    "card missing": ("card.md", None),
    "card garbled": ("card.md", GARBAGE),
    "figures deep": ("metrics.json", DEEP),
    "figures a list": ("metrics.json", b"[1]"),
    "predictions missing": ("predictions.csv", None),
    "history garbled": ("history.csv", GARBAGE),
    "network garbled": ("network.onnx", GARBAGE),
    "scaler deep": ("scaler.json", DEEP),
    "manifest missing": ("manifest.json", None),
    "manifest deep": ("manifest.json", DEEP),
    "manifest a number": ("manifest.json", b"7"),
}
RECORD_FAULTS: dict[str, bytes | None] = {
    "missing": None,
    "garbled": GARBAGE,
    "deep": DEEP,
    "a number for a name": b'{"model": 5, "previous": []}',
    "no such model": b'{"model": "reference-00000000", "previous": []}',
    "a way out": b'{"model": "../artifacts", "previous": []}',
}


def damage(path: Path, data: bytes | None) -> None:
    path.unlink()
    if data is not None:
        path.write_bytes(data)


@pytest.mark.parametrize("fault", MODEL_FAULTS)
def test_a_damaged_model_goes_on_answering_and_comes_back(app, registry, token, fault):
    name, data = MODEL_FAULTS[fault]
    folder = registry.root / registry.champion()
    kept = shutil.copytree(folder, registry.root.parent / "kept")
    damage(folder / name, data)
    app.session_state[state.ADMIN_SESSION] = token
    said = {page: visit(app, page) for page in PAGES}
    assert "confident" in answered(app)
    app.session_state[state.ADMIN_TAB] = "Models"
    assert folder.name in visit(app, "admin") + said["metrics"]
    assert any(
        words in "".join(said.values()) for words in ("missing or altered", "cannot be read", "cannot be loaded")
    )
    shutil.rmtree(folder)
    shutil.move(kept, folder)
    for page in PAGES:
        visit(app, page)
        assert not app.error, page
    assert "confident" in answered(app)


@pytest.mark.parametrize("fault", RECORD_FAULTS)
def test_without_a_record_of_the_model_in_use_the_last_one_answers_and_admin_mends_it(app, registry, token, fault):
    name = registry.champion()
    damage(registry.root / CHAMPION_FILE, RECORD_FAULTS[fault])
    app.session_state[state.ADMIN_SESSION] = token
    for page in PAGES:
        visit(app, page)
    assert "confident" in answered(app)
    app.session_state[state.ADMIN_TAB] = "Models"
    visit(app, "admin")
    app.selectbox(key=state.ADMIN_MODEL).set_value(name).run()
    next(button for button in app.button if button.label == "Put in use").click().run()
    assert not app.exception
    assert registry.champion() == name


def garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DATABASE_FAULTS: dict[str, Callable[[Path], None]] = {
    "garbage": garbage,
    "deleted": Path.unlink,
    "a folder": a_folder,
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:5_000]),
}


STARTS_ANEW = ("deleted", "empty")
"""What makes a server that starts set up a new database."""


@pytest.mark.parametrize(
    ("fault", "begun"),
    [(fault, begun) for fault in DATABASE_FAULTS for begun in (True, False) if begun or fault not in STARTS_ANEW],
)
def test_a_broken_database_closes_admin_and_feedback_alone_and_comes_back(app, token, stack, tmp_path, fault, begun):
    from core.operations.database import close_database
    from pages.ui.shared.start import start

    path = tmp_path / "data" / SQLITE_FILE
    with sqlite3.connect(path) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    for rest in path.parent.glob(f"{SQLITE_FILE}-*"):
        rest.unlink()
    kept = path.read_bytes()
    DATABASE_FAULTS[fault](path)
    if not begun:
        close_database()
        start(stack)
    app.session_state[state.ADMIN_SESSION] = token
    for page in PAGES[:-1]:
        visit(app, page)
    assert "confident" in answered(app)
    label = next(box for box in app.selectbox if box.label == "What was it?")
    send = next(button for button in app.button if button.label == "Send")
    label.set_value("sad")
    send.click().run()
    assert not app.exception
    assert "cannot be kept just now" in texts(app)
    assert "database cannot be used" in visit(app, "admin")
    if path.is_dir():
        path.rmdir()
    for rest in path.parent.glob(f"{SQLITE_FILE}-*"):
        rest.unlink()
    path.write_bytes(kept)
    assert "Signed in as admin" in visit(app, "admin")


def test_a_locked_database_is_said_after_a_wait(app, token, tmp_path, monkeypatch):
    assert BUSY_TIMEOUT <= 15
    blocker = sqlite3.connect(tmp_path / "data" / SQLITE_FILE, isolation_level=None)
    blocker.execute("begin exclusive")
    try:
        assert "confident" in answered(app)
        next(button for button in app.button if button.label == "Send").click().run()
        assert "cannot be kept just now" in texts(app)
    finally:
        blocker.close()
    next(button for button in app.button if button.label == "Send").click().run()
    assert "Thank you" in texts(app)


def test_a_server_starts_beside_a_garbage_database(database, stack, tmp_path, monkeypatch, caplog):
    from pages.ui.shared.start import start

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / SQLITE_FILE).write_bytes(b"no database" * 1000)
    start(stack)
    assert "cannot be used" in caplog.text
