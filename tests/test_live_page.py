"""The Live page, the timeline on Predict, and the baseline in the sidebar, without a browser."""

import json
import tomllib
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.audio.decode import decode
from core.config import SAMPLE_RATE
from core.corpus.samples import list_samples, list_synthesized
from core.serving.baseline import enrol
from core.serving.live import LiveSlots, LiveWorker
from core.serving.predictor import Predictor
from core.serving.registry import Registry
from core.serving.segments import NO_SPEECH, find_segments, smooth
from core.serving.timeline import Window, follow
from pages.ui.shared import cache, state
from pages.ui.shared.corpus import plain
from tests.conftest import ROOT, encode
from tests.test_pages import app, texts  # noqa: F401 - a fixture


class Stream:
    """Stands for the browser's stream: what the page asked of it, and whether it plays."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(playing=False, signalling=False)
        self.asked: dict = {}

    def __call__(self, **asked: object) -> "Stream":
        self.asked = asked
        return self


@pytest.fixture
def stream(monkeypatch) -> Stream:
    stream, slots = Stream(), LiveSlots(1)
    monkeypatch.setattr("pages.ui.live.capture.webrtc_streamer", stream)
    monkeypatch.setattr("pages.ui.live.capture.create_audio_sink_track", Mock())
    monkeypatch.setattr(cache, "st_live_slots", lambda: slots)
    monkeypatch.setattr("core.serving.live.STARVED", 60.0)
    return stream


@pytest.fixture
def live(app, stream) -> AppTest:  # noqa: F811
    return app.switch_page("pages/live.py").run()


def test_a_setting_that_cannot_be_used_is_a_sentence(app, monkeypatch):  # noqa: F811
    monkeypatch.setenv("SOUNDWEB_LIVE_USERS", "x")
    cache.st_live_slots.cache_clear()
    page = app.switch_page("pages/live.py").run()
    assert not page.exception
    assert page.error[0].value.startswith("SOUNDWEB_LIVE_USERS is 'x'")


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Silence, a sentence, silence: more than four seconds."""
    voice = decode(list_synthesized()[0].path).y
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    return np.concatenate([pause, voice, pause])


def test_live_says_what_will_happen(live):
    assert not live.exception
    assert "Nobody speaks yet" in texts(live)
    assert "https" in texts(live)


def test_live_without_a_place_says_so(live, monkeypatch):
    monkeypatch.setattr(cache, "st_live_slots", type("Full", (), {"is_full": True, "maximum": 3}))
    live.run()
    assert not live.exception
    assert "(3 of 3)" in live.warning[0].value
    assert "Press Start" not in texts(live)
    assert "Try again" in [button.label for button in live.button]


def test_live_without_a_model_says_so(tmp_path, monkeypatch, stream):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()  # noqa: F811
    app.switch_page("pages/live.py").run()
    assert not app.exception
    assert "No model is in use" in app.error[0].value


def test_a_take_stands_as_a_report_and_can_be_removed(live, published, talk):
    worker = LiveWorker(Predictor(published), take_duration=20.0)
    samples = np.round(talk * 32_767).astype(np.int16)
    worker.start()
    worker.push(samples)
    while not worker.recent:
        worker.join(0.05)
    worker.stop()
    worker.join()
    live.session_state[state.LIVE_TAKE] = worker
    live.run()
    assert not live.exception
    assert "The take" in [element.value for element in live.subheader]
    assert len(live.get("plotly_chart")) == 2
    labels = [button.label for button in live.get("download_button")]
    assert labels == ["WAV", "Segments, CSV", "Windows, CSV", "JSON"]
    next(button for button in live.button if button.label == "Remove the take").click().run()
    assert "Nobody speaks yet" in texts(live)


