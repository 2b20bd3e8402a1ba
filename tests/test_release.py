"""The wheel, made from the source distribution, in an environment of its own: run from an empty folder."""

import email
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
import zipfile
from pathlib import Path

import pytest
import requests

from core import __version__
from core.config import PROJECT_ROOT
from core.corpus.samples import list_synthesized
from core.operations.database import SQLITE_FILE
from tests.conftest import require
from tests.test_browser import free_port, running_server

pytestmark = pytest.mark.heavy

PROJECT = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
UV = Path(sys.executable).with_name("uv")
OPTIONS = ("--quiet", "--offline", "--python")
SOUND = list_synthesized()[0].path


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> Path:
    """A folder with the source distribution and the wheel that is made from it."""
    require(UV.exists(), "uv is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [UV, "build", *OPTIONS, sys.executable, "--no-build-isolation", "--out-dir", folder]
    subprocess.run(command, cwd=PROJECT_ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions) -> Path:
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A fresh environment with the wheel alone; the packages that it needs are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([UV, "venv", *OPTIONS, sys.executable, folder], check=True)
    subprocess.run([UV, "pip", "install", *OPTIONS, folder / "bin" / "python", "--no-deps", wheel], check=True)
    (packages(folder) / "needed.pth").write_text(sysconfig.get_path("purelib"))
    return folder


@pytest.fixture
def clean(tmp_path, monkeypatch) -> Path:
    """An empty folder to start from, and a home; nothing is set."""
    for name in ("SOUNDWEB_DATA", "SOUNDWEB_ARTIFACTS", "SOUNDWEB_ADMIN_HASH", "DATABASE_URL", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "share"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return tmp_path / "home" / "share" / "soundweb"


def packages(environment: Path) -> Path:
    (folder,) = environment.glob("lib/python*/site-packages")
    return folder


def ask(environment: Path, *words: object) -> subprocess.CompletedProcess[str]:
    program = environment / "bin" / "soundweb"
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)


def files_of(folder: Path) -> dict[str, int]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


def test_the_wheel_holds_the_program_and_the_models_below_one_name(wheel):
    listed = ["git", "ls-files", "core", "pages", "artifacts", "soundwebapp.py", ".streamlit/config.toml"]
    tracked = subprocess.run(listed, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout.split()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {f"soundweb/app/{name}" for name in tracked} <= set(names)
    assert {name.split("/")[0] for name in names} == {"soundweb", f"soundweb-{__version__}.dist-info"}
    assert [name for name in names if "secrets.toml" in name or "tests/" in name] == []


def test_the_source_holds_no_secret_and_no_data(distributions):
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"pyproject.toml", "LICENSE", "NOTICE.md", "tests/test_release.py"} <= set(names)
    assert [name for name in names if re.match(r"data/|\.venv|\.streamlit/secrets\.toml$", name)] == []


def test_the_wheel_says_what_it_is_and_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        told = email.message_from_bytes(archive.read(f"soundweb-{__version__}.dist-info/METADATA"))
    assert (told["Name"], told["Version"]) == ("soundweb", __version__)
    needed = [name.replace(" ", "") for name in told.get_all("Requires-Dist") if "extra ==" not in name]
    assert sorted(needed) == sorted(PROJECT["dependencies"])
    assert told["License-Expression"] == PROJECT["license"]
    changes = (PROJECT_ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## (.*)$", changes, re.MULTILINE)[1] in (__version__, "Unreleased")


def test_an_environment_gets_no_name_but_its_own(environment):
    added = {path.name for path in packages(environment).iterdir() if not path.name.startswith(("_", "needed"))}
    assert added == {"soundweb", f"soundweb-{__version__}.dist-info"}


@pytest.mark.parametrize("name", ["core", "pages", "soundwebapp", "testscript"])
def test_the_checkouts_names_cannot_be_imported_by_others(environment, clean, name):
    python = environment / "bin" / "python"
    done = subprocess.run([python, "-c", f"import {name}"], capture_output=True, text=True, check=False)
    assert f"No module named '{name}'" in done.stderr
    opened = f"import soundweb; soundweb.set_up(); import {name.replace('testscript', 'core.labels')}"
    if name != "soundwebapp":  # it starts a server as it is imported
        subprocess.run([python, "-c", opened], check=True)


def test_a_sound_is_answered_as_in_the_checkout_and_data_go_to_the_user(environment, clean):
    before = files_of(packages(environment))
    done = ask(environment, "predict", SOUND, "--json")
    assert done.returncode == 0, done.stderr
    script = [sys.executable, PROJECT_ROOT / "testscript.py", SOUND, "--json"]
    assert json.loads(done.stdout) == json.loads(subprocess.run(script, capture_output=True, check=True).stdout)
    assert list(Path.cwd().iterdir()) == []
    assert (clean / "artifacts" / "champion.json").is_file()
    assert files_of(packages(environment)) == before


def test_messages_name_the_program_that_was_called(environment, clean):
    listed = ask(environment, "--help").stdout
    assert " run " in listed
    assert "Example: soundweb predict" in listed
    done = ask(environment, "predict")
    assert done.returncode == 2
    assert "soundweb predict --help" in done.stderr
    assert "python -m core" not in done.stderr + listed


def test_the_server_runs(environment, clean):
    before = files_of(packages(environment))
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    options = ("--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true")
    program = environment / "bin" / "soundweb"
    with running_server(program, "run", *options, address=f"{address}/healthz", cwd=Path.cwd()):
        deadline = time.monotonic() + 120
        while not (ready := requests.get(f"{address}/readyz", timeout=30)).ok:
            assert time.monotonic() < deadline, ready.text
            time.sleep(2.1)
        assert "content-security-policy" in requests.get(address, timeout=30).headers
    assert (clean / SQLITE_FILE).is_file()
    assert list(Path.cwd().iterdir()) == []
    assert files_of(packages(environment)) == before
