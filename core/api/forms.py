"""Forms with files, looked at before they are parsed."""

from typing import Final

from python_multipart.multipart import parse_options_header  # as Starlette: both must read the same of a header
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

FORM: Final = b"multipart/form-data"
CHARSETS: Final = frozenset({"utf-8", "utf8", "latin-1", "latin1", "iso-8859-1"})


def is_form(headers: Headers) -> bool:
    """Tell whether a request holds a form with files that can be read.

    Starlette decodes with any codec that a form names, while everybody waits; of some of them, the time grows with the
    square of the length.

    Parameters
    ----------
    headers : Headers
        Of the request.

    Returns
    -------
    bool
        False where it holds something else.

    Raises
    ------
    HTTPException
        If the form is in another charset than UTF-8 or Latin-1.

    Examples
    --------
    >>> is_form(Headers({"content-type": "multipart/form-data; boundary=x"})), is_form(Headers())
    (True, False)
    """
    kind, parameters = parse_options_header(headers.get("content-type"))
    if kind != FORM:
        return False
    if parameters.get(b"charset", b"utf-8").decode("latin-1").lower() not in CHARSETS:
        raise HTTPException(415, "A form is read as UTF-8 or Latin-1. Send it without another charset.")
    return True
