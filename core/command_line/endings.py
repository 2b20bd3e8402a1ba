"""How a program ends: status 0 after an answer, 2 after errors of the user's, 130 where somebody stopped it.

Each error is a line on standard error. Nothing here, nor in what it imports, keeps an answer waiting.
"""

import contextlib
import datetime
import errno
import io
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from core.config import check_settings, data_folder
from core.errors import SoundWebError

LOG: Final = "errors.log"
"""File in the data folder that keeps what went wrong unexpectedly."""
FAILURE: Final = 2
INTERRUPTED: Final = 130
"""Status of a program that Ctrl-C stopped, as shells know it."""


def status_of(action: Callable[[], None]) -> int:
    """Carry out what a program is for, once its settings are found to be usable.

    Parameters
    ----------
    action : callable
        What to do.

    Returns
    -------
    int
        The exit status.
    """
    _replace_missing_streams()
    # File names may hold what the terminal cannot show.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    interrupted = threading.Event()
    try:
        with _interruptible(interrupted):
            check_settings()
            _carry_out(action)
    except (Exception, KeyboardInterrupt) as error:
        # Libraries make other errors of an interruption, above all while they are imported.
        if isinstance(error, KeyboardInterrupt) or interrupted.is_set():
            return _say("Stopped. What is done is kept, and the same command goes on there.", INTERRUPTED)
        return _say(f"error: {_explain(error)}", FAILURE)
    return 0


def one_line(text: str) -> str:
    """Return a text, such as the name of a file, with codes in place of what does not print, line breaks included."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _replace_missing_streams() -> None:
    """Let what was closed before the program began take all and keep nothing; files would get its number else."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - until the end


@contextlib.contextmanager
def _interruptible(interrupted: threading.Event) -> Iterator[None]:
    """Let Ctrl-C raise ``KeyboardInterrupt``, where a program began without that; before and after, it just ends."""

    def interrupt(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _carry_out(action: Callable[[], None]) -> None:
    """Carry out an action to the last byte of its output, also where it ends the program, as a help text does."""
    try:
        action()
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()


def _explain(error: Exception) -> str:
    """Return in one line what went wrong and what to do."""
    if isinstance(error, SoundWebError):
        return str(error)
    if isinstance(error, BrokenPipeError):
        _close_output()
        return "what reads the output has closed it."
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC:
            _close_output()
        place = f" ({one_line(os.fsdecode(error.filename))})" if error.filename else ""
        if error.errno in (errno.EROFS, errno.EACCES) and error.filename and _is_of_data(error.filename):
            return f"{error.strerror}{place}. Name a folder that can be written: SOUNDWEB_DATA=FOLDER."
        return f"{error.strerror or error}{place}. Free some room, or choose another folder or file."
    if isinstance(error, MemoryError):
        return "there is not enough memory for this."
    return f"something unexpected went wrong ({type(error).__name__}: {_line(error)}). {_keep_trace()}"


def _is_of_data(path: str | bytes | int) -> bool:
    """Tell whether a path is the data folder, below it, or a folder above it that must be made first."""
    if isinstance(path, int):
        return False
    place, data = Path(os.fsdecode(path)).absolute(), data_folder().absolute()
    return place.is_relative_to(data) or data.is_relative_to(place)


def _say(line: str, status: int) -> int:
    """Print a line on standard error, where that is still there, and return the exit status."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)
    return status


def _line(error: BaseException) -> str:
    """Return the beginning of an error's message, on one line."""
    return " ".join(str(error).split())[:200]


def _close_output() -> None:
    """Let nothing more be written to an output that takes nothing, not even when the program ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def _keep_trace() -> str:
    """Write the error that is being handled where a developer finds it, and say where."""
    path = data_folder() / LOG
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.datetime.now(datetime.UTC).isoformat()}\n{traceback.format_exc()}\n")
    except OSError:
        return "Its details could not be written down."
    return f"Its details stand in {path}."
