"""Who computes, who waits, and who goes first."""

import threading
import time
from collections.abc import Callable

import pytest

from core.errors import BusyError
from core.work import turns as module
from core.work.turns import Turns

PROMPT = 10.0
"""Time in which a thread does what it is to do on a busy machine, in seconds."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(module, "TELL_INTERVAL", 0.01)
    monkeypatch.setattr(module, "UNDIVIDED", 0.0)


class Work(threading.Thread):
    """A piece of work in a thread of its own, which holds its place until it is let go on."""

    def __init__(self, turns: Turns, log: list[str], name: str, behind: float = 0.0, pieces: int = 1) -> None:
        super().__init__(name=name, daemon=True)
        self.turns, self.log, self.behind, self.pieces = turns, log, behind, pieces
        self.numbers: list[int] = []
        self.goes_on, self.stopped = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def tell(self, number: int) -> None:
        self.numbers.append(number)
        if self.stopped.is_set():
            raise InterruptedError

    def run(self) -> None:
        try:
            with self.turns.turn(self.tell, behind=self.behind):
                for piece in range(self.pieces):
                    if piece:
                        self.turns.give_way()
                    self.log.append(self.name)
                    assert self.goes_on.wait(PROMPT)
        except (InterruptedError, BusyError) as error:
            self.error = error

    def end(self) -> None:
        self.goes_on.set()
        self.join(PROMPT)
        assert not self.is_alive()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PROMPT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def begun(work: Work) -> Work:
    """Start it, and wait until it computes, or waits and knows its number."""
    work.start()
    wait_for(lambda: work.numbers or work.name in work.log or work.error)
    return work


def test_as_much_computes_as_there_are_places_and_the_rest_knows_its_number():
    turns, log = Turns(places=2), []
    first, second, third, fourth = (begun(Work(turns, log, name)) for name in "abcd")
    assert (log, turns.free, turns.waiting) == (["a", "b"], 0, 2)
    assert set(third.numbers) == {1}
    assert set(fourth.numbers) == {2}
    second.end()
    wait_for(lambda: "c" in log and fourth.numbers[-1] == 1)
    for work in (first, third, fourth):
        work.end()
    assert log == ["a", "b", "c", "d"]
    assert (turns.free, turns.waiting) == (2, 0)


def test_what_has_computed_for_a_while_gives_way_to_what_comes_later():
    turns, log = Turns(places=1), []
    long = begun(Work(turns, log, "long", pieces=2))
    time.sleep(0.2)  # what the next may come later by
    short = begun(Work(turns, log, "short"))
    long.goes_on.set()
    wait_for(lambda: "short" in log)
    assert long.is_alive()
    short.end()
    long.end()
    assert log == ["long", "short", "long"]


def test_an_answer_for_a_few_seconds_is_done_in_one_go(monkeypatch):
    monkeypatch.setattr(module, "UNDIVIDED", PROMPT)
    turns, log = Turns(places=1), []
    work = begun(Work(turns, log, "a", pieces=2))
    time.sleep(0.05)
    other = begun(Work(turns, log, "b"))
    work.end()
    other.end()
    assert log == ["a", "a", "b"]


def test_long_work_is_not_kept_waiting_for_ever(monkeypatch):
    monkeypatch.setattr(module, "LATEST", 0.1)
    turns, log = Turns(places=1), []
    long = begun(Work(turns, log, "long", behind=60.0, pieces=2))
    crowd = [begun(Work(turns, log, "first"))]
    long.goes_on.set()
    wait_for(lambda: "first" in log)
    time.sleep(0.2)
    crowd.append(begun(Work(turns, log, "last")))
    for work in (crowd[0], long, crowd[1]):
        work.end()
    assert log == ["long", "first", "long", "last"]


def test_what_may_wait_does_and_what_is_urgent_does_not():
    turns, log = Turns(places=1), []
    kinds = {"now": 0.0, "beside": 3.0, "plain": 0.0, "urgent": -3.0}
    works = [begun(Work(turns, log, name, behind)) for name, behind in kinds.items()]
    for name in ("now", "urgent", "plain", "beside"):
        wait_for(lambda name=name: log[-1] == name)
        next(work for work in works if work.name == name).end()
    assert log == ["now", "urgent", "plain", "beside"]


def test_too_many_are_told_so_and_what_is_urgent_is_taken():
    turns, log = Turns(places=1, most_waiting=1), []
    works = [begun(Work(turns, log, name)) for name in "ab"]
    with pytest.raises(BusyError, match="1 sounds are waiting for their turn"), turns.turn():
        log.append("never")
    works.append(begun(Work(turns, log, "urgent", behind=-1.0)))
    for work in (works[0], works[2], works[1]):
        work.end()
    assert log == ["a", "urgent", "b"]


@pytest.mark.parametrize("pieces", [1, 2])
def test_who_stops_waiting_leaves_no_place_behind(pieces):
    turns, log = Turns(places=1), []
    leaving = Work(turns, log, "leaving", pieces=2)
    other = Work(turns, log, "other")
    first, second = (other, leaving) if pieces == 1 else (leaving, other)
    begun(first)
    time.sleep(0.2)
    begun(second)
    leaving.goes_on.set()
    leaving.stopped.set()
    leaving.join(PROMPT)
    assert isinstance(leaving.error, InterruptedError)
    wait_for(lambda: "other" in log)
    other.end()
    assert log.count("leaving") == pieces - 1
    assert (turns.free, turns.waiting) == (1, 0)


def test_a_turn_within_a_turn_is_the_same():
    turns = Turns(places=1, most_waiting=0)
    with turns.turn(), turns.turn():
        assert turns.free == 0
    assert turns.free == 1


@pytest.mark.parametrize(("undivided", "order"), [(PROMPT, "abac"), (0.0, "abca")])
def test_turns_of_a_short_visit_keep_its_place_and_those_of_a_long_one_give_way(undivided, order, monkeypatch):
    monkeypatch.setattr(module, "UNDIVIDED", undivided)
    turns, log, others, goes_on = Turns(places=1), [], [], threading.Event()

    def visit() -> None:
        with turns.visit():
            for _ in range(2):
                with turns.turn():
                    log.append("a")
                    assert goes_on.wait(PROMPT)

    visitor = threading.Thread(target=visit)
    visitor.start()
    wait_for(lambda: log)
    others += [begun(Work(turns, log, name)) for name in "bc"]
    goes_on.set()
    wait_for(lambda: turns.waiting == 2 and log[-1] == "b")
    for work in others:
        work.end()
    visitor.join(PROMPT)
    assert "".join(log) == order


def test_without_a_turn_there_is_nothing_to_give_way_in():
    turns, log = Turns(places=1), []
    works = [begun(Work(turns, log, name)) for name in "ab"]
    turns.give_way()
    assert (log, turns.waiting) == (["a"], 1)
    for work in works:
        work.end()


def test_a_crowd_gets_all_places_and_none_is_lost():
    turns, most, total = Turns(places=3), [], []
    lock = threading.Lock()

    def work() -> None:
        for _ in range(20):
            with turns.turn():
                with lock:
                    most.append(turns.places - turns.free)
                time.sleep(0.001)
                turns.give_way()
            with lock:
                total.append(1)

    crowd = [threading.Thread(target=work) for _ in range(30)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(60)
    assert len(total) == 600
    assert max(most) == 3
    assert (turns.free, turns.waiting) == (3, 0)