@pytest.mark.heavy
def test_of_a_take_that_holds_a_recording_of_the_training_the_honest_answer_is_told(live):
    predictor, clip = Predictor.load(registry=Registry(ROOT / "artifacts")), list_samples()[0]
    samples = np.round(decode(clip.path).y * 32_767).astype(np.int16)
    windows = [Window(k * SAMPLE_RATE, 0, (k + 1) * SAMPLE_RATE, None, -20.0, None) for k in range(3)]
    live.session_state[state.LIVE_TAKE] = SimpleNamespace(take=samples, taken=windows, predictor=predictor)
    live.run()
    assert not live.exception
    assert plain(f"that this model was trained on ({clip.path.stem}") in texts(live)


def test_a_long_take_has_an_overview_and_shows_a_stretch(live, published):
    windows = [Window(k * SAMPLE_RATE, 0, (k + 1) * SAMPLE_RATE, None, -20.0, None) for k in range(300)]
    take = np.zeros(300 * SAMPLE_RATE, np.int16)
    live.session_state[state.LIVE_TAKE] = SimpleNamespace(take=take, taken=windows, predictor=Predictor(published))
    live.run()
    assert not live.exception
    stretch = live.select_slider(key=f"{state.TIMELINE_STRETCH}-take")
    assert stretch.options == ["0:00 to 2:00", "2:00 to 4:00", "4:00 to 5:00"]
    assert len(live.get("plotly_chart")) == 3
    stretch.set_value(240.0).run()
    assert not live.exception
    shown = json.loads(live.get("plotly_chart")[1].proto.spec)["layout"]["xaxis"]["range"]
    assert shown == [240.0, 300.0]


def test_long_upload_has_a_timeline_as_core_computes_it(app, published, talk):  # noqa: F811
    data = encode(np.concatenate([talk, talk]), SAMPLE_RATE)
    app.file_uploader(key=state.SOUND.uploads).upload("talk.wav", data).run()
    assert not app.exception
    table = app.dataframe[0].value
    windows = list(follow([decode(data).y], Predictor(published)))
    segments = find_segments(smooth(windows, published.threshold))
    assert table["label"].tolist() == [segment.label for segment in segments]
    assert NO_SPEECH in table["label"].tolist()
    assert not app.slider, "stretches of a file are not smoothed"


def test_short_upload_has_none(app, talk):  # noqa: F811
    data = encode(talk[2 * SAMPLE_RATE : 4 * SAMPLE_RATE], SAMPLE_RATE)
    app.file_uploader(key=state.SOUND.uploads).upload("short.wav", data).run()
    assert not app.exception
    assert not app.subheader


def test_long_sounds_are_followed_when_asked_for(app, talk):  # noqa: F811
    data = encode(np.tile(talk, 11), SAMPLE_RATE)
    app.file_uploader(key=state.SOUND.uploads).upload("long.wav", data).run()
    assert not app.exception
    assert "Follow over time" in [button.label for button in app.button]
    assert not app.dataframe


def test_a_baseline_is_shown_changes_answers_and_goes_by_one_click(app, published, talk):  # noqa: F811
    sentence = talk[2 * SAMPLE_RATE : 4 * SAMPLE_RATE]
    predictor, data = Predictor(published), encode(sentence, SAMPLE_RATE)
    app.file_uploader(key=state.SOUND.uploads).upload("short.wav", data).run()
    before = predictor.predict(decode(data))
    assert f"**{before.confidence:.1%}** confident" in texts(app)
    baseline = enrol([decode(sample.path) for sample in list_synthesized()[:2]], predictor)
    app.session_state[state.BASELINE] = baseline
    app.run()
    after = predictor.predict(decode(data), shift=baseline.shift(predictor, 0.25))
    assert after.confidence != before.confidence
    assert f"**{after.confidence:.1%}** confident" in texts(app)
    assert "Personal baseline active" in texts(app)
    next(button for button in app.button if button.label == "Remove").click().run()
    assert f"**{before.confidence:.1%}** confident" in texts(app)


