"""Threads that import at once: without care one of the two fails."""

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from core.work.imports import Imports
from pages.ui.shared import start
from soundwebapp import main


class SlowLoader(SourceFileLoader):
    """Takes its time before a module begins, as a disk does that was not read yet."""

    is_asked = threading.Event()

    def create_module(self, spec: ModuleSpec) -> None:
        del spec
        self.is_asked.set()
        time.sleep(0.3)


class SlowDisk:
    """Finds a package whose loader is slow."""

    def __init__(self, package: Path) -> None:
        self.package = package

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        del path, target
        if name != self.package.name:
            return None
        loader = SlowLoader(name, str(self.package / "__init__.py"))
        return spec_from_file_location(name, loader=loader, submodule_search_locations=[str(self.package)])


@pytest.fixture
def import_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Imports], list[Exception]]]:
    """Import a package in one thread and a module of it in another, and return what failed."""
    folder = tmp_path / "twins"
    folder.mkdir()
    (folder / "__init__.py").write_text("from twins import part\n")
    (folder / "part.py").write_text("")
    monkeypatch.setattr(sys, "meta_path", [SlowDisk(folder), *sys.meta_path])
    SlowLoader.is_asked.clear()

    def run(imports: Imports) -> list[Exception]:
        failed: list[Exception] = []

        def load(name: str) -> None:
            try:
                with imports.alone():
                    importlib.import_module(name)
            except Exception as error:  # of which kind is Python's matter
                failed.append(error)

        first = threading.Thread(target=load, args=("twins",))
        second = threading.Thread(target=load, args=("twins.part",))
        first.start()
        assert SlowLoader.is_asked.wait(10)
        second.start()
        for thread in (first, second):
            thread.join()
        return failed

    yield run
    for name in [name for name in sys.modules if name.partition(".")[0] == "twins"]:
        del sys.modules[name]


def test_a_package_and_its_module_are_imported_one_after_the_other(import_both):
    imports = Imports()
    with imports.loading():
        assert import_both(imports) == []


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="newer releases of Python are mended")
def test_at_once_one_of_them_fails(import_both):
    assert len(import_both(Imports())) >= 1


def test_long_work_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("core.work.imports.PATIENCE", 0.2)
    imports, has_begun, may_end = Imports(), threading.Event(), threading.Event()

    def work() -> None:
        with imports.alone():
            has_begun.set()
            assert may_end.wait(10)

    with imports.loading():
        thread = threading.Thread(target=work)
        thread.start()
        assert has_begun.wait(10)
        waits = []
        for _ in range(3):
            started = time.monotonic()
            with imports.alone(), imports.alone():
                waits.append(time.monotonic() - started)
        may_end.set()
        thread.join()
    assert waits[0] > 0.1
    assert max(waits[1:]) < 0.1


def test_a_page_and_the_steps_of_a_start_take_turns(monkeypatch):
    """While a step imports, no page of a visitor begins to."""
    imports, done = Imports(), []
    monkeypatch.setattr(start, "imports", imports)
    monkeypatch.setattr("soundwebapp.imports", imports)
    monkeypatch.setattr("soundwebapp.begin_request", lambda: None)
    in_step, may_end = threading.Event(), threading.Event()

    def step() -> None:
        in_step.set()
        assert may_end.wait(10)
        done.append("step")

    def visit() -> None:
        done.append("page")

    monkeypatch.setattr("streamlit.navigation", lambda _: pytest.fail("a page began") if not done else stop(visit))
    with imports.loading():
        background = threading.Thread(target=start.attempt, args=(step,))
        background.start()
        assert in_step.wait(10)
        page = threading.Thread(target=run_page)
        page.start()
        time.sleep(0.1)
        assert done == []
        may_end.set()
        background.join()
        page.join()
    assert done == ["step", "page"]


def run_page() -> None:
    with pytest.raises(StopIteration):
        main()


def stop(visit: Callable[[], None]) -> None:
    visit()
    raise StopIteration
