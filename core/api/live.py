"""A live stream of a program: samples in, windows out, over a WebSocket.

The program sends 16-bit samples of one channel, little-endian, as binary messages of any length, at the rate that it
names in the address. For each window it gets a text message: a JSON object with what the Live page shows of it. An
empty message ends the stream: windows that are still to come are sent, then it is closed.
"""

import asyncio
import contextlib
import itertools
import json
import math
from collections.abc import Callable
from typing import Any, Final

import anyio.to_thread
import av
import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from core.api.caller import charge
from core.config import DecodeLimits
from core.errors import SoundWebError
from core.operations import measures
from core.serving.live import LiveSlots, LiveWorker
from core.serving.prediction import UNSURE
from core.serving.predictor import Predictor
from core.serving.segments import NO_SPEECH
from core.serving.timeline import Window
from core.settings import read_number

DEFAULT_RATE: Final = 16_000
MAX_MESSAGE: Final = 2**20
"""Largest message, in bytes."""
KEY_INTERVAL: Final = 60.0
"""Time after which the key of a stream is counted as for one more sound, in seconds."""
KEY_LOOKS: Final = 12
"""Times that it is looked up meanwhile: a stream ends with its key."""
END_INTERVAL: Final = 0.1
"""Time between two looks at whether a stream without more sound has ended, in seconds."""
BEHIND: Final = "An empty message ends a stream. Send nothing behind it."
REFUSED, UNUSABLE, ENDED, FINISHED = 1008, 1003, 1001, 1000
"""Codes with which a WebSocket is closed."""
MAX_REASON: Final = 123
"""Longest reason for that, in bytes."""


class LiveStream:
    """Serves live streams of programs.

    Parameters
    ----------
    predictor : callable
        Returns the model in use for None.
    slots : callable
        Returns the places for live streams.
    """

    def __init__(self, predictor: Callable[[str | None], Predictor], slots: Callable[[], LiveSlots]) -> None:
        self._predictor, self._slots = predictor, slots

    async def live(self, socket: WebSocket) -> None:
        """Serve one stream from its first sample to its last."""
        await socket.accept()
        windows: asyncio.Queue[Window] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(window: Window) -> None:
            with contextlib.suppress(RuntimeError):  # the server ends, and nobody listens any more
                loop.call_soon_threadsafe(windows.put_nowait, window)

        try:
            rate = _rate(socket)
            await charge(socket, 1)
            predictor = await anyio.to_thread.run_sync(self._predictor, None)
            worker = LiveWorker(predictor, take_duration=0.0, tell=tell)
            self._slots().start(worker)
        except SoundWebError as error:
            await _refuse(socket, error)
            return
        jobs = (_receive(socket, worker, rate, windows), _pay(socket), _send(socket, windows))
        tasks = [asyncio.ensure_future(job) for job in jobs]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except SoundWebError as error:
            await _refuse(socket, error)
        finally:
            worker.stop()
            for task in tasks:
                task.cancel()


async def _pay(socket: WebSocket) -> None:
    """Look the key up while a stream goes on, and count it as for one more sound from time to time."""
    for look in itertools.count(1):
        await asyncio.sleep(KEY_INTERVAL / KEY_LOOKS)
        await charge(socket, int(look % KEY_LOOKS == 0))


async def _receive(socket: WebSocket, worker: LiveWorker, rate: int, windows: "asyncio.Queue[Window]") -> None:
    """Take in samples until the program goes, what it sends is of no use, or the worker has ended."""
    odd = b""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("bytes")
        if data is None or len(data) > MAX_MESSAGE:
            await _close(socket, UNUSABLE, f"Send samples, as binary messages of at most {MAX_MESSAGE:,} bytes.")
            return
        if not worker.is_running:
            await _close(socket, ENDED, "No sound came for a while, and the stream has ended.")
            return
        if not data:
            await _finish(socket, worker, windows)
            return
        data = odd + data
        whole = len(data) // 2 * 2
        data, odd = data[:whole], data[whole:]
        if data:
            frame = av.AudioFrame.from_ndarray(np.frombuffer(data, "<i2")[np.newaxis], format="s16", layout="mono")
            frame.sample_rate = rate
            worker.push_frame(frame)


async def _finish(socket: WebSocket, worker: LiveWorker, windows: "asyncio.Queue[Window]") -> None:
    """Close a stream that gets no more sound once its last window is sent, unless the program goes, or goes on."""

    async def all_sent() -> None:
        while worker.is_running:
            await asyncio.sleep(END_INTERVAL)
        await asyncio.sleep(0)  # by then, what the worker told last is among the windows
        await windows.join()

    ending, going = asyncio.ensure_future(all_sent()), asyncio.ensure_future(socket.receive())
    try:
        await asyncio.wait((ending, going), return_when=asyncio.FIRST_COMPLETED)
        if going.done() and going.result()["type"] == "websocket.receive":
            await _close(socket, UNUSABLE, BEHIND)
        elif not going.done():
            await _close(socket, FINISHED, "")
    finally:
        ending.cancel()
        going.cancel()


async def _refuse(socket: WebSocket, error: SoundWebError) -> None:
    """Close a WebSocket because of an error."""
    measures.refuse(measures.PROGRAM, error)
    await _close(socket, REFUSED, error.told)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    """Close a WebSocket with a reason, of which the protocol takes no more than 123 bytes."""
    await socket.close(code, reason.encode()[:MAX_REASON].decode(errors="ignore"))


async def _send(socket: WebSocket, windows: "asyncio.Queue[Window]") -> None:
    """Send windows as they come, until the program goes."""
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(json.dumps(window_fields(await windows.get()), allow_nan=False))
            windows.task_done()


def window_fields(window: Window) -> dict[str, Any]:
    """Return a window as JSON has it.

    Parameters
    ----------
    window : Window
        Of a live stream.

    Returns
    -------
    dict
        Times in seconds; ``level`` in dBFS, None for silence; ``pitch`` in Hz, None where nothing is voiced.
    """
    answer = window.prediction
    fields: dict[str, Any] = {"start": window.start, "end": window.end, "label": NO_SPEECH, "emotion": None}
    fields |= {"confidence": 0.0, "probabilities": {}, "doubts": []}
    if answer is not None:
        doubts = [reason for piece in getattr(answer, "pieces", ()) for reason in piece.doubts]
        label = UNSURE if doubts else answer.emotion
        fields |= {"label": label, "emotion": answer.emotion, "confidence": answer.confidence, "doubts": doubts}
        fields |= {"probabilities": answer.probabilities}
    return fields | {"level": window.level if math.isfinite(window.level) else None, "pitch": window.pitch}


def _rate(socket: WebSocket) -> int:
    """Return the sampling rate that the address names, in Hz."""
    limits, text = DecodeLimits(), socket.query_params.get("rate", str(DEFAULT_RATE))
    rate = read_number(text)
    if rate is None or not limits.min_rate <= rate <= limits.max_rate:
        raise SoundWebError(
            f"The rate is a number from {limits.min_rate:,} to {limits.max_rate:,} Hz, not {text!r:.40}."
        )
    return rate
