import io
import os
import subprocess
import sys

import pytest

from core.command_line.endings import FAILURE, INTERRUPTED, LOG, status_of
from core.errors import AudioError
from tests.conftest import ROOT


def end_with(error: BaseException) -> int:
    def action() -> None:
        raise error

    return status_of(action)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AudioError("The file is empty."), "error: The file is empty."),
        (PermissionError(13, "Permission denied", "/root/x"), "error: Permission denied (/root/x)."),
        (NotADirectoryError(20, "Not a directory", "a/b"), "error: Not a directory (a/b)."),
        (MemoryError(), "not enough memory"),
    ],
)
def test_what_is_known_to_go_wrong_is_one_line(error, words, capsys):
    assert end_with(error) == FAILURE
    captured = capsys.readouterr()
    assert words in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


def test_what_is_not_known_is_one_line_and_its_details_are_kept(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    assert end_with(ValueError("odd\nnews")) == FAILURE
    line = capsys.readouterr().err
    assert "ValueError: odd news" in line
    assert len(line.splitlines()) == 1
    kept = (tmp_path / "data" / LOG).read_text()
    assert "Traceback" in kept
    assert str(tmp_path / "data" / LOG) in line


def test_where_nothing_can_be_kept_that_is_said(capsys, monkeypatch, tmp_path):
    (tmp_path / "data").write_text("a file")
    monkeypatch.setattr("core.command_line.endings.data_folder", lambda: tmp_path / "data")
    assert end_with(ValueError("odd")) == FAILURE
    assert "could not be written down" in capsys.readouterr().err


def test_ctrl_c_has_a_status_of_its_own(capsys):
    assert end_with(KeyboardInterrupt()) == INTERRUPTED
    assert "Stopped" in capsys.readouterr().err


SPEAK = "from core.command_line.endings import status_of; import sys; sys.exit(status_of(lambda: print('a' * {n})))"


def speak(n: int, stdout: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SPEAK.format(n=n)]
    return subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.heavy
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")  # noqa: PTH110
@pytest.mark.parametrize("n", [1, 200_000])
def test_a_full_device_is_one_line(n):
    with io.FileIO("/dev/full", "w") as full:
        ended = speak(n, full.fileno())
    assert (ended.returncode, len(ended.stderr.splitlines())) == (FAILURE, 1)
    assert "No space left" in ended.stderr


@pytest.mark.heavy
@pytest.mark.parametrize("n", [1, 200_000])
def test_a_closed_pipe_is_one_line(n):
    reader, writer = os.pipe()
    os.close(reader)
    ended = speak(n, writer)
    os.close(writer)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (FAILURE, 1)
    assert "closed" in ended.stderr
