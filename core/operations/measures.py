"""What a server counts of itself, for Prometheus: answers and their time, refusals, queues, live places, the model.

It is served on a port of its own, where ``SOUNDWEB_METRICS`` names one, since it is not for visitors. Nothing of it is
about a person or a sound.
"""

import contextlib
import http
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException

from core.errors import SettingsError, SoundWebError
from core.serving.registry import Registry
from core.settings import Address
from core.work.turns import turns

if TYPE_CHECKING:
    from core.serving.live import LiveSlots

PAGE: Final = "page"
PROGRAM: Final = "program"
BUCKETS: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0)
"""Times of answers that are told apart, in seconds."""

registry: Final = CollectorRegistry()
answers: Final = Histogram(
    "soundweb_answer_seconds", "Time that an answer was computed.", ["by"], buckets=BUCKETS, registry=registry
)
refusals: Final = Counter("soundweb_refusals", "Sounds and requests not answered.", ["by", "reason"], registry=registry)
requests: Final = Counter("soundweb_requests", "Requests of programs.", ["route", "status"], registry=registry)
ProcessCollector(registry=registry)


@contextlib.contextmanager
def answering(by: str) -> Iterator[None]:
    """Count an answer and the time that it was computed; one that fails is no answer.

    Parameters
    ----------
    by : str
        Who asked: ``PAGE`` or ``PROGRAM``.

    Yields
    ------
    None
    """
    start = time.perf_counter()
    yield
    answers.labels(by).observe(time.perf_counter() - start)


@contextlib.contextmanager
def refusing(by: str) -> Iterator[None]:
    """Count what cannot be answered; parameter as for ``answering``."""
    try:
        yield
    except SoundWebError as error:
        refuse(by, error)
        raise


def refuse(by: str, error: Exception) -> None:
    """Count an error by its kind, so that there are few kinds whatever somebody sends.

    Parameters
    ----------
    by : str
        As for ``answering``.
    error : Exception
        Why there is no answer.
    """
    reason = "unexpected"
    if isinstance(error, SoundWebError):
        reason = type(error).__name__
    elif isinstance(error, HTTPException):
        reason = http.HTTPStatus(error.status_code).phrase
    refusals.labels(by, reason).inc()


class Moment(Collector):
    """What is so at the moment that somebody asks.

    Parameters
    ----------
    slots : callable
        Returns the places for live streams.
    """

    def __init__(self, slots: "Callable[[], LiveSlots]") -> None:
        self._slots = slots

    def collect(self) -> Iterator[Metric]:
        """Yield each; what cannot be told now is left out."""
        for tell in (self._live, _turns, _jobs, _model):
            with contextlib.suppress(SoundWebError):
                yield from tell()

    def _live(self) -> Iterator[Metric]:
        slots = self._slots()
        yield GaugeMetricFamily("soundweb_live_streams", "Live streams.", slots.taken)
        yield GaugeMetricFamily("soundweb_live_places", "Places for them.", slots.maximum)


def _turns() -> Iterator[Metric]:
    yield GaugeMetricFamily("soundweb_computing", "Sounds that are computed on.", turns.places - turns.free)
    yield GaugeMetricFamily("soundweb_waiting", "Sounds that wait for their turn.", turns.waiting)


def _jobs() -> Iterator[Metric]:
    import sqlalchemy as sa

    from core.operations.database import reading
    from core.operations.tables import STATUSES, jobs

    with reading() as connection:
        rows = connection.execute(sa.select(jobs.c.status, sa.func.count().label("n")).group_by(jobs.c.status))
        counts = dict.fromkeys(STATUSES, 0) | {row.status: row.n for row in rows}
    family = GaugeMetricFamily("soundweb_jobs", "Trainings.", labels=["status"])
    for status, n in counts.items():
        family.add_metric([status], n)
    yield family


def _model() -> Iterator[Metric]:
    yield InfoMetricFamily("soundweb_model", "The model in use.", {"name": Registry().champion()})


@contextlib.contextmanager
def served(address: Address | None, slots: "Callable[[], LiveSlots]") -> Iterator[None]:
    """Serve the counts at an address.

    Parameters
    ----------
    address : Address or None
        Where; None for nowhere.
    slots : callable
        As for ``Moment``.

    Raises
    ------
    SettingsError
        If nothing can be served there.
    """
    if address is None:
        yield
        return
    moment = Moment(slots)
    server = _listen(address)
    registry.register(moment)
    try:
        yield
    finally:
        registry.unregister(moment)
        server.shutdown()
        server.server_close()


def _listen(address: Address) -> WSGIServer:
    try:
        server, _ = start_http_server(address.port, address.host, registry)
    except OSError as error:
        raise SettingsError(
            f"SOUNDWEB_METRICS is {address.host}:{address.port}, where nothing can be served: {error.strerror}."
        ) from error
    return server
