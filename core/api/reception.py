"""What programs send: read as it comes, within bounds for each key and for all together."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from core.api.forms import is_form
from core.config import DecodeLimits, UploadLimits
from core.errors import BusyError
from core.settings import read_number
from core.work.intake import Intake

MIB: Final = 2**20


@dataclasses.dataclass(frozen=True)
class Sent:
    """A file that a program sent."""

    name: str
    """Its name, as the program gave it: not to be trusted; empty for a plain body."""
    read: Callable[[], Awaitable[bytes]]
    """Returns the encoded sound; what is not read yet lies on the disk."""


class Reception:
    """Counts what programs send until they are answered; safe to share among threads."""

    def __init__(self) -> None:
        self._intake = Intake()

    @contextlib.asynccontextmanager
    async def received(self, request: Request, key: str, at_most: int) -> AsyncIterator[tuple[list[Sent], bool]]:
        """Read a request, and hold its files as long as they are needed.

        Parameters
        ----------
        request : Request
            Whose body is a sound, or a form with sounds.
        key : str
            Who sends it.
        at_most : int
            Most files of a form.

        Yields
        ------
        files : list of Sent
            In their order.
        is_form : bool
            Whether they came as a form.

        Raises
        ------
        HTTPException
            If there are none, too many, or too large ones, or the form is in a charset that is not read.
        BusyError
            If the server, or the key, has too much to receive already.
        """
        with self._counted(request, key) as counted:
            if not is_form(request.headers):
                yield [await _body(counted)], False
                return
            stated, largest = read_number(request.headers.get("content-length", "")), UploadLimits.read().per_session
            if stated is None:
                raise HTTPException(411, "State the length of the form, in Content-Length.")
            if stated > min(at_most * DecodeLimits().max_bytes + MIB, largest):
                raise HTTPException(413, f"A form may have {largest // MIB} MiB at most. {_limit()}")
            async with counted.form(max_files=at_most, max_fields=at_most) as form:
                uploads = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
                if not uploads:
                    raise HTTPException(400, "The form holds no file.")
                if any((upload.size or 0) > DecodeLimits().max_bytes for upload in uploads):
                    raise _too_large()
                yield [Sent(upload.filename or "", upload.read) for upload in uploads], True

    @contextlib.contextmanager
    def _counted(self, request: Request, key: str) -> Iterator[Request]:
        """Return the request with a body that counts as it is read."""
        mark = object()

        async def receive() -> Message:
            message = await request.receive()
            self._take_in(mark, key, len(message.get("body", b"")))
            return message

        try:
            yield Request(request.scope, receive)
        finally:
            self._intake.release(mark)

    def _take_in(self, mark: object, key: str, size: int) -> None:
        limits = UploadLimits.read()
        if self._intake.take(mark, key, size, of_owner=limits.per_session, in_all=limits.in_all):
            return
        if self._intake.of(key) + size > limits.per_session:
            raise BusyError("This key sends more at once than may lie here. Wait for answers, then go on.")
        raise BusyError("The server receives as much as it can hold.")


async def _body(request: Request) -> Sent:
    """Read the one file that a body is."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > DecodeLimits().max_bytes:
            raise _too_large()

    async def read() -> bytes:
        return bytes(data)

    return Sent("", read)


def _limit() -> str:
    return f"A sound file may have {DecodeLimits().max_bytes // MIB} MiB at most."


def _too_large() -> HTTPException:
    return HTTPException(413, _limit())
