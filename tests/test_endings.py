import io
import os
import signal
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


def test_where_the_data_folder_cannot_be_made_its_setting_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "home" / "data"))
    assert end_with(OSError(30, "Read-only file system", str(tmp_path / "home"))) == FAILURE
    assert capsys.readouterr().err.endswith("Name a folder that can be written: SOUNDWEB_DATA=FOLDER.\n")
    assert end_with(OSError(30, "Read-only file system", "/elsewhere/a.csv")) == FAILURE
    assert "SOUNDWEB_DATA" not in capsys.readouterr().err


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


@pytest.mark.heavy
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_what_was_closed_before_takes_all_and_keeps_nothing(closed, monkeypatch, tmp_path):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    for n, status in (("1", 0), ("None", FAILURE)):
        command = [sys.executable, "-c", SPEAK.format(n=n)]
        line = f'exec "$0" "$@" {closed}'
        ended = subprocess.run(["/bin/sh", "-c", line, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.returncode == status
        assert "Traceback" not in ended.stdout + ended.stderr
        assert ended.stdout == ("a\n" if n == "1" and closed == "2>&-" else "")


@pytest.mark.heavy
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")  # noqa: PTH110
@pytest.mark.parametrize("program", [["testscript.py"], ["-m", "core"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_help_text_that_nobody_takes_is_an_error(program, unbuffered):
    command = [sys.executable, *program, "--help"]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    reader, closed = os.pipe()
    os.close(reader)
    with io.FileIO("/dev/full", "w") as full, io.FileIO(closed, "w") as pipe:
        for stdout, words in ((full, "No space left"), (pipe, "closed")):
            ended = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
            )
            assert (ended.returncode, len(ended.stderr.splitlines())) == (FAILURE, 1)
            assert words in ended.stderr


LOADING = """
import builtins, os, runpy, signal, sys
load = builtins.__import__
def interrupt(name, *rest, **options):
    if name == {name!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return load(name, *rest, **options)
builtins.__import__ = interrupt
sys.argv = ["program", "talk.wav"]
runpy.{run}
"""


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("core.command_line.endings", "run_path('testscript.py', run_name='__main__')"),
        ("core.command_line.application", "run_module('core', run_name='__main__')"),
    ],
)
def test_ctrl_c_while_a_program_loads_ends_it_without_a_trace(name, run):
    command = [sys.executable, "-c", LOADING.format(name=name, run=run)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


MISTAKEN = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
from core.command_line.endings import status_of
def action():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        raise ImportError("initialization failed")
sys.exit(status_of(action))
"""


@pytest.mark.heavy
def test_what_a_library_makes_of_ctrl_c_is_still_ctrl_c():
    ended = subprocess.run([sys.executable, "-c", MISTAKEN], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (INTERRUPTED, 1)
    assert "Stopped" in ended.stderr


def test_the_name_of_a_file_stays_on_its_line(capsys):
    assert end_with(FileNotFoundError(2, "No such file or directory", "two\nlines\u202e.wav")) == FAILURE
    line = capsys.readouterr().err
    assert len(line.splitlines()) == 1
    assert r"two\nlines\u202e.wav" in line
