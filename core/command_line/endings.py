"""How a program ends: status 0 after an answer, 2 after errors of the user's, 130 where somebody stopped it.

Each error is a line on standard error. Nothing here, nor in what it imports, keeps an answer waiting.
"""

import io
import logging
import sys
from collections.abc import Callable
from typing import Final

from core.config import check_settings
from core.errors import SoundWebError

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
    # File names may hold what the terminal cannot show.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        check_settings()
        action()
    except SoundWebError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        print("Stopped. What is done is kept, and the same command goes on there.", file=sys.stderr)
        return INTERRUPTED
    return 0
