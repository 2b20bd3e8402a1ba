"""Routes of the interface for programs, version 1: answers, timelines, models, a live stream, and their description.

``POST predict`` and ``POST timeline`` take the bytes of a sound file as the body, or a form with files. What is
computed is what the pages show, to the last digit; limits are theirs too. Answers are computed in threads, which take
turns with those of the pages: who finds too many waiting is told to come back.
"""

import contextlib
import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute

from core.api.caller import charge
from core.api.description import MAX_FILES, describe, description_page
from core.api.live import LiveStream
from core.api.problems import show_error
from core.api.reception import Reception, Sent
from core.api.requests import Requests
from core.audio.stream import Stream
from core.errors import AudioError, ModelError, SoundWebError
from core.operations import measures
from core.operations.models.promotion import load_models
from core.serving.exports import prediction_json, timeline_json
from core.serving.live import LiveSlots
from core.serving.predictor import Predictor
from core.serving.registry import Registry, StoredModel
from core.serving.segments import find_segments, smooth
from core.serving.timeline import follow
from core.work.turns import turns

PLACE: Final = "/api"
"""Where all versions are."""
VERSION: Final = "/v1"
PATH: Final = PLACE + VERSION

Result = TypeVar("Result")


class Interface:
    """Answers the requests of programs.

    Parameters
    ----------
    predictor : callable
        Returns a stored model ready to answer: the one in use, or that of a name.
    slots : callable
        Returns the places for live streams, which programs share with people.
    registry : callable
        Returns the stored models.
    """

    def __init__(
        self,
        predictor: Callable[[str | None], Predictor],
        slots: Callable[[], LiveSlots],
        registry: Callable[[], Registry],
    ) -> None:
        self._predictor, self._slots, self._registry = predictor, slots, registry
        self._reception = Reception()
        self._listing = anyio.CapacityLimiter(1)
        # As many threads as sounds that compute or wait, which their turns bound.
        self._threads = anyio.CapacityLimiter(math.inf)

    def app(self) -> Starlette:
        """Return the interface as an application, to be mounted at ``PLACE``."""
        live = LiveStream(self._predictor, self._slots)
        routes = [
            Route("/predict", self.predict, methods=["POST"]),
            Route("/timeline", self.timeline, methods=["POST"]),
            Route("/models", self.models),
            WebSocketRoute("/live", live.live),
            Route("/openapi.json", self.description),
            Route("/", self.page),
        ]
        return Starlette(
            routes=[Mount(VERSION, routes=routes)],
            exception_handlers={Exception: show_error, HTTPException: show_error, SoundWebError: show_error},
        )

    async def predict(self, request: Request) -> Response:
        """Answer for one sound as an object, or for the files of a form as a list."""
        async with self._admitted(request, MAX_FILES) as (files, is_form, model, part):
            texts = [
                await self._work(self._predict, sent.name, await sent.read(), model, part, is_form) for sent in files
            ]
        content = f"[{', '.join(texts)}]" if is_form else texts[0]
        return Response(content, media_type="application/json")

    async def timeline(self, request: Request) -> Response:
        """Answer for one sound over time."""
        async with self._admitted(request, 1) as (files, _, model, part):
            content = await self._work(self._follow, await files[0].read(), model, part)
        return Response(content, media_type="application/json")

    async def models(self, request: Request) -> Response:
        """List the stored models, the one in use first."""
        await charge(request, 0)
        return JSONResponse(await anyio.to_thread.run_sync(describe_models, self._registry(), limiter=self._listing))

    @contextlib.asynccontextmanager
    async def _admitted(self, request: Request, at_most: int) -> AsyncIterator[tuple[list[Sent], bool, str, str]]:
        """Take in the sounds of a request, and count them; before its key may have one answered, nothing is read.

        Yields
        ------
        files : list of Sent
            The sounds.
        is_form : bool
            Whether they came as a form.
        model, part : str
            What the request names.
        """
        key = await charge(request, 1, is_counted=False)
        part, model = _texts(request, "part", "model")
        if model and model not in self._registry().names():
            raise HTTPException(404, f"There is no model {model!r}.")
        async with self._reception.received(request, key, at_most) as (files, is_form):
            await charge(request, len(files))
            yield files, is_form, model, part

    async def description(self, request: Request) -> Response:
        """Return the description for programs that write programs."""
        del request
        return JSONResponse(describe())

    async def page(self, request: Request) -> Response:
        """Return the description for people."""
        del request
        return HTMLResponse(description_page())

    def _predict(
        self,
        name: str,
        data: bytes,
        model: str,
        part: str,
        is_form: bool,  # noqa: FBT001 - a field passed on
    ) -> str:
        predictor = self._predictor(model or None)
        try:
            with measures.answering(measures.PROGRAM):
                return prediction_json(name, predictor.predict_file(data, part=part))
        except AudioError as error:
            if not is_form:
                raise
            measures.refuse(measures.PROGRAM, error)
            return prediction_json(name, error)

    def _follow(self, data: bytes, model: str, part: str) -> bytes:
        predictor = self._predictor(model or None)
        with measures.answering(measures.PROGRAM):
            readings = smooth(follow(Stream(data, part=part), predictor), predictor.model.threshold, 0.0)
            if not readings:
                raise AudioError("The sound is too short to be followed over time.")
        return timeline_json(find_segments(readings), readings, predictor.model.name)

    async def _work(self, compute: Callable[..., Result], *arguments: Any) -> Result:
        """Compute something in a thread when its turn comes.

        Raises
        ------
        BusyError
            If too many wait already.
        """

        def compute_in_turn() -> Result:
            with turns.turn():
                return compute(*arguments)

        return await anyio.to_thread.run_sync(compute_in_turn, limiter=self._threads)


def routes(
    predictor: Callable[[str | None], Predictor],
    slots: Callable[[], LiveSlots],
    registry: Callable[[], Registry] = Registry,
) -> list[Mount]:
    """Return what a server that shows the pages serves to programs; arguments as for ``Interface``."""
    return [Mount(PLACE, Requests(Interface(predictor, slots, registry).app()))]


def describe_models(registry: Registry) -> list[dict[str, Any]]:
    """Return what a program needs to know of each model: name, emotions, confidence from which it is sure, figures."""
    return [_describe_model(name, model, is_used=is_used) for name, model, is_used in load_models(registry)]


def _describe_model(name: str, model: StoredModel | ModelError, *, is_used: bool) -> dict[str, Any]:
    try:
        if isinstance(model, ModelError):
            raise model
        of_speech = model.metrics().get(model.main_protocol, {}).get("speech")
    except ModelError as error:
        return {"name": name, "in_use": is_used, "error": error.told}
    return {
        "name": name,
        "in_use": is_used,
        "emotions": list(model.manifest.labels),
        "threshold": model.threshold,
        "protocol": model.main_protocol,
        "unweighted_average_recall": of_speech and of_speech["unweighted_average_recall"],
    }


def _texts(request: Request, *names: str) -> Sequence[str]:
    """Return parameters of a request, empty where they are not given; refuse others, which would be overheard."""
    unknown = set(request.query_params) - set(names)
    if unknown:
        raise HTTPException(400, f"There is no parameter {sorted(unknown)[0]!r}; known are {', '.join(names)}.")
    return [request.query_params.get(name, "") for name in names]
