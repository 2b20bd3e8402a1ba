import datetime
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from core.errors import NotSignedIn, SignInError
from core.operations.access import audit
from core.operations.access import sign_in as module
from core.operations.access.passwords import hash_password, is_password
from core.operations.access.sessions import anybody, limit_to, require_admin
from core.operations.access.sign_in import (
    CODE_LIFE,
    admit,
    ensure_unlock_code,
    is_configured,
    make_console_code,
    reset,
    set_password,
    sign_in,
    sign_in_by_code,
    sign_out,
    waiting_time,
)
from core.operations.database import now, reading
from core.operations.tables import credentials, throttle
from tests.conftest import ROOT

PASSWORD = "a long enough password"
GUESS = """
import sys
from core.errors import SignInError
from core.operations.access import sign_in
compared = 0
real = sign_in.is_password
def count(*arguments):
    global compared
    compared += 1
    return real(*arguments)
sign_in.is_password = count
for k in range(6):
    try:
        sign_in.sign_in(f"guess number {k}")
    except SignInError:
        pass
print(compared)
"""


@pytest.fixture
def configured(database):
    set_password(ensure_unlock_code(), PASSWORD)
    return database


@pytest.fixture
def still(configured, monkeypatch):
    """A clock that stands still, however slow the machine is."""
    moment = now()
    monkeypatch.setattr(module, "now", lambda: moment)


def test_a_fresh_server_is_closed_and_opens_with_the_printed_code_once(database, tmp_path):
    with pytest.raises(SignInError, match="No password is set"):
        sign_in("")
    code = ensure_unlock_code()
    assert len(code) >= 20
    assert ensure_unlock_code() == code
    path = tmp_path / "data" / "unlock-code"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == code
    set_password(f" {code}\n", PASSWORD)
    assert not path.exists()
    assert ensure_unlock_code() is None
    with pytest.raises(SignInError, match="set already"):
        set_password(code, "another password")
    assert require_admin(sign_in(PASSWORD)) == "admin"


def test_a_wrong_code_or_a_short_password_sets_nothing(database):
    code = ensure_unlock_code()
    with pytest.raises(SignInError, match="10 to"):
        set_password(code, "too short")
    with pytest.raises(SignInError, match="not the unlock code"):
        set_password("", PASSWORD)
    assert not is_configured()
    assert ensure_unlock_code() == code


def test_codes_can_not_be_tried_one_after_another(database):
    code = ensure_unlock_code()
    for _ in range(3):
        with pytest.raises(SignInError, match="not the unlock code"):
            set_password("guess", PASSWORD)
    with pytest.raises(SignInError, match="Try again in 1 s"):
        set_password(code, PASSWORD)


def test_the_same_code_is_taken_once_by_many_at_once(database):
    code = ensure_unlock_code()

    def take(k):
        try:
            set_password(code, f"{PASSWORD} {k}")
        except SignInError:
            return 0
        return 1

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(take, range(3))) == 1


def test_only_a_hash_is_stored(configured):
    with reading() as connection:
        stored = connection.scalar(sa.select(credentials.c.hash))
    assert stored.startswith("scrypt$32768$8$1$")
    assert PASSWORD not in stored
    assert is_password(PASSWORD, stored)
    assert not is_password(PASSWORD + " ", stored)
    assert hash_password(PASSWORD) != stored, "every hash has a salt of its own"


@pytest.mark.parametrize("stored", ["plain", "scrypt$1$8$1$!$!", "scrypt$32768$8$1$c2FsdA==", "md5$2$8$1$c2E=$c2E="])
def test_broken_hashes_open_nothing(database, stored):
    with pytest.raises(SignInError):
        sign_in("", configured_hash=stored)


