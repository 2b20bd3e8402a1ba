"""Nothing calls home: what script, training and server do on the network, as the kernel saw it."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from core.corpus.samples import list_samples
from core.operations.access.keys import make_key
from core.operations.access.sessions import open_session
from core.operations.database import close_database, writing
from tests.conftest import ROOT, require
from tests.test_browser import free_port

pytestmark = pytest.mark.heavy

CALLS = "connect,sendto,sendmsg,sendmmsg"
LATER = 14
"""Seconds after which libraries have called, if they do: ONNX Runtime does so ten seconds after it loaded a model."""
ADDRESS_ASKED = 'sin_port=htons(1), sin_addr=inet_addr("8.8.8.8")'
"""How Streamlit asks the kernel which address the machine has: a socket without a connection, which sends nothing."""
SAMPLE = list_samples()[0].path


@pytest.fixture
def watch(tmp_path):
    """Return a command under watch, and what of its calls left the machine."""
    require(shutil.which("strace"), "strace is not installed")
    record = tmp_path / "calls"

    def watched(*command: str) -> list[str]:
        return ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o", str(record), *command]

    def outside() -> list[str]:
        return [line for line in record.read_text(errors="replace").splitlines() if leaves(line)]

    return watched, outside


def leaves(call: str) -> bool:
    """Tell whether a call is to another machine."""
    if ADDRESS_ASKED in call:
        return False
    hosts = re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', call)
    return any(not (v4 or v6).startswith(("127.", "::1")) for v4, v6 in hosts)


def test_a_call_to_another_machine_is_seen(watch):
    watched, outside = watch
    send = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'x', ('{}', 9))"
    subprocess.run(watched(sys.executable, "-c", send.format("127.0.0.1")), check=True)
    assert outside() == []
    subprocess.run(
        watched(sys.executable, "-c", f"try:\n {send.format('192.0.2.1')}\nexcept OSError: pass"), check=True
    )
    assert len(outside()) == 1


def test_an_answer_asks_nobody(watch):
    watched, outside = watch
    answer = f"""
import sys, time
sys.argv = ["testscript.py", {str(SAMPLE)!r}]
import testscript
assert testscript.main() == 0
time.sleep({LATER})
"""
    subprocess.run(watched(sys.executable, "-c", answer), cwd=ROOT, check=True, capture_output=True)
    assert outside() == []


def test_a_training_asks_nobody(watch, generated, tmp_path, monkeypatch):
    watched, outside = watch
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    train = ["-m", "core", "train", "--recipe", "statistics", "--protocol", "random", "--jobs", "1"]
    subprocess.run(watched(sys.executable, *train), cwd=ROOT, check=True, capture_output=True)
    assert outside() == []
    assert list((tmp_path / "artifacts").iterdir())


def test_a_server_asks_nobody(watch, tmp_path: Path, monkeypatch):
    watched, outside = watch
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with writing() as connection:
        token = open_session("admin", connection)
    key = make_key(token, "a test", per_minute=9, per_day=9)
    close_database()
    port = free_port()
    address, options = f"http://127.0.0.1:{port}", ["--server.port", str(port), "--server.headless", "true"]
    server = subprocess.Popen(
        watched(sys.executable, "-m", "streamlit", "run", "soundwebapp.py", *options),
        cwd=ROOT,
    )
    try:
        deadline = time.monotonic() + 240
        while not _answers(address):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.3)
        headers = {"Authorization": f"Bearer {key}"}
        answer = requests.post(f"{address}/api/v1/predict", SAMPLE.read_bytes(), headers=headers, timeout=240)
        assert answer.ok
        with pytest.raises(InvalidStatus):
            connect(f"ws{address.removeprefix('http')}/_stcore/stream", origin="http://192.0.2.1")
        time.sleep(LATER)
    finally:
        for watched_one in psutil.Process(server.pid).children():
            watched_one.terminate()
        server.wait(60)
    assert outside() == []


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/_stcore/health", timeout=5).ok
    except requests.RequestException:
        return False
