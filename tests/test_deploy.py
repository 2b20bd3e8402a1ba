"""What is shipped to run a server elsewhere: it names what is there, and what it says holds."""

import re
import shutil
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml
from websockets.exceptions import InvalidStatus

from benchmarks.visitor import open_socket
from core.config import PROJECT_ROOT, DecodeLimits
from pages.ui.shared.protection import headers
from tests.conftest import require
from tests.test_browser import free_port, running_app

DEPLOY = PROJECT_ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
UNIT = (DEPLOY / "soundweb.service").read_text()
NGINX = (DEPLOY / "nginx.conf").read_text()


def locked(name: str) -> dict[str, str]:
    lines = (PROJECT_ROOT / name).read_text().splitlines()
    found = (re.match(r"([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==(\S+)", line) for line in lines)
    return {name[1]: name[2] for name in found if name}


def test_secrets_that_the_guide_tells_to_make_are_ignored_by_git():
    ignored = set((PROJECT_ROOT / ".gitignore").read_text().split())
    guide = (PROJECT_ROOT / "docs" / "guides" / "deploy.md").read_text()
    made = {"deploy/.env", "deploy/secrets.toml", "deploy/tls"}
    assert all(name in guide for name in made)
    assert {f"/{name}{'/' if name.endswith('tls') else ''}" for name in made} <= ignored
    assert ".streamlit/secrets.toml" in ignored


