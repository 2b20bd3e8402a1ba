"""A live stream: samples come in, windows are answered beside them, at a cost that is bounded for each user.

The thread that receives sound only converts and appends it. A worker answers the newest window at most once every
``hop``; where it falls behind, it leaves windows out instead of queueing them. A worker ends when it is stopped, and
by itself when no sound comes any more: a closed browser sends no farewell.
"""

import collections
import logging
import threading
from collections.abc import Callable
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from core.audio.assess import level_of
from core.config import SAMPLE_RATE, live_users
from core.errors import BusyError
from core.serving.predictor import Predictor
from core.serving.timeline import LIVE, Listener, TimelineConfig, Window
from core.work.turns import turns

logger = logging.getLogger(__name__)

RECENT: Final = 120.0
"""Time that stays in view, in seconds."""
TAKE_DURATION: Final = 1_800.0
"""Longest take that is kept for the report, in seconds; what comes later is shown and not kept."""
STARVED: Final = 5.0
"""Time without sound after which a worker ends, in seconds; silence is sound."""
LEVEL_DURATION: Final = 0.2
"""Time whose level is the input level, in seconds."""
URGENT: Final = 2.0
"""Time for which others may have waited when a window goes before them, in seconds: later, it is of no use."""


class RingBuffer:
    """The newest samples of a stream; safe to share among threads.

    Parameters
    ----------
    capacity : int
        Samples that are kept.
    """

    def __init__(self, capacity: int) -> None:
        self._samples = np.zeros(capacity, np.int16)
        self._lock = threading.Lock()
        self._total = 0

    @property
    def total(self) -> int:
        """Samples that have come in, kept or not."""
        return self._total

    def append(self, samples: NDArray[np.int16]) -> None:
        """Add samples, shape (n,); the oldest make room."""
        capacity = len(self._samples)
        with self._lock:
            kept = samples[-capacity:]
            first = (self._total + len(samples) - len(kept)) % capacity
            head = min(len(kept), capacity - first)
            self._samples[first : first + head] = kept[:head]
            self._samples[: len(kept) - head] = kept[head:]
            self._total += len(samples)

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Return samples by their positions in the stream, within [-1, 1); fewer where the first are gone."""
        capacity = len(self._samples)
        with self._lock:
            first = max(first, self._total - capacity, 0)
            positions = np.arange(first, min(last, self._total)) % capacity
            return self._samples[positions].astype(np.float32) / np.float32(32_768)


class LiveWorker:
    """Answers one stream in a thread of its own.

    Parameters
    ----------
    predictor : Predictor
        The model.
    config : TimelineConfig
        The windows.
    shift : np.ndarray, optional
        As for ``Predictor.predict``.
    take_duration : float
        Longest take that is kept, in seconds.
    tell : callable, optional
        Called with each window, in the worker's thread.
    """

    def __init__(
        self,
        predictor: Predictor,
        config: TimelineConfig = LIVE,
        *,
        shift: NDArray[np.float32] | None = None,
        take_duration: float = TAKE_DURATION,
        tell: Callable[[Window], None] | None = None,
    ) -> None:
        self.predictor, self.config, self._tell = predictor, config, tell
        self.listener = Listener(predictor, config, shift=shift)
        self.ring = RingBuffer(2 * config.length_samples + config.hop_samples)
        # All of it is claimed now, so that memory does not grow while somebody speaks.
        self._take = np.full(round(take_duration * SAMPLE_RATE), 0, np.int16)
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        self._recent: collections.deque[Window] = collections.deque(maxlen=round(RECENT / config.hop))
        self._taken: list[Window] = []
        self._came, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-worker", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the window it is at; returns at once, and may be called from any thread."""
        self._stopped.set()
        self._came.set()

    def join(self, timeout: float = 5.0) -> None:
        """Wait until the thread has ended, at most ``timeout`` seconds."""
        self._thread.join(timeout)

    def set_shift(self, shift: NDArray[np.float32] | None) -> None:
        """Shift the features of later windows, as ``Predictor.predict`` does; may be called from any thread."""
        self.listener.shift = shift

    @property
    def is_running(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def level(self) -> float:
        """Input level of the last moment, in dBFS; -inf before the first sound."""
        y = self.ring.read(self.ring.total - round(LEVEL_DURATION * SAMPLE_RATE), self.ring.total)
        return level_of(y) if len(y) else float("-inf")

    @property
    def recent(self) -> list[Window]:
        """The windows of the last ``RECENT`` seconds."""
        return list(self._recent)

    @property
    def taken(self) -> list[Window]:
        """The windows of the take."""
        return list(self._taken)

    @property
    def take(self) -> NDArray[np.int16]:
        """The take up to the end of its last window, shape (n,): a copy, at ``core.config.SAMPLE_RATE``."""
        return self._take[: self._taken[-1].last].copy() if self._taken else np.zeros(0, np.int16)

    def push_frame(self, frame: av.AudioFrame) -> None:
        """Take in a frame of a stream, of any rate and number of channels."""
        for converted in self._resampler.resample(frame):
            self.push(converted.to_ndarray().ravel())

    def push(self, samples: NDArray[np.int16]) -> None:
        """Take in samples, shape (n,), at ``core.config.SAMPLE_RATE``; called by one thread."""
        if self._stopped.is_set():
            return
        total = self.ring.total
        room = self._take[total : total + len(samples)]
        room[:] = samples[: len(room)]
        self.ring.append(samples)
        self._came.set()

    def _run(self) -> None:
        hop, length = self.config.hop_samples, self.config.length_samples
        last = hop
        while not self._stopped.is_set():
            if not self._came.wait(STARVED):
                logger.info("A live stream brings no sound any more; its worker ends.")
                break
            self._came.clear()
            if self.ring.total < last or self._stopped.is_set():
                continue
            with turns.turn(behind=-URGENT):
                last = self.ring.total // hop * hop
                window = self.listener.listen(self.ring.read(last - length, last), last)
            self._recent.append(window)
            if self._tell is not None:
                self._tell(window)
            if last <= len(self._take):
                self._taken.append(window)
            last += hop
        self._stopped.set()
        # What was claimed for a long take is given back: its session may stay open for hours.
        self._take = self._take[: self._taken[-1].last if self._taken else 0].copy()


class LiveSlots:
    """The places for workers on a server; safe to share among threads.

    Parameters
    ----------
    maximum : int, optional
        Workers that may run at once; ``core.config.live_users`` by default.
    """

    def __init__(self, maximum: int | None = None) -> None:
        self.maximum = maximum or live_users()
        self._lock = threading.Lock()
        self._workers: list[LiveWorker] = []

    @property
    def taken(self) -> int:
        """Workers that run."""
        with self._lock:
            return len(self._running())

    @property
    def is_full(self) -> bool:
        """Whether no place is free."""
        return self.taken >= self.maximum

    def start(self, worker: LiveWorker) -> None:
        """Start a worker; its place is free again when it ends.

        Parameters
        ----------
        worker : LiveWorker
            One that was not started.

        Raises
        ------
        BusyError
            If no place is free.
        """
        with self._lock:
            self._workers = self._running()
            if len(self._workers) >= self.maximum:
                raise BusyError(
                    f"{self.maximum} people are speaking at this moment, as many as this server is set up for. "
                    "Try again in a minute, or upload a recording on Predict."
                )
            worker.start()
            self._workers.append(worker)

    def _running(self) -> list[LiveWorker]:
        return [worker for worker in self._workers if worker.is_running]