def test_browsers_are_asked_for_unfiltered_sound_and_no_outside_server(app, stream):  # noqa: F811
    app.switch_page("pages/live.py").run()
    assert not app.exception
    assert set(stream.asked["media_stream_constraints"]["audio"].values()) == {False}
    assert stream.asked["rtc_configuration"] == {"iceServers": []}
    assert stream.asked["mode"].name == "SENDONLY"


def test_stun_and_turn_come_from_the_secrets(app, stream):  # noqa: F811
    server = {"urls": ["turn:turn.example.org:3478"], "username": "name", "credential": "secret"}
    app.secrets["webrtc"] = {"iceServers": [server]}
    app.switch_page("pages/live.py").run()
    assert not app.exception
    assert stream.asked["rtc_configuration"] == {"iceServers": [server]}


def test_browsers_can_be_held_to_turn_alone(app, stream):  # noqa: F811
    app.secrets["webrtc"] = {"relayOnly": True, "iceServers": [{"urls": "turns:turn.example.org:5349"}]}
    app.switch_page("pages/live.py").run()
    assert stream.asked["rtc_configuration"]["iceTransportPolicy"] == "relay"


@pytest.mark.parametrize(
    "section",
    [
        "turn:turn.example.org",
        {"iceServers": "turn:turn.example.org"},
        {"iceServers": [{"url": "turn:turn.example.org"}]},
        {"iceServers": [{"urls": []}]},
        {"iceServers": [{"urls": ["https://turn.example.org"]}]},
    ],
)
def test_unusable_secrets_are_named(app, stream, section):  # noqa: F811
    app.secrets["webrtc"] = section
    app.switch_page("pages/live.py").run()
    assert not app.exception
    assert "[[webrtc.iceServers]]" in app.error[0].value


def test_the_example_of_secrets_is_one(app, stream):  # noqa: F811
    lines = (ROOT / ".streamlit/secrets.toml.example").read_text().splitlines()
    settings = [line.removeprefix("# ") for line in lines if line.startswith(("# [", "# urls", "# user", "# cred"))]
    app.secrets["webrtc"] = tomllib.loads("\n".join(settings))["webrtc"]
    app.switch_page("pages/live.py").run()
    assert not app.error
    assert len(stream.asked["rtc_configuration"]["iceServers"]) == 2


@pytest.mark.parametrize(("found", "words"), [("insecure", "https"), ("denied", "not allowed"), ("missing", "Connect")])
def test_what_keeps_the_browser_from_a_microphone_is_said(app, stream, monkeypatch, found, words):  # noqa: F811
    monkeypatch.setattr("pages.ui.live.access.watch", lambda **_: SimpleNamespace(access=found))
    app.switch_page("pages/live.py").run()
    assert not app.exception
    assert words in app.warning[0].value
    assert bool(stream.asked) == (found != "insecure")


def test_start_begins_a_worker_and_stop_ends_it_with_a_report(app, stream, talk):  # noqa: F811
    stream.state.playing = True
    app.switch_page("pages/live.py").run()
    assert not app.exception
    worker = app.session_state[state.LIVE_INTAKE].worker
    assert worker.is_running
    assert "Listening" in texts(app)
    worker.push(np.round(talk * 32_767).astype(np.int16))
    while not worker.recent:
        worker.join(0.05)
    app.run()
    assert "No speech" in texts(app)
    stream.state.playing = False
    app.run()
    assert not app.exception
    assert not worker.is_running
    assert "The take" in [element.value for element in app.subheader]


def test_a_second_visitor_is_told_that_it_is_busy(app, stream):  # noqa: F811
    stream.state.playing = True
    app.switch_page("pages/live.py").run()
    other = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()
    other.switch_page("pages/live.py").run()
    assert "(1 of 1)" in other.warning[0].value
    app.session_state[state.LIVE_INTAKE].end()
    app.session_state[state.LIVE_INTAKE].worker.join()
    other.run()
    assert "Listening" in texts(other)
    other.session_state[state.LIVE_INTAKE].end()
