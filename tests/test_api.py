import asyncio
import contextlib
import json
import socket
import threading
import time

import numpy as np
import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from core.api import live as live_module
from core.api import routes as module
from core.api.description import PROBLEMS
from core.api.routes import PATH, routes
from core.audio.decode import decode
from core.client import Client, ProblemError
from core.config import SAMPLE_RATE, DecodeLimits, UploadLimits
from core.corpus.samples import list_samples, list_synthesized
from core.operations.access.keys import list_keys, make_key, revoke_key
from core.operations.access.sessions import open_session
from core.operations.database import close_database, writing
from core.serving.exports import prediction_json, to_int16
from core.serving.live import LiveSlots
from core.serving.predictor import Predictor
from core.serving.segments import NO_SPEECH
from core.serving.timeline import Window
from core.work.turns import turns


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load()


@pytest.fixture
def token(tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with writing() as connection:
        session = open_session("admin", connection)
    yield session
    close_database()


@pytest.fixture
def key(token) -> str:
    return make_key(token, "a robot", per_minute=60, per_day=100)


class Api:
    """What a program sees of a server."""

    def __init__(self, address: str, key: str | None = None) -> None:
        self._address, self._headers = address + PATH, {"Authorization": f"Bearer {key}"} if key else {}

    def get(self, path: str) -> requests.Response:
        """Ask for a path below the interface's; requests resolves two dots."""
        return requests.get(self._address + path, headers=self._headers, timeout=60)

    def post(self, path: str, sound: bytes | None = None, content_type: str = "", **more) -> requests.Response:
        headers = self._headers | ({"Content-Type": content_type} if content_type else {})
        return requests.post(self._address + path, sound, headers=headers, timeout=60, **more)


@pytest.fixture
def server(predictor):
    """The address of a server with the interface alone."""
    slots = LiveSlots(1)
    app = Starlette(routes=list(routes(lambda name: Predictor.load(name) if name else predictor, lambda: slots)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


@pytest.fixture
def api(server, key) -> Api:
    return Api(server, key)


@pytest.fixture
def sample() -> bytes:
    return list_samples()[0].path.read_bytes()


def is_problem(response, status: int, words: str) -> bool:
    content = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert content["status"] == response.status_code == status
    assert words in content["detail"]
    return True


def test_a_sound_is_answered_to_the_last_digit(api, predictor, sample):
    response = api.post("/predict", sample)
    assert response.status_code == 200
    assert response.json() == json.loads(prediction_json("", predictor.predict_file(sample)))


def test_the_files_of_a_form_are_answered_in_their_order(api, predictor, sample):
    files = [("a", ("b.ogg", sample)), ("b", ("<b>.wav", b"no sound")), ("c", ("c.ogg", sample))]
    answers = api.post("/predict", files=files).json()
    assert [answer["file"] for answer in answers] == ["b.ogg", "<b>.wav", "c.ogg"]
    assert "not a sound" in answers[1]["error"]
    assert answers[2] == json.loads(prediction_json("c.ogg", predictor.predict_file(sample)))


def test_a_timeline_tells_segments_and_windows(api, sample):
    told = api.post("/timeline", sample).json()
    assert told["segments"][0]["start"] == 0
    assert told["windows"][-1]["end"] == pytest.approx(told["segments"][-1]["end"])
    assert sum(told["share_of_time"].values()) == pytest.approx(1)


def test_models_are_listed_with_the_one_in_use_first(api, predictor):
    first, *others = api.get("/models").json()
    assert (first["name"], first["in_use"]) == (predictor.model.name, True)
    assert 0 < first["unweighted_average_recall"]["mean"] < 1
    assert others
    assert not any(model["in_use"] for model in others)


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        (lambda api: api.post("/predict", b"no sound"), 422, "not a sound"),
        (lambda api: api.post("/predict", b""), 422, "empty"),
        (lambda api: api.post("/predict?modle=x", b"x"), 400, "no parameter 'modle'"),
        (lambda api: api.post("/predict?model=voice-00000000", b"x"), 404, "no model"),
        (lambda api: api.post("/predict", files=[("a", (None, "text"))]), 400, "holds no file"),
        (lambda api: api.post("/predict", files=[("a", "")] * 21), 400, "Too many files"),
        (lambda api: api.post("/timeline", files=[("a", "")] * 2), 400, "Too many files"),
        (lambda api: api.get("/predict"), 405, "Method Not Allowed"),
        (lambda api: api.get("/nowhere"), 404, "Not Found"),
        (lambda api: api.get("/../v2/predict"), 404, "Not Found"),
        (lambda api: api.get("/.."), 404, "Not Found"),
        (lambda api: api.post("/timeline", b"no sound"), 422, "not a sound"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_with_a_sentence(api, call, status, words):
    assert is_problem(call(api), status, words)
    assert str(status) in PROBLEMS


FIELD = b'--x\r\nContent-Disposition: form-data; name="f\xff-"\r\n\r\na-b\r\n--x--\r\n'


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "undefined", "zlib", "PUNYCODE", "none-such"])
def test_a_form_is_read_in_a_plain_charset_alone(api, charset):
    response = api.post("/predict", FIELD, f"multipart/form-data; boundary=x; charset={charset}")
    assert is_problem(response, 415, "UTF-8 or Latin-1")
    assert "415" in PROBLEMS


@pytest.mark.parametrize("parameter", ["", "; charset=UTF-8", "; charset=iso-8859-1"])
def test_names_of_fields_may_hold_any_bytes(api, parameter):
    response = api.post("/predict", FIELD, f"multipart/form-data; boundary=x{parameter}")
    assert is_problem(response, 400, "holds no file")


def test_a_sound_of_exactly_the_limit_passes_and_one_byte_more_does_not(api):
    limit = DecodeLimits().max_bytes
    assert is_problem(api.post("/predict", bytes(limit)), 422, "not a sound")
    assert is_problem(api.post("/predict", bytes(limit + 1)), 413, "25 MiB at most")
    assert is_problem(api.post("/predict", files=[("a", bytes(limit + 1))]), 413, "25 MiB at most")


def test_without_a_key_nothing_is_answered_and_nothing_read(server, key):
    stranger = Api(server)
    for path in ("predict", "timeline"):
        response = stranger.post(f"/{path}", bytes(DecodeLimits().max_bytes + 1))
        assert is_problem(response, 401, "Send a key")
        assert response.headers["www-authenticate"] == "Bearer"
    assert is_problem(Api(server, "soundweb_guess").get("/models"), 401, "unknown, or was revoked")


def test_a_key_is_refused_from_the_moment_it_is_revoked(api, token, sample):
    assert api.post("/predict", sample).status_code == 200
    revoke_key(token, list_keys(token)[0].id)
    assert is_problem(api.post("/predict", sample), 401, "was revoked")


def test_over_its_limit_a_key_is_told_when_to_come_back(server, token, sample):
    key = make_key(token, "slow", per_minute=1, per_day=1)
    api = Api(server, key)
    assert api.post("/predict", sample).status_code == 200
    response = api.post("/predict", sample)
    assert is_problem(response, 429, "1 sounds answered")
    assert int(response.headers["retry-after"]) > 0
    assert api.get("/models").status_code == 200


def test_over_its_limit_nothing_that_a_key_sends_is_read(server, token, sample):
    api = Api(server, make_key(token, "slow", per_minute=1, per_day=1))
    assert api.post("/predict", sample).status_code == 200
    assert is_problem(api.post("/predict", bytes(DecodeLimits().max_bytes + 1)), 429, "Try again")


def test_a_form_that_a_key_may_never_send_is_not_to_be_sent_again(server, token, sample):
    api = Api(server, make_key(token, "slow", per_minute=1, per_day=9))
    response = api.post("/predict", files=[("a", sample), ("b", sample)])
    assert is_problem(response, 429, "Send fewer at once")
    assert "retry-after" not in response.headers


def test_what_lies_at_the_server_has_bounds(api, monkeypatch, sample):
    limits = UploadLimits(in_all=2**30, per_session=len(sample))
    monkeypatch.setattr(UploadLimits, "read", classmethod(lambda _: limits))
    assert api.post("/predict", sample).status_code == 200
    assert is_problem(api.post("/predict", sample + b"x"), 503, "more at once")
    assert is_problem(api.post("/predict", files=[("a", sample)]), 413, "A form may have")
    limits = UploadLimits(in_all=len(sample) - 1, per_session=2**30)
    assert is_problem(api.post("/predict", sample), 503, "as much as it can hold")


def test_a_busy_server_says_so(api, monkeypatch, sample):
    monkeypatch.setattr(turns, "places", 0)
    monkeypatch.setattr(turns, "most_waiting", 0)
    response = api.post("/predict", sample)
    assert is_problem(response, 503, "waiting for their turn")
    assert response.headers["retry-after"]


def test_an_error_that_nobody_expected_is_a_number_that_stands_in_the_log(api, monkeypatch, caplog, sample):
    def fail(*_: object) -> str:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(module, "prediction_json", fail)
    response = api.post("/predict", sample)
    assert is_problem(response, 500, "went wrong")
    assert "secret" not in response.text
    assert response.json()["number"] in caplog.text


def test_the_description_names_every_route_and_needs_no_key(server):
    description = Api(server).get("/openapi.json").json()
    assert set(description["paths"]) == {"/predict", "/timeline", "/models"}
    page = Api(server).get("/").text
    assert "http" not in page.replace("http-equiv", "")
    for path in description["paths"]:
        assert path in page


def test_the_description_holds_for_answers(api, sample):
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    answer = api.post("/predict", sample).json()
    assert set(answer) | {"error"} == set(schemas["Answer"]["properties"])
    assert set(answer["pieces"][0]) == set(schemas["Piece"]["properties"])
    assert set(api.get("/models").json()[0]) | {"error"} == set(schemas["Model"]["properties"])
    assert set(api.post("/timeline", sample).json()) == set(schemas["Timeline"]["properties"])


def test_a_client_asks_everything(server, key, predictor, sample, tmp_path):
    (tmp_path / "a.ogg").write_bytes(sample)
    (tmp_path / "b.wav").write_bytes(b"no sound")
    with Client(server, key) as client:
        expected = json.loads(prediction_json("", predictor.predict_file(sample)))
        assert client.predict(sample) == client.predict(tmp_path / "a.ogg") == expected
        assert "error" in client.predict_files([tmp_path / "a.ogg", tmp_path / "b.wav"])[1]
        assert client.timeline(sample)["model"] == predictor.model.name
        assert client.models()[0]["name"] == predictor.model.name
        with pytest.raises(ProblemError, match="not a sound") as refused:
            client.predict(b"no sound")
        assert refused.value.status == 422
    with Client(server, "soundweb_guess") as stranger, pytest.raises(ProblemError, match="was revoked"):
        stranger.models()


def speech_chunks(rate: int = SAMPLE_RATE, size: int = 4_411):
    samples = to_int16(decode(list_synthesized()[0].path).y).tobytes()
    for k in range(0, len(samples), size):  # odd: a sample can stand on both sides of a cut
        yield samples[k : k + size]
        time.sleep(0.02)


def test_a_stream_is_answered_while_it_comes(server, key):
    windows = []
    with Client(server, key) as client, contextlib.closing(client.live(speech_chunks(), rate=SAMPLE_RATE)) as stream:
        for window in stream:
            windows.append(window)
            if window["emotion"] is not None:
                break
    assert windows[0]["start"] == 0
    assert np.isclose(sum(windows[-1]["probabilities"].values()), 1)
    assert windows[-1]["level"] < 0


def test_a_stream_ends_when_no_more_sound_will_come(server, key):
    second = bytes(2 * SAMPLE_RATE)
    with Client(server, key) as client:
        windows = list(client.live([second] * 4, rate=SAMPLE_RATE))
    assert {window["label"] for window in windows} == {NO_SPEECH}


def live(server: str, key: str):
    address = f"ws{server.removeprefix('http')}{PATH}/live"
    return connect(address, additional_headers={"Authorization": f"Bearer {key}"})


def test_what_comes_behind_the_end_of_a_stream_closes_it_with_a_reason(server, key):
    with live(server, key) as stream:
        for message in (bytes(2 * SAMPLE_RATE), b"", b"\0\0"):
            stream.send(message)
        with pytest.raises(ConnectionClosedError) as closed:
            list(stream)
    assert closed.value.rcvd.code == 1003
    assert "empty message" in closed.value.rcvd.reason


class Told:
    """A worker that tells many windows at once, and ends soon."""

    def __init__(self, predictor, *, take_duration, tell) -> None:
        del predictor, take_duration
        self._tell, self._end = tell, float("inf")

    @property
    def is_running(self) -> bool:
        return time.monotonic() < self._end

    def push_frame(self, _) -> None:
        for k in range(40):
            self._tell(Window(k, k, k + 1, None, -20.0, None))
        self._end = time.monotonic() + 0.3

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


def test_a_stream_is_not_closed_before_its_last_window_is_sent(server, key, monkeypatch):
    send_text = WebSocket.send_text

    async def send_slowly(socket: WebSocket, text: str) -> None:
        await asyncio.sleep(0.04)
        await send_text(socket, text)

    monkeypatch.setattr(live_module, "LiveWorker", Told)
    monkeypatch.setattr(WebSocket, "send_text", send_slowly)
    with live(server, key) as stream:
        stream.send(bytes(100))
        stream.send(b"")
        assert len(list(stream)) == 40


def test_a_program_that_goes_behind_its_last_sound_frees_the_place_and_leaves_no_error(server, key, caplog):
    with Client(server, key) as client:
        for _ in range(2):  # there is one place
            stream = client.live([bytes(2 * SAMPLE_RATE)], rate=SAMPLE_RATE)
            next(stream)
            time.sleep(0.5)
            stream.close()
            time.sleep(1)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("chosen", "rate", "chunks", "words"),
    [
        ("soundweb_guess", 16_000, [b"\0\0"], "was revoked"),
        (None, 12, [b"\0\0"], "not '12'"),
        (None, "²", [b"\0\0"], "not '²'"),
        (None, "1" * 5_000, [b"\0\0"], "not '1"),
        (None, 16_000, ["no samples"], "Send samples"),
        (None, 16_000, [bytes(2**20 + 2)], "at most"),
    ],
)
def test_a_stream_that_cannot_be_served_is_closed_with_a_reason(server, key, chosen, rate, chunks, words):
    with Client(server, chosen or key) as client, pytest.raises(ProblemError, match=words):
        list(client.live(chunks, rate=rate))


def test_a_stream_ends_with_its_key(server, key, token, monkeypatch):
    monkeypatch.setattr(live_module, "KEY_INTERVAL", 6.0)

    def silence():
        yield bytes(2 * SAMPLE_RATE)
        revoke_key(token, list_keys(token)[0].id)
        time.sleep(5)

    with Client(server, key) as client, pytest.raises(ProblemError, match="was revoked"):
        list(client.live(silence(), rate=SAMPLE_RATE))


def test_streams_have_no_more_places_than_the_server(server, key):
    with Client(server, key) as client:
        first = client.live(speech_chunks(), rate=SAMPLE_RATE)
        next(first)
        with pytest.raises(ProblemError, match="1 people are speaking"):
            list(client.live([b"\0\0"], rate=16_000))
        first.close()