def test_a_hash_from_outside_wins(configured, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ADMIN_HASH", hash_password("of the environment"))
    sign_in("of the environment")
    with pytest.raises(SignInError, match="wrong"):
        sign_in(PASSWORD)
    sign_in("of the secrets", configured_hash=hash_password("of the secrets"))
    reset()
    assert ensure_unlock_code() is None


@pytest.mark.heavy
def test_the_wait_grows_and_a_right_password_waits_too_and_ends_it(configured, monkeypatch):
    clock = [now()]
    monkeypatch.setattr(module, "now", lambda: clock[0])
    waits = []
    for _ in range(6):
        with pytest.raises(SignInError, match="The password is wrong"):
            sign_in("guess")
        waits.append(waiting_time())
        clock[0] += datetime.timedelta(seconds=max(waits[-1] - 0.5, 0))
        if waits[-1]:
            with pytest.raises(SignInError, match="Try again in 1 s"):
                sign_in(PASSWORD)
        clock[0] += datetime.timedelta(seconds=0.5)
    assert waits == [0, 0, 1, 2, 4, 8]
    sign_in(PASSWORD)
    for _ in range(2):
        with pytest.raises(SignInError, match="The password is wrong"):
            sign_in("guess")
        assert waiting_time() == 0


def test_a_clock_that_was_ahead_locks_nobody_out(configured, monkeypatch):
    ahead = now() + datetime.timedelta(days=365)
    with monkeypatch.context() as patch:
        patch.setattr(module, "now", lambda: ahead)
        for _ in range(4):
            with pytest.raises(SignInError, match=r"wrong|Try again"):
                sign_in("guess")
    assert waiting_time() <= module.MAX_DELAY
    assert require_admin(sign_in(PASSWORD)) == "admin"


def test_a_password_is_hashed_only_for_the_right_code(database, monkeypatch):
    ensure_unlock_code()
    monkeypatch.setattr(module, "hash_password", lambda _: pytest.fail("hashed"))
    with pytest.raises(SignInError, match="not the unlock code"):
        set_password("guess", PASSWORD)


def test_a_code_that_is_used_up_meanwhile_is_no_error(database, monkeypatch):
    code = ensure_unlock_code()
    monkeypatch.setattr(module, "write_code", lambda path: path.unlink())
    assert ensure_unlock_code() is None
    monkeypatch.undo()
    assert code


def test_refused_addresses_do_not_fill_the_audit(database, token):
    for k in range(40):
        with pytest.raises(NotSignedIn):
            admit(f"eve{k}@example.org", ["ada@example.org"])
    assert len(audit.list_entries(token)) < 10
    assert require_admin(admit("ada@example.org", ["ada@example.org"])) == "ada@example.org"


def test_the_throttle_is_asked_before_anything_is_compared(still, monkeypatch):
    for _ in range(3):
        with pytest.raises(SignInError, match="wrong"):
            sign_in("guess")
    monkeypatch.setattr(module, "is_password", lambda *_: pytest.fail("compared"))
    with pytest.raises(SignInError, match="Try again"):
        sign_in(PASSWORD)


@pytest.mark.heavy
def test_guesses_by_many_processes_are_slowed_as_those_of_one(configured, token):
    began = time.monotonic()
    guessers = [
        subprocess.Popen([sys.executable, "-c", GUESS], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    compared = sum(int(guesser.communicate(timeout=120)[0]) for guesser in guessers)
    elapsed = time.monotonic() - began
    wrong = [entry for entry in audit.list_entries(token) if entry.action == "wrong password"]
    assert len(wrong) == compared
    # The fourth comes after one second, the fifth two later, then four.
    assert 3 <= compared <= 3 + (elapsed >= 1) + (elapsed >= 3) + (elapsed >= 7) + (elapsed >= 15) + (elapsed >= 31)


def test_signing_out_ends_the_session_and_no_other(configured):
    mine, other = sign_in(PASSWORD), sign_in(PASSWORD)
    sign_out(mine)
    sign_out("never was one")
    with pytest.raises(NotSignedIn):
        require_admin(mine)
    assert require_admin(other) == "admin"


def test_reset_ends_sessions_and_delays_and_gives_a_new_code(configured):
    session = sign_in(PASSWORD)
    for _ in range(4):
        with pytest.raises(SignInError, match=r"wrong|Try again"):
            sign_in("guess")
    code = reset()
    with pytest.raises(NotSignedIn):
        require_admin(session)
    set_password(code, "another password")
    assert require_admin(sign_in("another password")) == "admin"


def test_addresses_on_the_list_are_admitted(database):
    token = admit(" Ada@Example.org", ["ada@example.org"])
    assert require_admin(token) == "ada@example.org"
    assert audit.list_entries(token)[0].action == "sign in"
    for email in (None, "", "eve@example.org", "ada@example.org.evil", "\u212ada@example.org"):
        with pytest.raises(NotSignedIn, match="not on the list"):
            admit(email, ["ada@example.org", "", "kda@example.org"])


def test_every_attempt_stands_in_the_audit(configured):
    with pytest.raises(SignInError):
        sign_in("guess")
    token = sign_in(PASSWORD)
    actions = [entry.action for entry in audit.list_entries(token)]
    assert actions == ["sign in", "wrong password", "set password"]


@pytest.mark.heavy
def test_console_commands(database):
    def run(*arguments, text=None):
        command = [sys.executable, "-m", "core", "admin", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, input=text, check=False)

    if database == "sqlite":
        for command in ("enter", "reset"):
            refused = run(command)
            assert (refused.returncode, refused.stdout) == (2, "")
            assert "no database at" in refused.stderr
    encoded = run("hash", text=f"{PASSWORD}\n").stdout.strip()
    assert is_password(PASSWORD, encoded)
    assert run("hash", text="short\n").returncode == 2
    before = ensure_unlock_code()
    code = run("reset").stdout.strip().removeprefix("Unlock code: ")
    assert before != code == ensure_unlock_code()
    set_password(code, PASSWORD)
    assert run("reset").stdout.strip() == f"Unlock code: {ensure_unlock_code()}"
    entered = run("enter")
    assert "Sign-in code" in entered.stdout
    assert "Database: " in entered.stderr


def guess(address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(SignInError):
            sign_in("guess guess", address=address)


def test_who_guesses_waits_and_an_administrator_elsewhere_does_not(still):
    guess("192.0.2.7", 5)
    assert waiting_time("192.0.2.7") > 0
    assert waiting_time("198.51.100.1") == 0
    assert require_admin(sign_in(PASSWORD, address="198.51.100.1")) == "admin"
    with pytest.raises(SignInError, match="Too many attempts"):
        sign_in(PASSWORD, address="192.0.2.7")


def test_the_many_addresses_of_one_line_count_as_one(still):
    for k in range(3):
        guess(f"2001:db8:0:1::{k + 1}", 1)
    assert waiting_time("2001:db8:0:1:ffff::1") > 0
    assert waiting_time("2001:db8:0:2::1") == 0


def test_many_addresses_together_are_slowed_down_and_the_console_lets_in(still, monkeypatch):
    monkeypatch.setattr(module, "FREE_FAILURES_OF_ALL", 4)
    for k in range(4):
        guess(f"192.0.2.{k}", 1)
    with pytest.raises(SignInError, match="Too many attempts"):
        sign_in(PASSWORD, address="198.51.100.1")
    code = make_console_code()
    with pytest.raises(SignInError, match="lets nobody in"):
        sign_in_by_code("guess")
    assert require_admin(sign_in_by_code(f" {code}\n")) == "admin"
    with pytest.raises(SignInError, match="lets nobody in"):
        sign_in_by_code(code)


def test_a_code_from_the_console_ends_by_itself_and_with_the_next_one(configured, monkeypatch):
    first, second = make_console_code(), make_console_code()
    with pytest.raises(SignInError):
        sign_in_by_code(first)
    later = now() + CODE_LIFE + datetime.timedelta(seconds=1)
    monkeypatch.setattr(module, "now", lambda: later)
    with pytest.raises(SignInError):
        sign_in_by_code(second)


def test_addresses_are_counted_and_not_kept(configured):
    guess("192.0.2.7", 1)
    with reading() as connection:
        names = connection.scalars(sa.select(throttle.c.name)).all()
    assert len(names) == 3, "of all, of the one who set the password, of the one who guesses"
    assert not [name for name in names if "192.0.2" in name]


def test_an_account_that_left_the_list_is_out_at_its_next_action(configured):
    listed = ["ada@example.org", "eve@example.org"]
    limit_to(lambda actor: "@" not in actor or module.is_allowed(actor, listed))
    try:
        ada, eve, admin = admit("ada@example.org", listed), admit("eve@example.org", listed), sign_in(PASSWORD)
        listed.remove("eve@example.org")
        with pytest.raises(NotSignedIn, match="not on the list of administrators any more"):
            require_admin(eve, is_active=False)
        listed.append("eve@example.org")
        with pytest.raises(NotSignedIn, match="has ended"):
            require_admin(eve)
        assert (require_admin(ada), require_admin(admin)) == ("ada@example.org", "admin")
    finally:
        limit_to(anybody)
