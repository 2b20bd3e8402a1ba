"""A client of the interface for programs: asks a server of this app for answers.

It needs nothing else of the package, and computes nothing itself.

    client = Client("http://localhost:8501", key)
    answer = client.predict("talk.wav")
    for window in client.live(chunks, rate=16_000):
        ...
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit, urlunsplit

import requests
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

PATH: Final = "/api/v1"
TIMEOUT: Final = 120.0
"""Longest wait for an answer, in seconds; an hour of sound takes longer to follow."""


class ProblemError(Exception):
    """The server gave no answer.

    Parameters
    ----------
    status : int
        Status of the response.
    detail : str
        Why, in a sentence.
    wait : float or None
        Time after which it may be asked again, in seconds, where it said so.
    """

    def __init__(self, status: int, detail: str, wait: float | None = None) -> None:
        super().__init__(detail)
        self.status, self.wait = status, wait


class Client:
    """Asks a server; may be shared among threads, and used in a ``with``.

    Parameters
    ----------
    address : str
        Address of the app, without the path of the interface.
    key : str
        As an administrator made it.
    timeout : float
        Longest wait for an answer, in seconds.
    """

    def __init__(self, address: str, key: str, *, timeout: float = TIMEOUT) -> None:
        self._address, self._timeout = address.rstrip("/") + PATH, timeout
        self._headers = {"Authorization": f"Bearer {key}"}
        self._session = requests.Session()
        self._session.headers.update(self._headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def predict(self, sound: bytes | str | Path, *, part: str = "", model: str = "") -> dict[str, Any]:
        """Return the answer for a sound.

        Parameters
        ----------
        sound : bytes or path
            The encoded sound.
        part : str
            Which channel or track, where a file holds several voices.
        model : str
            Name of a stored model; the one in use by default.

        Returns
        -------
        dict
            As ``python testscript.py FILE --json`` prints it.

        Raises
        ------
        ProblemError
            If there is no answer.
        """
        answer: dict[str, Any] = self._ask("POST", "/predict", {"part": part, "model": model}, data=_bytes(sound))
        return answer

    def predict_files(self, paths: Sequence[str | Path], *, model: str = "") -> list[dict[str, Any]]:
        """Return the answers for files, sent together; of one that cannot be answered, why.

        Parameters
        ----------
        paths : sequence of path
            The files: as many as the server takes at once.
        model : str
            Name of a stored model; the one in use by default.

        Returns
        -------
        list of dict
            As from ``predict``, with the name of the file, or with ``file`` and ``error``.

        Raises
        ------
        ProblemError
            If there is no answer.
        """
        files = [("file", (Path(path).name, _bytes(path))) for path in paths]
        answers: list[dict[str, Any]] = self._ask("POST", "/predict", {"model": model}, files=files)
        return answers

    def timeline(self, sound: bytes | str | Path, *, part: str = "", model: str = "") -> dict[str, Any]:
        """Return a sound over time; parameters and errors as for ``predict``."""
        told: dict[str, Any] = self._ask("POST", "/timeline", {"part": part, "model": model}, data=_bytes(sound))
        return told

    def models(self) -> list[dict[str, Any]]:
        """Return the stored models, the one in use first; errors as for ``predict``."""
        found: list[dict[str, Any]] = self._ask("GET", "/models", {})
        return found

    def live(self, chunks: Iterable[bytes], *, rate: int) -> Iterator[dict[str, Any]]:
        """Send a stream, and yield its windows as they come.

        Parameters
        ----------
        chunks : iterable of bytes
            16-bit samples of one channel, little-endian, as they are recorded; sent from a thread of its own.
        rate : int
            Sampling rate, in Hz.

        Yields
        ------
        dict
            A window; see the description of the interface. None more some time after the last chunk.

        Raises
        ------
        ProblemError
            If the server ends the stream.
        """
        parts = urlsplit(self._address)
        scheme = "wss" if parts.scheme == "https" else "ws"
        address = urlunsplit((scheme, parts.netloc, f"{parts.path}/live", urlencode({"rate": rate}), ""))
        with connect(address, additional_headers=self._headers) as socket, ThreadPoolExecutor(1) as pool:
            sending = pool.submit(_send, socket, chunks)
            try:
                for message in socket:
                    yield json.loads(message)
            except ConnectionClosedError as error:
                reason = error.rcvd.reason if error.rcvd else "The connection broke."
                raise ProblemError(error.rcvd.code if error.rcvd else 0, reason) from error
            finally:
                socket.close()
            sending.result()

    def _ask(self, method: str, path: str, parameters: dict[str, str], **body: Any) -> Any:
        given = {name: value for name, value in parameters.items() if value}
        response = self._session.request(
            method, self._address + path, params=given, timeout=self._timeout, allow_redirects=False, **body
        )
        if response.status_code == requests.codes.ok:
            return response.json()
        wait = response.headers.get("Retry-After", "")
        try:
            detail = str(response.json()["detail"])
        except (ValueError, KeyError, TypeError):
            detail = f"The server answered {response.status_code} {response.reason}."
        raise ProblemError(response.status_code, detail, float(wait) if wait.isascii() and wait.isdecimal() else None)


def _bytes(sound: bytes | str | Path) -> bytes:
    return sound if isinstance(sound, bytes) else Path(sound).read_bytes()


def _send(socket: ClientConnection, chunks: Iterable[bytes]) -> None:
    """Send what comes; then say that nothing more will."""
    for chunk in chunks:
        socket.send(chunk)
    socket.send(b"")
