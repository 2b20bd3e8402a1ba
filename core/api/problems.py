"""Errors of the interface for programs as problem details, a JSON object with a sentence.

References
----------
Nottingham M, Wilde E, Dalal S (2023). Problem details for HTTP APIs. RFC 9457.
"""

import http
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from core.errors import AudioError, BusyError, KeyRefused, SoundWebError, TooManyRequests, log_unexpected
from core.operations import measures

MEDIA_TYPE: Final = "application/problem+json"
STATUSES: Final[tuple[tuple[type[SoundWebError], int], ...]] = (
    (KeyRefused, 401),
    (TooManyRequests, 429),
    (BusyError, 503),
    (AudioError, 422),
    (SoundWebError, 503),
)
"""Status of each kind of error; the first that fits counts. What is left is about model or database: not the caller's
to mend."""
RETRY_BUSY: Final = 2
"""Time after which a program may ask a busy server again, in seconds."""


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """Return an error as a response."""
    content = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content | more, status, headers, media_type=MEDIA_TYPE)


def problem_of(error: SoundWebError) -> JSONResponse:
    """Return an error that a caller can act on as a response."""
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    headers = {}
    if isinstance(error, KeyRefused):
        headers = {"WWW-Authenticate": "Bearer"}
    elif isinstance(error, TooManyRequests) and error.wait is not None:
        headers = {"Retry-After": str(error.wait)}
    elif isinstance(error, BusyError):
        headers = {"Retry-After": str(RETRY_BUSY)}
    return problem(status, error.told, headers)


async def show_error(request: Request, error: Exception) -> JSONResponse:
    """Return any error as a response: one that nobody expected as a number that stands in the log with it."""
    measures.refuse(measures.PROGRAM, error)
    if isinstance(error, SoundWebError):
        return problem_of(error)
    if isinstance(error, HTTPException):
        return problem(error.status_code, error.detail, dict(error.headers or {}))
    number = log_unexpected(error, f"{request.method} {request.url.path}")
    return problem(500, f"Something went wrong on the server. The log tells more under number {number}.", number=number)
