"""Files over HTTP: a large one goes on after a break and is used if its checksum is right, a small one comes whole."""

import dataclasses
import hashlib
import shutil
import time
from pathlib import Path
from typing import IO, Final

import requests

from core.errors import DownloadError
from core.work.progress import Progress, Report, ignore

BLOCK: Final = 2**16
"""Bytes between two reports of progress, and what a break can cost."""
TIMEOUT: Final = (10, 20)
"""Patience with a server that does not answer, and with one that falls silent, in seconds."""
RETRIES: Final = 3
"""Attempts in a row without a new byte before giving up."""
BUSY: Final = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that may answer better a little later."""
LONGEST_WAIT: Final = 60.0
"""Longest wait that a server may ask for between two attempts, in seconds."""


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file on a server, and how to know it."""

    url: str
    size: int
    """Length, in bytes."""
    md5: str
    """Checksum, 32 hex digits."""


def fetch(remote: RemoteFile, path: Path, *, report: Report = ignore, pause: float = 1.0) -> None:
    """Fetch a file; what an earlier attempt left is not fetched again.

    Parameters
    ----------
    remote : RemoteFile
        What to fetch.
    path : path
        Where to write it; until it is whole, it is called ``<name>.part``.
    report : callable
        Called with the bytes that are there; may raise to stop, and what was fetched is kept.
    pause : float
        Wait before a second attempt, in seconds; later ones wait longer.

    Raises
    ------
    DownloadError
        If the server cannot be reached or refuses, the disk is full, or the checksum is wrong; in the last case the
        file is removed.
    """
    part = path.with_name(f"{path.name}.part")
    failures = 0
    report(Progress(size_of(part), remote.size, "bytes", f"Fetching {path.name}"))
    while not path.is_file():
        before, problem = size_of(part), ""
        try:
            if before < remote.size:
                _receive(remote, part, report)
        except requests.RequestException as error:
            problem = _reason(error)
        except OSError as error:
            raise DownloadError(f"{str(part)!r} cannot be written: {error.strerror}. Free space and retry.") from error
        if size_of(part) >= remote.size:
            part.replace(path)
            break
        failures = 0 if size_of(part) > before else failures + 1
        if failures >= RETRIES:
            raise DownloadError(_giving_up(remote, size_of(part), problem))
        time.sleep(pause * failures)
    _verify(remote, path)


def fetch_bytes(url: str, *, limit: int, session: requests.Session, pause: float = 1.0) -> bytes:
    """Return a small file, whole.

    Parameters
    ----------
    url : str
        Its address, which must not lead to another one.
    limit : int
        Longest file that is accepted, in bytes.
    session : requests.Session
        Keeps connections for the next files.
    pause : float
        Wait before a second attempt, in seconds; later ones wait longer, and as long as the server asks.

    Returns
    -------
    bytes

    Raises
    ------
    DownloadError
        If the server cannot be reached, refuses, or sends more than the limit.
    """
    problem = ""
    for attempt in range(1, RETRIES + 1):
        try:
            return _receive_bytes(url, limit, session)
        except requests.RequestException as error:
            problem = _reason(error)
            if attempt < RETRIES:
                time.sleep(max(pause * attempt, _asked_wait(error)))
    raise DownloadError(f"{url} cannot be fetched: {problem}. Check the connection and retry.")


def write_whole(target: Path, content: IO[bytes]) -> None:
    """Write a file, and its folder where it is missing, that is never seen half."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with partial.open("wb") as file:
        shutil.copyfileobj(content, file)
    partial.replace(target)


def size_of(path: Path) -> int:
    """Return the length of a file, in bytes; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def _receive(remote: RemoteFile, part: Path, report: Report) -> None:
    """Append what one answer of the server brings."""
    start = size_of(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(remote.url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        _check_status(answer, remote.url, (200, 206, 416))
        continues = answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if answer.status_code == 416 or (answer.status_code == 206 and not continues):
            part.unlink()
            raise requests.HTTPError("the server cannot go on where the last attempt ended")
        with part.open("ab" if answer.status_code == 206 else "wb") as file:
            for block in answer.iter_content(BLOCK):
                if file.tell() + len(block) > remote.size:
                    part.unlink()
                    raise DownloadError(f"{remote.url} is longer than the {remote.size:,} bytes of the record.")
                file.write(block)
                report(Progress(file.tell(), remote.size, "bytes", f"Fetching {part.stem}"))


def _receive_bytes(url: str, limit: int, session: requests.Session) -> bytes:
    """Return what one answer of the server brings."""
    headers = {"Accept-Encoding": "identity"}
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=False) as answer:
        _check_status(answer, url, (200,))
        data = bytearray()
        for block in answer.iter_content(BLOCK):
            data += block
            if len(data) > limit:
                raise DownloadError(f"{url} is longer than the {limit:,} bytes that its files may have.")
    return bytes(data)


def _check_status(answer: requests.Response, url: str, accepted: tuple[int, ...]) -> None:
    """Refuse other answers: those of a busy server for now, the rest for good."""
    if answer.status_code in BUSY:
        raise requests.HTTPError(f"the server answers {answer.status_code}", response=answer)
    if answer.status_code not in accepted:
        raise DownloadError(f"The server answers {answer.status_code} for {url}. Check the address.")


def _asked_wait(error: requests.RequestException) -> float:
    """Return how long a busy server asks to be left alone, in seconds; 0 where it does not."""
    asked = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    return min(float(asked), LONGEST_WAIT) if asked.isdecimal() else 0.0


def _verify(remote: RemoteFile, path: Path) -> None:
    """Remove a file whose checksum is wrong, and say so."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != remote.md5:
        path.unlink()
        raise DownloadError(f"{path.name} was damaged on the way (MD5 {found}) and is removed. Download it again.")


def _reason(error: requests.RequestException) -> str:
    """Return in a few words why an attempt failed."""
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    if isinstance(error, requests.HTTPError):
        return str(error)
    return "the connection breaks off or cannot be made"


def _giving_up(remote: RemoteFile, size: int, problem: str) -> str:
    kept = f" {size / 1e6:,.1f} MB are kept, and the next attempt goes on there." if size else ""
    reason = problem or "the server sends less than the whole file"
    return f"{remote.url} cannot be fetched: {reason}. Check the connection and retry.{kept}"
