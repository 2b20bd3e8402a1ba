"""Processes that carry out jobs: starting, knowing again, watching and ending them.

A worker leads a session of its own, so it outlives the server that started it, and its whole family can be ended. A
number alone does not name a process, for numbers are given again: the moment of its start belongs to it.
"""

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import psutil

from core.config import PROJECT_ROOT, data_folder
from core.operations.spec import JOBS

GRACE: Final = 1.0
"""Time between the request to end and the end by force, in seconds."""
NICENESS: Final = 10
"""How far workers stand behind predictions for processor time."""
THREAD_LIMITS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
SECRETS: Final = ("SOUNDWEB_ADMIN_HASH", "admin_password_hash")
"""Variables that a worker has no use for; Streamlit makes one of each secret."""

_children: list[subprocess.Popen[bytes]] = []
"""Workers that this process started; who ended is asked for, or it would stay a zombie."""


def host_name() -> str:
    """Return the name of this machine: numbers of processes count on it alone."""
    return platform.node()


def spare_cores() -> int:
    """Return how many cores a training may use: all but one, which answers predictions."""
    return max((os.cpu_count() or 2) - 1, 1)


def job_folder(job: int) -> Path:
    """Return the folder of a job's log."""
    return data_folder() / JOBS / str(int(job))


def shared_folder(job: int) -> Path:
    """Return the folder in which a worker and its own share arrays: in memory, killed ones would leave them there."""
    return job_folder(job) / "shared"


def start_worker(job: int, attempt: int) -> int:
    """Start the process of a job, which lives on without this one, and return its number."""
    folder = job_folder(job)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.rmtree(shared_folder(job), ignore_errors=True)
    threads = str(spare_cores())
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    environment |= dict.fromkeys(THREAD_LIMITS, threads) | {"PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment["JOBLIB_TEMP_FOLDER"] = str(shared_folder(job).absolute())
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, *_arguments(job, attempt)],
            cwd=PROJECT_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _children.append(child)
    return child.pid


def identity(pid: int | None) -> str:
    """Return what tells a living process from every other with its number; empty where it has ended."""
    for child in list(_children):
        if child.poll() is not None:
            _children.remove(child)
    if pid is None:
        return ""
    try:
        # A clock that is set while a training runs must not change who the process is: ticks since the start of the
        # machine do not, the time that psutil computes from them does.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _identity_elsewhere(pid)
    return "" if state in "ZX" else f"{boot} {fields[18]}"


def _identity_elsewhere(pid: int) -> str:
    """Return the identity where there is no ``/proc``."""
    if Path("/proc/self/stat").exists():
        return ""
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return ""


def is_worker(pid: int | None, job: int, attempt: int) -> bool:
    """Tell whether a process is the worker of a job's attempt: nothing else is ever ended."""
    if pid is None:
        return False
    try:
        arguments: list[str] = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    wanted = _arguments(job, attempt)
    return arguments[-len(wanted) :] == wanted


def end_worker(pid: int, job: int, attempt: int) -> None:
    """End a worker and all that it started: by request, then by force."""
    if is_worker(pid, job, attempt):
        family = session_members(pid)
        _signal(family, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and any(identity(process.pid) for process in family):
            time.sleep(0.02)
    end_orphans(pid)


def end_orphans(pid: int) -> None:
    """End by force whatever belongs to the session of a worker."""
    deadline = time.monotonic() + GRACE
    while (family := session_members(pid)) and time.monotonic() < deadline:
        _signal(family, signal.SIGKILL)
        time.sleep(0.02)


def session_members(pid: int) -> list[psutil.Process]:
    """Return the living processes of the session that a worker led; never this process's own."""
    if pid == os.getsid(0):
        return []
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == pid and sys.executable in process.cmdline() and identity(process.pid):
                members.append(process)
    return members


def remove_partials(folder: Path, pid: int | None = None) -> None:
    """Remove what killed processes left half-written in a folder, as ``*.<number of the process>.partial``.

    Parameters
    ----------
    folder : path
        Where to look, with all below.
    pid : int, optional
        The process; all that are gone by default.
    """
    for path in folder.rglob("*.partial"):
        writer = path.suffixes[-2][1:] if len(path.suffixes) > 1 else ""
        if writer.isdecimal() and (int(writer) == pid or (pid is None and not identity(int(writer)))):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def memory_in_use() -> int:
    """Return the resident memory of this process and its children, in bytes."""
    total = 0
    current = psutil.Process()
    for process in (current, *current.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def step_behind() -> None:
    """Let predictions go before this process and all that it will start."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _arguments(job: int, attempt: int) -> list[str]:
    return ["-m", "core", "job", str(int(job)), "--attempt", str(int(attempt))]