def test_the_linter_finds_nothing_in_the_dockerfile():
    program = Path(sys.executable).with_name("hadolint")
    require(program.exists(), "hadolint is not installed")
    done = subprocess.run([program, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_finds_something_in_a_bad_one(tmp_path):
    program = Path(sys.executable).with_name("hadolint")
    require(program.exists(), "hadolint is not installed")
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN pip install streamlit\n")
    assert subprocess.run([program, tmp_path / "Dockerfile"], capture_output=True, check=False).returncode == 1


def test_serving_installs_the_same_versions_without_what_trains():
    serve, whole = locked("requirements-serve.txt"), locked("requirements.txt")
    only = {line for line in (DEPLOY / "training-only.txt").read_text().splitlines() if line and line[0] != "#"}
    assert only
    assert not (only | {"keras"}) & set(serve)
    assert {name: whole[name] for name in serve if name in whole} == {n: serve[n] for n in serve if n in whole}
    direct = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    needed = {re.split(r"[\[<>=]", name)[0] for name in direct}
    assert needed - only <= set(serve)
    assert {"psycopg", "psycopg-binary"} <= set(serve)


@pytest.mark.heavy
def test_pages_and_answers_need_nothing_that_only_trains():
    code = """
import sys
for name in ("tensorflow", "keras", "h5py", "tf2onnx"):
    sys.modules[name] = None
from core.corpus.samples import list_samples
from core.serving.predictor import Predictor, warm_up
import core.api.routes, core.operations.health, core.operations.jobs.control, core.operations.models.promotion
import core.operations.backup.restoring, core.operations.measures
warm_up()
print(Predictor.load().predict_file(list_samples()[0].path).emotion)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_images_take_what_is_there_and_no_secret():
    ignore = (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    taken = [line[1:] for line in ignore if line.startswith("!")]
    assert [name for name in taken if not (PROJECT_ROOT / name).exists()] == []
    assert not any(word in name for name in taken for word in ("secret", "data", ".git", "env", "tests/"))


def test_images_run_as_nobody_in_particular_and_pin_their_base():
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    assert {"serve", "train"} <= {stage.split()[2] for stage in stages}
    for stage in stages:
        if stage.split()[2] in ("serve", "train"):
            assert "\nUSER 10001:10001\n" in stage
            assert stage.index("USER") < stage.index("warm-up") < stage.index("VOLUME")
    bases = [stage.split()[0] for stage in stages if ":" in stage.split()[0]]
    assert [base for base in bases if not re.search(r":\d+\.\d+\.\d+-|@sha256:[0-9a-f]{64}$", base)] == []


def test_services_are_pinned_and_confined():
    for name, service in COMPOSE["services"].items():
        assert re.search(r":\d+\.\d+(\.\d+)?(-\w+)?$|@sha256:", service["image"]), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["user"].split(":")[0] not in ("0", "root"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert set(COMPOSE["services"]) == {"app", "database", "nginx", "turn"}
    assert "ports" not in COMPOSE["services"]["app"] | COMPOSE["services"]["database"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    build = COMPOSE["services"]["app"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_every_secret_of_compose_is_asked_for_and_shown():
    named = set(re.findall(r"\$\{(\w+)[:}]", (DEPLOY / "compose.yaml").read_text()))
    shown = dict(line.split("=") for line in (DEPLOY / ".env.example").read_text().splitlines() if "=" in line)
    assert set(shown) == named
    assert {name for name in shown if "PASSWORD" in name and shown[name]} == set()


def test_the_unit_runs_what_is_there_and_can_write_one_folder():
    assert "streamlit run soundwebapp.py" in UNIT
    assert "-m core warm-up" in UNIT
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "StateDirectory=soundweb", "NoNewPrivileges=yes"):
        assert f"\n{line}\n" in UNIT
    assert "ReadWritePaths" not in UNIT


def test_the_proxy_lets_through_what_the_app_takes():
    sizes = [int(size) for size in re.findall(r"client_max_body_size (\d+)m;", NGINX)]
    limit = DecodeLimits().max_bytes / 2**20
    assert min(sizes) > limit
    assert max(sizes) > 20 * limit


@contextmanager
def running_proxy(folder: Path, *apps: str) -> Iterator[tuple[str, Path]]:
    """Start the shipped proxy before running apps, with ports, places and a certificate of its own.

    Yields its address and the certificate. The log, ``proxy.log``, also tells the app and the visit of each request.
    """
    program, openssl = shutil.which("nginx"), shutil.which("openssl")
    require(program and openssl, "nginx or openssl is not installed")
    names = ("-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem", "-subj", "/CN=voice.example.org")
    subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names], check=True, capture_output=True)
    plain, port = free_port(), free_port()
    servers = " ".join(f"server {app.removeprefix('http://')};" for app in apps)
    text = NGINX.replace("server app:8501;", servers).replace("listen 8080", f"listen {plain}")
    text = text.replace("listen 8443", f"listen {port}").replace("/tmp/", f"{folder}/")  # noqa: S108 - theirs
    text = text.replace("/etc/nginx/tls", str(folder)).replace("$request_id';", "$upstream_addr $visit';")
    text = text.replace("/dev/stdout", f"{folder}/proxy.log")
    version = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < (1, 25):
        text = text.replace("        http2 on;\n", "")  # a directive since then
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen([program, "-c", folder / "nginx.conf", "-g", "daemon off;"])
    try:
        deadline = time.monotonic() + 30
        while not (folder / "nginx.pid").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"https://127.0.0.1:{port}", folder / "fullchain.pem"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def proxy(tmp_path):
    """The shipped proxy before a running app: its address and certificate."""
    own = {"SOUNDWEB_DATA": str(tmp_path / "data"), "STREAMLIT_BROWSER_SERVER_ADDRESS": "voice.example.org"}
    with running_app(own) as app, running_proxy(tmp_path, app) as running:
        yield running


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_the_proxy_passes_pages_and_streams_on_and_nothing_else(proxy):
    address, certificate = proxy

    def ask(method: str, path: str, **more: object) -> requests.Response:
        return requests.request(method, address + path, verify=False, timeout=60, **more)  # noqa: S501 - made just now

    page = ask("GET", "/")
    assert page.status_code == 200
    assert {name: page.headers[name] for name in headers()} == headers()
    assert "max-age" in page.headers["strict-transport-security"]
    assert not re.search(r"\d", page.headers.get("server", ""))
    assert ask("GET", "/_stcore/metrics").status_code == 404
    deadline = time.monotonic() + 240
    while ask("GET", "/readyz").status_code != 200:  # open to who asks from within
        assert time.monotonic() < deadline
        time.sleep(2.1)
    assert ask("POST", "/", data=bytes(27 * 2**20)).status_code == 413
    assert ask("POST", "/api/v1/predict", data=b"x").status_code == 401
    assert ask("GET", "/api/v1/").headers["x-request-id"]
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    stream = address.replace("https", "wss") + "/_stcore/stream"
    for origin in ("https://voice.example.org", address):
        with open_socket(stream, ssl=context, origin=origin, subprotocols=["streamlit"]) as socket:
            assert socket.protocol.state.name == "OPEN"
    for origin in ("https://evil.example.org", "https://127.0.0.1"):
        with pytest.raises(InvalidStatus, match="403"):
            open_socket(stream, ssl=context, origin=origin, subprotocols=["streamlit"])
