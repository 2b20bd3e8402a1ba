import contextlib
import datetime
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import KeyRefused, NotSignedIn, SignInError, TooManyRequests
from core.operations.access import audit
from core.operations.access import keys as module
from core.operations.access.keys import PREFIX, list_keys, make_key, revoke_key, use_key
from core.operations.database import reading
from core.operations.tables import keys


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.time = datetime.datetime(2026, 5, 4, 23, 58, 30, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.time

    def go_on(self, **span: float) -> None:
        self.time += datetime.timedelta(**span)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "now", clock)
    return clock


def test_a_key_works_until_it_is_revoked_and_nothing_of_it_is_stored(token):
    key = make_key(token, " a robot ", per_minute=5, per_day=10)
    assert key.startswith(PREFIX)
    assert use_key(key) == "a robot"
    with reading() as connection:
        stored = [str(value) for row in connection.execute(keys.select()) for value in row]
    assert not any(key in value for value in stored)
    [found] = list_keys(token)
    assert (found.name, found.hint, found.day_count, found.revoked) == ("a robot", key[-4:], 1, None)
    revoke_key(token, found.id)
    with pytest.raises(KeyRefused, match="was revoked"):
        use_key(key)
    with pytest.raises(KeyRefused, match="was revoked"):
        use_key(key, 0)
    assert list_keys(token)[0].revoked is not None
    with pytest.raises(SignInError, match="no such key"):
        revoke_key(token, found.id)
    assert [entry.action for entry in audit.list_entries(token)][:2] == ["revoked a key", "made a key"]


@pytest.mark.parametrize("key", [None, "", "soundweb_guess", "\udcff", "x" * 100_000])
def test_what_is_no_key_is_refused(token, key):
    make_key(token, "a robot", per_minute=5, per_day=10)
    with pytest.raises(KeyRefused):
        use_key(key)


def test_limits_hold_by_minute_and_by_day(token, clock):
    key = make_key(token, "a robot", per_minute=3, per_day=5)
    use_key(key, 3)
    with pytest.raises(TooManyRequests, match="3 sounds answered a minute") as refused:
        use_key(key)
    assert refused.value.wait == 30
    use_key(key, 0)
    clock.go_on(seconds=refused.value.wait)
    use_key(key, 2)
    with pytest.raises(TooManyRequests, match="5 sounds answered a day") as refused:
        use_key(key)
    assert refused.value.wait == 60
    clock.go_on(minutes=1)
    use_key(key, 3)
    assert list_keys(token)[0].day_count == 3


@pytest.mark.parametrize("end", ["2026-05-04T12:01:00+00:00", "2026-05-05T00:00:00+00:00"])
def test_servers_whose_clocks_differ_begin_a_period_once(token, clock, end):
    end = datetime.datetime.fromisoformat(end)
    key = make_key(token, "a robot", per_minute=3, per_day=100)
    answered = 0
    for k in range(20):
        clock.time = end + datetime.timedelta(seconds=-0.2 if k % 2 else 0.2)
        with contextlib.suppress(TooManyRequests):
            use_key(key)
            answered += 1
    assert answered == list_keys(token)[0].day_count == 3
    clock.time = end - datetime.timedelta(seconds=0.2)
    with pytest.raises(TooManyRequests) as refused:
        use_key(key)
    assert refused.value.wait == 61


def test_a_clock_that_was_days_ahead_keeps_no_key_from_work(token, clock):
    key = make_key(token, "a robot", per_minute=1, per_day=1)
    clock.go_on(days=400)
    use_key(key)
    clock.go_on(days=-400)
    use_key(key)
    assert list_keys(token)[0].last_used == clock.time


def test_many_at_once_get_no_more_than_the_limit(token):
    key = make_key(token, "a robot", per_minute=7, per_day=7)

    def attempt(_: int) -> bool:
        try:
            use_key(key)
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(20))) == 7


@pytest.mark.parametrize(
    ("name", "per_minute", "per_day", "words"),
    [("", 1, 1, "Name the program"), ("a\nb", 1, 1, "Name the program"), ("a", 0, 1, "not 0"), ("a", 9, 8, "not 9")],
)
def test_keys_without_a_name_or_with_odd_limits_are_not_made(token, name, per_minute, per_day, words):
    with pytest.raises(SignInError, match=words):
        make_key(token, name, per_minute=per_minute, per_day=per_day)
    assert list_keys(token) == []


def test_only_administrators_make_list_and_revoke(database):
    for act in (
        lambda: make_key("", "a", per_minute=1, per_day=1),
        lambda: list_keys("guess"),
        lambda: revoke_key("guess", 1),
    ):
        with pytest.raises(NotSignedIn):
            act()
