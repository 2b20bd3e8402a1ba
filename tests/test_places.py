"""Work that waits has threads of its own: nobody else waits for it."""

import threading
from collections.abc import Callable, Iterator

import anyio
import anyio.to_thread
import pytest
from starlette.requests import HTTPConnection

from core.api import caller
from core.errors import BusyError
from core.work.places import Places


class Hanging:
    """A function that does not return before it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, *arguments: object, **more: object) -> str:
        del arguments, more
        self.go_on.wait(20)
        return "done"


@pytest.fixture
def hang() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.go_on.set()


def ask_many(n: int, call: Callable, hanging: Hanging) -> list[str]:
    """Call something many times at once, do something else in a thread meanwhile, and return what came of all."""
    said = []

    async def ask() -> None:
        try:
            said.append(await call())
        except BusyError as error:
            said.append(str(error))

    async def run() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(n):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(10):
                assert await anyio.to_thread.run_sync(lambda: "else") == "else"
            hanging.go_on.set()

    anyio.run(run)
    return said


def test_who_finds_too_many_waiting_is_told_and_the_others_are_answered(hang):
    places = Places(threads=2, most_waiting=3)
    said = ask_many(9, lambda: places.run(hang, 1), hang)
    assert sorted(said)[-5:] == 5 * ["done"]
    assert all("Try again" in words for words in sorted(said)[:4])


def test_what_waits_for_the_database_keeps_nothing_else_waiting(hang, monkeypatch):
    monkeypatch.setattr(caller, "use_key", hang)
    said = ask_many(200, lambda: caller.charge(HTTPConnection({"type": "http", "headers": []}), 1), hang)
    assert 0 < said.count("done") < 200
