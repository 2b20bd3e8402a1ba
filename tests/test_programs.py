"""The interface for programs in the real server: the examples of its guide, run as they stand."""

import json
import os
import re
import subprocess
import sys

import pytest
import requests

from core.corpus.samples import list_samples
from core.operations.access.keys import make_key
from core.operations.access.sessions import open_session
from core.operations.database import close_database, writing
from core.serving.exports import prediction_json
from core.serving.predictor import Predictor
from tests.conftest import ROOT
from tests.test_browser import running_app

pytestmark = pytest.mark.heavy

GUIDE = (ROOT / "docs" / "guides" / "programs.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that the guide names."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "talk.wav").write_bytes(list_samples()[0].path.read_bytes())
    (folder / "song.flac").write_bytes(b"no sound")
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Address and key of a running app, as the examples read them."""
    data = str(tmp_path_factory.mktemp("data"))
    with pytest.MonkeyPatch.context() as patch, running_app({"SOUNDWEB_DATA": data}) as address:
        patch.setenv("SOUNDWEB_DATA", data)
        patch.delenv("DATABASE_URL", raising=False)
        with writing() as connection:
            token = open_session("admin", connection)
        key = make_key(token, "the guide", per_minute=100, per_day=100)
        close_database()
        yield {"ADDRESS": address, "KEY": key}


@pytest.fixture(scope="module")
def run(folder, environment):
    """Run a command in that folder, and return what it printed."""

    def run(*command: str) -> str:
        env = os.environ | environment | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout

    return run


def test_the_examples_with_curl_work(run, folder):
    lines = "".join(blocks("bash")).splitlines()
    one, several, timeline, models = (json.loads(run("/bin/bash", "-c", line)) for line in lines)
    expected = Predictor.load().predict_file(folder / "talk.wav")
    assert one == json.loads(prediction_json("", expected))
    assert several[0] == json.loads(prediction_json("talk.wav", expected))
    assert "not a sound" in several[1]["error"]
    assert timeline["model"] == models[0]["name"] == expected.model


def test_the_examples_with_python_work(run):
    lines = run(sys.executable, "-c", "\n".join(blocks("python"))).splitlines()
    assert lines[0].split()[2] in ("sure", "unsure")
    assert lines[2].startswith("song.flac")
    assert lines[3].startswith("422 ")
    assert lines[4] == "0.0 no speech"


def test_pages_and_programs_share_a_server(environment):
    address = environment["ADDRESS"]
    assert requests.get(f"{address}/_stcore/health", timeout=10).ok
    assert "interface for programs" in requests.get(f"{address}/api/v1/", timeout=10).text
    refused = requests.post(f"{address}/api/v1/predict", b"x", timeout=10)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
