"""The server as images and units start it: a user without name or home, a system that cannot be written, a folder."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from core.config import PROJECT_ROOT
from core.corpus.samples import list_samples
from core.operations.access.keys import make_key
from core.operations.access.sessions import open_session
from core.operations.database import close_database, writing
from tests.conftest import require
from tests.test_browser import free_port

pytestmark = pytest.mark.heavy

NOBODY = 65_534
CONFINE = """
set -e
n=0
for folder in $HIDDEN; do n=$((n+1)); mkdir "$PLACE/.$n"; mount --bind "$folder" "$PLACE/.$n"; done
for parent in $CLOSED; do mount -t tmpfs -o mode=755 closed "$parent"; done
n=0
for folder in $HIDDEN; do
    n=$((n+1)); mkdir -p "$folder"; mount --bind "$PLACE/.$n" "$folder"; umount "$PLACE/.$n"; rmdir "$PLACE/.$n"
    mount -o remount,bind,ro "$folder"
done
for folder in $CLOSED /dev/shm; do mount -o remount,bind,ro "$folder"; done
mount --bind "$PLACE" "$PLACE"
mount -o remount,bind,ro /
cd "$PROJECT"
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --bounding-set=-all \\
    env -i PATH="$PATH" PYTHONDONTWRITEBYTECODE=1 SOUNDWEB_DATA="$PLACE" SOUNDWEB_ARTIFACTS="$PLACE/artifacts" \\
    SOUNDWEB_LOG=json SOUNDWEB_METRICS="$METRICS" "$@"
"""
"""Shuts the file systems of a namespace of mounts, but for one folder, and drops every right. What the program needs
and lies where its user may not look, as an interpreter in root's home, is brought before the closed door."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that belongs to nobody in particular; what pytest gives is root's alone."""
    require(os.geteuid() == 0 and shutil.which("setpriv") and shutil.which("unshare"), "this needs root and util-linux")
    folder = Path(tempfile.mkdtemp(prefix="soundweb-confined-"))
    shutil.copytree(PROJECT_ROOT / "artifacts", folder / "artifacts")
    yield folder
    shutil.rmtree(folder)


def give(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)


def closed_parent(path: Path) -> Path | None:
    """The highest folder above a path into which others may not look."""
    return next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)


@contextmanager
def confined(place: Path, *command: str, metrics: int = 0) -> Iterator[subprocess.Popen]:
    """Run a command there."""
    give(place)
    needed = dict.fromkeys(Path(path).resolve() for path in (sys.base_prefix, sys.prefix, PROJECT_ROOT))
    hidden = {path: closed for path in needed if (closed := closed_parent(path))}
    environment = os.environ | {"PLACE": str(place), "METRICS": str(metrics or ""), "PROJECT": str(PROJECT_ROOT)}
    environment |= {"HIDDEN": " ".join(map(str, hidden)), "CLOSED": " ".join({str(path) for path in hidden.values()})}
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", CONFINE, "sh", *command],  # noqa: S607
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def test_the_place_is_as_confined_as_it_says(place):
    tries = """
import os, pathlib
print(os.getuid(), pathlib.Path(os.environ["SOUNDWEB_DATA"], "x").write_text("x"), os.environ.get("HOME"))
for folder in ("/", "/tmp", "/var/tmp", "/dev/shm", ".", "core", os.path.dirname(os.__file__)):
    try:
        open(os.path.join(folder, "soundweb-x"), "w")
        print("open", folder)
    except OSError as error:
        print(error.errno)
"""
    with confined(place, sys.executable, "-c", tries) as process:
        said, _ = process.communicate(timeout=60)
    assert said.split()[:3] == ["65534", "1", "None"], said
    assert set(said.split()[3:]) == {str(errno.EROFS)}


def test_an_installation_that_cannot_be_written_gets_ready_and_answers(place):
    with confined(place, sys.executable, "-m", "core", "warm-up") as process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    with confined(place, sys.executable, "testscript.py", str(list_samples()[0].path)) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said


def _counted(address: str, deadline: float) -> str:
    """Return what is counted; that is served once the first page is drawn, or nobody came for one."""
    while True:
        try:
            return requests.get(address, timeout=30).text
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_the_server_answers_pages_and_programs(place, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(place))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with writing() as connection:
        token = open_session("admin", connection)
    key = make_key(token, "a test", per_minute=9, per_day=9)
    close_database()
    port, metrics = free_port(), free_port()
    address = f"http://127.0.0.1:{port}"
    options = ("--server.address=127.0.0.1", f"--server.port={port}", "--server.headless=true")
    command = (sys.executable, "-m", "streamlit", "run", "soundwebapp.py", *options)
    with confined(place, *command, metrics=metrics) as process:
        deadline = time.monotonic() + 240
        while not _is_ready(address):
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert psutil.Process(process.pid).uids().real == NOBODY
        headers = {"Authorization": f"Bearer {key}"}
        # Large forms are kept in a file of the moment.
        sounds = [("a", ("a.ogg", list_samples()[0].path.read_bytes())), ("b", ("b.wav", bytes(3 * 2**20)))]
        answer = requests.post(f"{address}/api/v1/predict", files=sounds, headers=headers, timeout=240)
        assert answer.ok, answer.text
        assert answer.json()[0]["emotion"]
        counted = _counted(f"http://127.0.0.1:{metrics}/metrics", deadline)
        assert 'soundweb_answer_seconds_count{by="program"} 1.0' in counted
        process.terminate()
        said, _ = process.communicate(timeout=60)
    assert '"event": "request"' in said
    assert "Traceback" not in said
    assert "/api/v1" not in said  # no line of what was asked for, nor by whom
    assert "127.0.0.1:" not in said.replace(address, "")


def _is_ready(address: str) -> bool:
    try:
        return requests.get(f"{address}/readyz", timeout=10).ok
    except requests.RequestException:
        return False
