"""The log of a server: a line for each event on standard error, for people, or as JSON for programs.

Modules log by the standard library, with what belongs to an event in ``extra``; here that becomes lines with time,
level, logger, and what the context knows, such as the request. No line holds a sound, an answer, the name of a file, an
address or a key; errors are told without the values of variables.
"""

import logging
import secrets
import sys
from typing import TYPE_CHECKING, Final

from core.config import log_form

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

QUIET: Final = logging.WARNING
"""Level from which everybody's lines are written; those of this project from INFO."""
OWN: Final = ("core", "pages")
WITH_ADDRESSES: Final = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "websockets")
"""Loggers that tell addresses of visitors, and what they ask for, below ``QUIET``."""


def configure() -> None:
    """Write the log of this process in the form that ``SOUNDWEB_LOG`` names, that of libraries included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(make_formatter(log_form(), colors=sys.stderr.isatty()))
    for logger in _loggers():
        if logger.handlers:  # one way out for all who have one: Streamlit and Uvicorn bring handlers of their own
            logger.handlers.clear()
            logger.propagate = True
    for name in WITH_ADDRESSES:
        logging.getLogger(name).setLevel(QUIET)
    logging.basicConfig(handlers=[handler], level=QUIET, force=True)
    for name in OWN:
        logging.getLogger(name).setLevel(logging.INFO)


def begin_request() -> None:
    """Give what this thread does from now on a number of its own, which stands in its lines."""
    import structlog

    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=new_number())


def new_number() -> str:
    """Return a number that no other request has."""
    return secrets.token_hex(8)


def make_formatter(form: str, *, colors: bool = False) -> logging.Formatter:
    """Return what turns records into lines.

    Parameters
    ----------
    form : str
        One of ``core.config.LOG_FORMS``.
    colors : bool
        Whether people read it on a terminal that shows colours.

    Returns
    -------
    logging.Formatter
    """
    import structlog  # the first page is there before it

    known: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    plain = structlog.dev.plain_traceback  # the default one shows the values of variables
    ends: dict[str, list[Processor]] = {
        "json": [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        "text": [on_one_line, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)],
    }
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ends[form]]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=known, processors=last)


def on_one_line(logger: "WrappedLogger", method: str, event: "EventDict") -> "EventDict":
    """Keep what somebody sent from looking like a line of its own.

    Examples
    --------
    >>> on_one_line(None, "info", {"event": "a" + chr(9) + "b", "n": 1})["event"] == "a" + chr(92) + "tb"
    True
    """
    del logger, method
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode()
    return event


def _loggers() -> list[logging.Logger]:
    """Return the loggers that there are, but the root."""
    return [found for found in logging.root.manager.loggerDict.values() if isinstance(found, logging.Logger)]
