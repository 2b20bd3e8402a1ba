"""The shipped model in the real app, driven in Chromium: the way of a user."""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import librosa
import numpy as np
import pandas as pd
import psutil
import pytest
import scipy.signal
import soundfile as sf
from playwright.sync_api import ConsoleMessage, Locator, Page, expect, sync_playwright

from core.audio.decode import decode
from core.config import SAMPLE_RATE
from core.corpus.samples import list_samples, list_synthesized
from core.labels import EMOTIONS
from core.learning.reports.tables import list_cell, select, tabulate_confusion
from core.serving.exports import wav_bytes
from core.serving.predictor import Predictor
from core.serving.registry import Registry
from tests.conftest import ROOT, require

pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
RECORDED_CLIP = "03-01-05-02-01-01-05"
TIMEOUT = 60_000
FOREIGN_ICON = "https://fonts.gstatic.com/s/i/"
"""Streamlit's script asks there for the icon of a page's tab, and must not get through."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(*command: str | Path, address: str, cwd: Path = ROOT, **environment: str) -> Iterator[None]:
    """Start a server in a process of its own, wait until it answers, and end it."""
    process = subprocess.Popen(command, cwd=cwd, env=os.environ | environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(address) as answer:  # noqa: S310
                    if answer.status == 200:
                        break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def running_app(environment: dict[str, str] | None = None, *options: str, port: int | None = None) -> Iterator[str]:
    """Start the app and return its address."""
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"
    own = ("--server.port", str(port), "--server.headless", "true", "--server.address", "127.0.0.1")
    command = (sys.executable, "-m", "streamlit", "run", "soundwebapp.py", *own, *options)
    with running_server(*command, address=f"{address}/_stcore/health", **(environment or {})):
        yield address


@pytest.fixture(scope="module")
def app() -> Iterator[str]:
    with running_app() as address:
        yield address


@pytest.fixture
def browse() -> Iterator[Callable[..., Page]]:
    """Open pages in Chromium; its microphone plays a file. Nothing may need what the server's headers forbid."""
    require(CHROMIUM, "Chromium is not installed")
    with sync_playwright() as playwright:
        browsers, refused = [], []

        def note(message: ConsoleMessage) -> None:
            if "Content Security Policy" in message.text and FOREIGN_ICON not in message.text:
                refused.append(message.text)

        def start(url: str, microphone: Path | None = None, width: int = 1280) -> Page:
            fake = f"--use-file-for-fake-audio-capture={microphone}%noloop"
            options = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", fake]
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=["--no-sandbox", "--disable-background-networking", *(options if microphone else [])],
            )
            browsers.append(browser)
            context = browser.new_context(permissions=["microphone"], viewport={"width": width, "height": 900})
            page = context.new_page()
            page.set_default_timeout(TIMEOUT)
            page.on("console", note)
            page.goto(url)
            return page

        start.refused = refused  # of tests that provoke refusals
        yield start
        for browser in browsers:
            browser.close()
    assert refused == []


@pytest.fixture(scope="module")
def recorded(ravdess: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of the corpus as the WAV that Chromium's microphone plays."""
    y, sr = librosa.load(next(ravdess.rglob(f"{RECORDED_CLIP}.*")), sr=None)
    path = tmp_path_factory.mktemp("microphone") / f"{RECORDED_CLIP}.wav"
    sf.write(path, np.atleast_1d(y), int(sr))
    return path


def ask_script(path: Path) -> dict[str, object]:
    command = [sys.executable, "testscript.py", str(path), "--json"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def upload(page: Page, *paths: Path) -> None:
    page.locator("input[type=file]").set_input_files([str(path) for path in paths])


def answer_heading(page: Page, answer: dict[str, object]):
    """The heading of the model's own answer; that of models that never heard the speaker stands above."""
    return (
        page.get_by_role("heading")
        .filter(has_text=str(answer["emotion"]).capitalize())
        .or_(page.get_by_role("heading").filter(has_text=f"perhaps {answer['emotion']}"))
        .last
    )


def test_upload_is_answered_with_the_digits_of_the_script(app, browse, recorded):
    answer = ask_script(recorded)
    page = browse(app)
    upload(page, recorded)
    expect(answer_heading(page, answer)).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text(f"{float(answer['confidence']):.1%} confident")).to_be_visible()


def test_an_upload_outlives_a_reload_in_its_tab_alone(app, browse):
    sample = list_synthesized()[0].path
    page = browse(app)
    upload(page, sample)
    expect(page.get_by_text("Probability of each emotion")).to_be_visible(timeout=TIMEOUT)
    page.reload()
    expect(page.get_by_text(f"Still here: {sample.name}")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("Probability of each emotion")).to_be_visible(timeout=TIMEOUT)
    other = page.context.new_page()
    other.goto(app)
    expect(other.get_by_text("No sound yet")).to_be_visible(timeout=TIMEOUT)
    acted = next(sample for sample in list_samples() if sample.is_real)
    page.goto(f"{app}/?sample={quote(acted.title)}")  # what an address names goes before what was here
    expect(page.get_by_text("by models that never heard this speaker")).to_be_visible(timeout=TIMEOUT)
    page.wait_for_timeout(2_000)
    expect(page.get_by_text("by models that never heard this speaker")).to_be_visible()
    page.get_by_text("Upload", exact=True).click()
    expect(page.get_by_text(f"Still here: {sample.name}")).to_be_visible(timeout=TIMEOUT)
    press(page, "Remove")
    expect(page.get_by_text("No sound yet")).to_be_visible(timeout=TIMEOUT)
    page.reload()
    expect(page.get_by_text("No sound yet")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("Still here")).to_have_count(0)


def test_recording_is_answered_with_the_emotion_of_the_script(app, browse, recorded):
    page = browse(app, microphone=recorded)
    page.get_by_text("Record", exact=True).click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(4_000)
    page.get_by_role("button", name="Stop recording").click()
    expect(answer_heading(page, ask_script(recorded))).to_be_visible(timeout=TIMEOUT)


def test_two_users_at_once_get_their_own_answers(app, browse):
    samples = [sample.path for sample in list_synthesized()]
    answers = [ask_script(path) for path in samples[:2]]
    assert answers[0]["confidence"] != answers[1]["confidence"]
    pages = [browse(app), browse(app)]
    for page, path in zip(pages, samples, strict=False):
        upload(page, path)
    for page, answer in zip(pages, answers, strict=True):
        expect(page.get_by_text(f"{float(answer['confidence']):.1%} confident")).to_be_visible(timeout=TIMEOUT)
        expect(answer_heading(page, answer)).to_be_visible()


def test_bad_file_is_refused_with_a_sentence(app, browse, tmp_path):
    path = tmp_path / "notes.wav"
    path.write_text("no sound")
    page = browse(app)
    upload(page, path)
    expect(page.get_by_text("not a sound that can be read")).to_be_visible(timeout=TIMEOUT)
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(
        {"name": "note.txt", "mimeType": "text/plain", "buffer": b"a"}
    )
    why = page.get_by_text("text/plain files are not allowed")
    expect(why).to_be_visible(timeout=TIMEOUT)
    box = why.bounding_box()
    assert box is not None
    assert box["height"] > 10
    assert box["width"] > 100


def test_deep_links_into_a_fresh_server_show_the_whole_frame(browse):
    """The first two requests come at once; neither may find a page without navigation."""
    with running_app() as address:
        pages = [browse(f"{address}/predict"), browse(f"{address}/features")]
        for page, sentence in zip(pages, ("The answer appears here", "Here appear its pitch"), strict=True):
            expect(page.get_by_text(sentence)).to_be_visible(timeout=TIMEOUT)
            expect(page.get_by_text("Model in use")).to_be_visible()


def test_a_shared_sound_goes_along_to_other_pages(app, browse):
    """Nobody has clicked a way to it: what the address alone has chosen stays chosen."""
    sample = list_synthesized()[1]
    for link, sign in (("Why this answer", "What the model reads of this sound"), ("Features", "F0: the pitch")):
        page = browse(f"{app}/?{urlencode({'sample': sample.title})}")
        expect(page.get_by_text("confident", exact=False).first).to_be_visible(timeout=TIMEOUT)
        page.get_by_role("link", name=link, exact=True).click()
        expect(page.get_by_text(sign)).to_be_visible(timeout=TIMEOUT)
        expect(page.get_by_role("radio", name="Samples")).to_be_checked()
        expect(page.get_by_role("slider", name=f"Position in {sample.path.name}")).to_be_visible(timeout=TIMEOUT)


def test_features_of_an_upload_are_drawn_tab_by_tab(app, browse):
    page = browse(f"{app}/features")
    upload(page, list_synthesized()[0].path)
    expect(page.get_by_text("F0: the pitch")).to_be_visible(timeout=TIMEOUT)
    assert page.get_by_text("Delta-delta MFCC").count() == 0
    page.get_by_role("tab", name="MFCC").click()
    expect(page.get_by_text("Delta-delta MFCC")).to_be_visible(timeout=TIMEOUT)
    page.get_by_role("tab", name="Model").click()
    expect(page.get_by_text("What the model reads of this sound")).to_be_visible(timeout=TIMEOUT)
    assert "features-tab=Model" in page.url


def test_phone_width_needs_no_sideways_scrolling(app, browse):
    page = browse(app, width=390)
    upload(page, list_synthesized()[0].path)
    expect(page.get_by_text("confident", exact=False).first).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("Probability of each emotion")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def click_cell(page: Page, true: str, answered: str, counts: pd.DataFrame) -> None:
    plot = page.locator(".st-key-metrics-matrix .nsewdrag")
    expect(plot).to_be_visible(timeout=TIMEOUT)
    box = plot.bounding_box()
    assert box is not None
    column, row = counts.columns.get_loc(answered), counts.index.get_loc(true)
    x = box["x"] + box["width"] * (column + 0.5) / counts.shape[1]
    page.mouse.click(x, box["y"] + box["height"] * (row + 0.5) / counts.shape[0])


def test_a_click_on_a_confusion_lists_exactly_its_clips(app, browse):
    rows = select(Registry().load().predictions(), "speaker-emobox", "speech", seed=0)
    counts = tabulate_confusion(rows)
    few = counts.stack()
    true, answered = few[(few > 1) & (few < 7)].index[0]
    page = browse(f"{app}/metrics?metrics-seed=0", width=2000)  # all columns of the list are in sight
    expect(page.locator(".st-key-metrics-matrix .nsewdrag")).to_be_visible(timeout=TIMEOUT)
    start = page.evaluate("history.length")
    click_cell(page, true, answered, counts)
    expect(page.get_by_text(f"{true} taken for {answered}")).to_be_visible(timeout=TIMEOUT)
    cells = list_cell(rows, true, answered)
    table = page.locator("canvas table").first  # what the canvas tells screen readers
    expect(table.get_by_text(cells["clip"].iloc[0])).to_be_attached()
    listed = [text for text in table.locator("td").all_text_contents() if text.startswith("03-")]
    assert listed == cells["clip"].tolist()
    assert f"metrics-cell={true}+as+{answered}" in page.url.replace("%20", "+")
    assert page.evaluate("history.length") == start + 1
    page.go_back()
    expect(page.get_by_text(f"{true} taken for {answered}")).to_be_hidden(timeout=TIMEOUT)
    assert "metrics-cell" not in page.url


def test_a_linked_confusion_plays_from_the_corpus(app, browse, ravdess):
    page = browse(f"{app}/metrics?metrics-cell=sad as sad&metrics-tab=Calibration")
    expect(page.get_by_text("sad recognised as sad")).to_be_visible(timeout=TIMEOUT)
    assert float(player_of(page).get_attribute("aria-valuemax") or "nan") > 1
    expect(page.get_by_text("Fewer answers, fewer wrong")).to_be_visible(timeout=TIMEOUT)


def test_metrics_at_phone_width_need_no_sideways_scrolling(app, browse):
    page = browse(f"{app}/metrics", width=390)
    expect(page.get_by_text("Which emotion is taken for which")).to_be_visible(timeout=TIMEOUT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_bar_sets_the_filter_and_the_link(browse, generated, tmp_path):
    with running_app({"RAVDESS_ROOT": str(generated), "SOUNDWEB_DATA": str(tmp_path)}) as address:
        page = browse(f"{address}/dataset")
        page.get_by_text("How many clips of what").click()
        bars = page.locator("[class*=st-key-dataset-bars-emotion]").locator(".bars .point path")
        expect(bars).to_have_count(8, timeout=TIMEOUT)
        bars.nth(EMOTIONS.index("sad")).scroll_into_view_if_needed()
        page.wait_for_timeout(1_000)
        box = bars.nth(EMOTIONS.index("sad")).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page).to_have_url(f"{address}/dataset?emotion=sad", timeout=TIMEOUT)


def write_talk(path: Path, voices: list[np.ndarray]) -> Path:
    """Write voices at 48 kHz with pauses between them as the WAV that Chromium's microphone plays once."""
    parts = [np.zeros(4 * 48_000)]
    for y in voices:
        parts += [y, np.zeros(2 * 48_000)]
    sf.write(path, np.concatenate(parts), 48_000)
    return path


@pytest.fixture(scope="module")
def voices(ravdess: Path) -> list[np.ndarray]:
    """Two clips of the corpus at 48 kHz, without the silence around them."""
    paths = [next(ravdess.rglob(f"{clip}.*")) for clip in (RECORDED_CLIP, "03-01-04-02-01-01-16")]
    return [librosa.effects.trim(librosa.load(path, sr=48_000)[0], top_db=40)[0] for path in paths]


@pytest.fixture(scope="module")
def spoken(voices: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talk(tmp_path_factory.mktemp("microphone") / "spoken.wav", voices)


def start_live(page: Page) -> None:
    page.frame_locator("iframe[title*='webrtc']").get_by_role("button", name="Start").click()
    expect(page.get_by_text("Input level")).to_be_visible(timeout=TIMEOUT)


def stop_live(page: Page) -> tuple[np.ndarray, dict[str, Any]]:
    """Stop, and return the take and its report."""
    page.frame_locator("iframe[title*='webrtc']").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="The take")).to_be_visible(timeout=TIMEOUT)
    take, samplerate = sf.read(io.BytesIO(download(page, "WAV")), dtype="int16")
    assert samplerate == SAMPLE_RATE
    return take, json.loads(download(page, "JSON"))


def download(page: Page, name: str) -> bytes:
    with page.expect_download() as started:
        page.get_by_role("button", name=name, exact=True).click()
    return Path(started.value.path()).read_bytes()


def assert_answers_are_those_offline(take: np.ndarray, report: dict[str, Any]) -> None:
    predictor = Predictor.load()
    answered = [window for window in report["windows"] if window["angry"] is not None]
    assert answered
    for window in answered:
        offline = predictor.predict(decode(wav_bytes(take[window["first_sample"] : window["last_sample"]])))
        assert {emotion: window[emotion] for emotion in EMOTIONS} == offline.probabilities


def likeness(take: np.ndarray, voice: np.ndarray) -> float:
    """Return the highest correlation of a voice at 48 kHz with an equally long stretch of a take."""
    voice = librosa.resample(voice, orig_sr=48_000, target_sr=SAMPLE_RATE)
    y = take.astype(float)
    energy = np.convolve(y**2, np.ones(len(voice)), "valid").max()
    return float(np.abs(scipy.signal.correlate(y, voice, "valid")).max() / np.sqrt(energy * np.sum(voice**2)))


def test_live_follows_a_voice_and_every_answer_is_that_of_the_take_offline(app, browse, spoken):
    page = browse(f"{app}/live", microphone=spoken)
    start_live(page)
    expect(page.get_by_role("heading", name="No speech")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("confident")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_role("heading", name="No speech")).to_be_visible(timeout=TIMEOUT)
    page.wait_for_timeout(5_000)
    take, report = stop_live(page)
    assert report["share_of_time"]["no speech"] > 0.2
    assert_answers_are_those_offline(take, report)
    for window in report["windows"]:
        told = take[int(max(window["end"] - 0.6, 0) * SAMPLE_RATE) : window["last_sample"]]
        assert np.abs(told).max() > 100 or window["label"] == "no speech"


def test_two_live_browsers_at_once_keep_apart(app, browse, voices, tmp_path):
    paths = [write_talk(tmp_path / f"{k}.wav", [voice]) for k, voice in enumerate(voices)]
    pages = [browse(f"{app}/live", microphone=path) for path in paths]
    for page in pages:
        start_live(page)
    # Each microphone plays once, from when its page was started: what it said may be over when the other one is.
    pages[0].wait_for_timeout(20_000)
    for k, page in enumerate(pages):
        take, report = stop_live(page)
        assert likeness(take, voices[k]) > 0.8
        assert likeness(take, voices[1 - k]) < 0.4
        assert_answers_are_those_offline(take, report)


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        ("Object.defineProperty(window, 'isSecureContext', {value: false})", "Open this page by https"),
        ("devices.enumerateDevices = async () => []", "No microphone was found"),
        ("navigator.permissions.query = async () => ({state: 'denied'})", "The microphone is not allowed"),
    ],
    ids=["insecure", "missing", "denied"],
)
def test_live_says_what_keeps_the_browser_from_a_microphone(app, browse, obstacle, words):
    page = browse(app)
    found = "const devices = navigator.mediaDevices; devices.enumerateDevices = async () => [{kind: 'audioinput'}];"
    page.add_init_script(found + obstacle)
    page.goto(f"{app}/live")
    expect(page.get_by_text(words)).to_be_visible(timeout=TIMEOUT)


@pytest.mark.slow
def test_minutes_of_a_live_stream_leave_no_memory_behind_and_lose_no_sound(browse, voices, tmp_path):
    talk = write_talk(tmp_path / "talk.wav", voices * 30)
    duration = sf.info(talk).duration
    with running_app() as address:
        page = browse(f"{address}/live", microphone=talk)
        start_live(page)
        port = address.rsplit(":", 1)[1]
        (server,) = (child for child in psutil.Process().children() if port in child.cmdline())
        page.wait_for_timeout(60_000)
        before, begin = server.memory_info().rss, sum(server.cpu_times()[:2])
        page.wait_for_timeout((duration - 60) * 1_000)
        assert server.memory_info().rss - before < 40 * 2**20
        assert (sum(server.cpu_times()[:2]) - begin) / (duration - 60) < 0.3
        take, _ = stop_live(page)
    # The fake microphone runs slow on a busy machine: the file is the clock.
    heard = [find(take, voices[0], end) for end in (0.2, 1.0)]
    cycle = sum(len(voice) / 48_000 + 2 for voice in voices)
    drift = (heard[1] - heard[0] + cycle / 2) % cycle - cycle / 2
    assert abs(drift) < 0.2


def find(take: np.ndarray, voice: np.ndarray, share: float) -> float:
    """Return where a voice at 48 kHz is last heard in the first share of a take, in seconds."""
    voice = librosa.resample(voice, orig_sr=48_000, target_sr=SAMPLE_RATE)
    similar = np.abs(scipy.signal.correlate(take[: int(share * len(take))].astype(float), voice, "valid"))
    return float(np.flatnonzero(similar > 0.7 * similar.max())[-1] / SAMPLE_RATE)


def test_leaving_and_reloading_the_live_page_end_the_worker_and_above_the_number_it_is_busy(browse, spoken):
    with running_app({"SOUNDWEB_LIVE_USERS": "1"}) as address:
        speaker = browse(f"{address}/live", microphone=spoken)
        start_live(speaker)
        other = browse(f"{address}/live", microphone=spoken)
        expect(other.get_by_text("places for live streams are taken")).to_be_visible(timeout=TIMEOUT)
        speaker.get_by_role("link", name="Predict").click()
        expect(speaker.get_by_text("No sound yet")).to_be_visible(timeout=TIMEOUT)
        speaker.wait_for_timeout(3_000)
        other.get_by_role("button", name="Try again").click()
        expect(other.get_by_text("Nobody speaks yet")).to_be_visible(timeout=TIMEOUT)
        expect(other.get_by_text("places for live streams are taken")).not_to_be_visible()
        start_live(other)
        third = browse(f"{address}/live", microphone=spoken)
        expect(third.get_by_text("places for live streams are taken")).to_be_visible(timeout=TIMEOUT)
        other.reload()
        third.wait_for_timeout(4_000)
        third.get_by_role("button", name="Try again").click()
        expect(third.get_by_text("Nobody speaks yet")).to_be_visible(timeout=TIMEOUT)


def press(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=False).first.click()


@pytest.fixture
def few_clips(ravdess: Path, tmp_path: Path) -> Path:
    """A part of the corpus: the speech of three actors, enough for a short training."""
    folder = tmp_path / "few clips"
    folder.mkdir()
    for path in ravdess.rglob("03-01-*-0[1-3].*"):
        (folder / path.name).symlink_to(path)
    return folder


def test_the_whole_way_of_an_administrator(browse, registry, published, few_clips, tmp_path):
    """The first request is that for the page; it asks for the code, then trains, promotes, predicts and takes back."""
    environment = {
        "SOUNDWEB_DATA": str(tmp_path / "data"),
        "SOUNDWEB_ARTIFACTS": str(registry.root),
        "RAVDESS_ROOT": str(few_clips),
        "SOUNDWEB_ADMIN_HASH": "",
        "DATABASE_URL": "",
    }
    with running_app(environment) as address:
        page = browse(f"{address}/admin")
        expect(page.get_by_text("Set the administrator's password")).to_be_visible(timeout=TIMEOUT)
        assert page.get_by_text("Start a training").count() == 0
        page.get_by_label("Unlock code").fill((tmp_path / "data" / "unlock-code").read_text())
        page.get_by_label("New password, at least").fill("a long enough password")
        page.get_by_label("New password again").fill("a long enough password")
        press(page, "Set password")
        expect(page.get_by_text("Signed in as admin")).to_be_visible(timeout=TIMEOUT)
        for protocol in ("random", "speaker-luna", "speaker-emobox"):
            page.get_by_role("button", name=protocol, exact=True).click()
        page.get_by_label("Epochs").fill("1")
        page.get_by_label("Epochs").press("Enter")
        press(page, "Start training")
        expect(page.get_by_text("Training 1 · reference")).to_be_visible(timeout=TIMEOUT)
        expect(page.get_by_text("of 1 folds")).to_be_visible(timeout=3 * TIMEOUT)
        expect(page.get_by_text("Training 1 · reference")).to_have_count(0, timeout=3 * TIMEOUT)
        (name,) = set(registry.names()) - {published.name}
        page.get_by_role("tab", name="Models").click()
        page.get_by_role("combobox", name="Model").first.click()
        page.get_by_role("option", name=name).click()
        expect(page.get_by_text("was not evaluated on unseen speakers")).to_be_visible(timeout=TIMEOUT)
        page.get_by_label("To put it in use all the same").fill(name)
        page.get_by_label("To put it in use all the same").press("Enter")
        press(page, "Put in use")
        expect(page.get_by_text(f"{name} is in use, from")).to_be_visible(timeout=TIMEOUT)
        assert registry.champion() == name
        page.get_by_role("link", name="Predict").click()
        expect(page.get_by_text("No sound yet")).to_be_visible(timeout=TIMEOUT)
        sample = list_synthesized()[0].path
        upload(page, sample)
        expected = Predictor.load(name, registry=registry).predict(decode(sample))
        expect(page.get_by_text(f"{expected.confidence:.1%} confident")).to_be_visible(timeout=TIMEOUT)
        page.get_by_role("link", name="Admin").click()
        page.get_by_role("tab", name="Models").click()
        press(page, f"Roll back to {published.name}")
        expect(page.get_by_text(f"{published.name} is in use.")).to_be_visible(timeout=TIMEOUT)
        assert registry.champion() == published.name
        press(page, "Sign out")
        expect(page.get_by_label("Password", exact=True)).to_be_visible(timeout=TIMEOUT)
        assert "admin-session" not in page.url


SECRETS = """
admins = ["ada@example.org"]

[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "for this test alone"
client_id = "soundweb"
client_secret = "for this test alone"
server_metadata_url = "{provider}"
"""


def test_an_account_on_the_list_opens_the_admin_page_and_another_does_not(browse, tmp_path):
    port, provider_port = free_port(), free_port()
    provider = f"http://127.0.0.1:{provider_port}/.well-known/openid-configuration"
    users = [{"sub": name, "email": f"{name}@example.org", "email_verified": True} for name in ("ada", "eve")]
    claims = [argument for user in users for argument in ("--user-claims", json.dumps(user))]
    (tmp_path / "secrets.toml").write_text(SECRETS.format(port=port, provider=provider))
    environment = {"SOUNDWEB_DATA": str(tmp_path / "data"), "DATABASE_URL": "", "SOUNDWEB_ADMIN_HASH": ""}
    options = ("--secrets.files", str(tmp_path / "secrets.toml"))
    with (
        running_server(
            sys.executable, "-m", "oidc_provider_mock", "--port", str(provider_port), *claims, address=provider
        ),
        running_app(environment, *options, port=port) as address,
    ):
        for name in ("ada", "eve"):
            page = browse(f"{address}/admin")
            press(page, "Sign in with your account")
            page.get_by_role("button", name=name, exact=True).click()  # at the provider's
            page.get_by_role("link", name="Admin").click()
            expect(page.get_by_text(f"{name}@example.org")).to_be_visible(timeout=TIMEOUT)
            press(page, "Continue with this account")
            if name == "ada":
                expect(page.get_by_text("Signed in as ada@example.org")).to_be_visible(timeout=TIMEOUT)
                press(page, "Sign out")
                page.get_by_role("button", name="End session").click()  # at the provider's
                page.goto(f"{address}/admin")
                expect(page.get_by_role("button", name="Sign in with your account")).to_be_visible(timeout=TIMEOUT)
            else:
                expect(page.get_by_text("not on the list of administrators")).to_be_visible(timeout=TIMEOUT)
                assert page.get_by_text("Start a training").count() == 0


def player_of(page: Page) -> Locator:
    """The player's picture, when its sound is there."""
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_enabled(timeout=TIMEOUT)
    return page.get_by_role("slider", name="Position in")


def position(picture: Locator) -> float:
    return float(picture.get_attribute("aria-valuenow") or "nan")


def place(picture: Locator, share: float) -> tuple[float, float]:
    """Return where a share of the sound's time lies in the picture."""
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    return box["x"] + share * box["width"], box["y"] + 50


def test_the_player_plays_from_a_click_and_by_keys(app, browse):
    page = browse(app)
    upload(page, list_synthesized()[0].path)
    picture = player_of(page)
    length = float(picture.get_attribute("aria-valuemax") or "nan")
    assert length == pytest.approx(decode(list_synthesized()[0].path).duration, abs=0.02)
    page.mouse.click(*place(picture, 0.3))
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden(timeout=TIMEOUT)  # at the end of the sound
    assert position(picture) == pytest.approx(length, abs=0.1)
    page.mouse.click(*place(picture, 0.3))
    picture.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    stopped = position(picture)
    assert 0.25 * length < stopped < length
    picture.press("Home")
    assert position(picture) == 0
    picture.press("ArrowRight")
    assert position(picture) == pytest.approx(0.1, abs=0.02)
    picture.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_a_dragged_stretch_is_answered_by_itself(app, browse):
    page = browse(app)
    sound = list_synthesized()[0].path
    upload(page, sound)
    picture = player_of(page)
    page.mouse.move(*place(picture, 0.1))
    page.mouse.down()
    page.mouse.move(*place(picture, 0.9), steps=10)
    page.mouse.up()
    page.get_by_role("button", name="Analyse this stretch").click()
    expect(page.get_by_text("answered by itself")).to_be_visible(timeout=TIMEOUT)
    part = download(page, "Stretch, WAV")
    length = decode(sound).duration
    assert decode(part).duration == pytest.approx(0.8 * length, abs=0.05)
    expected = Predictor.load().predict(decode(part))
    words = f"perhaps {expected.emotion}" if expected.is_uncertain else expected.emotion.capitalize()
    answer = page.get_by_text("answered by itself").locator("xpath=ancestor::*[contains(@class, '-answer')][1]")
    expect(answer.get_by_text(words)).to_be_visible()
    expect(answer.get_by_text(f"{expected.confidence:.1%} confident")).to_be_visible()
    page.reload()  # it stands in the address, and the sound is kept
    expect(answer.get_by_text(f"{expected.confidence:.1%} confident")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_role("button", name="Play the stretch")).to_be_enabled(timeout=TIMEOUT)
    page.get_by_role("button", name="Let the stretch go").click()
    expect(page.get_by_text("answered by itself")).to_be_hidden(timeout=TIMEOUT)


def test_a_stretch_can_be_chosen_and_analysed_by_keys_alone(app, browse):
    page = browse(app)
    upload(page, list_synthesized()[0].path)
    picture = player_of(page)
    picture.focus()
    for key in ("Home", "[", "End", "]", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_text("answered by itself")).to_be_visible(timeout=TIMEOUT)
    page.keyboard.press("Escape")
    expect(page.get_by_text("answered by itself")).to_be_hidden(timeout=TIMEOUT)
    page.go_back()
    expect(page.get_by_text("answered by itself")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_role("button", name="Let the stretch go")).to_be_visible(timeout=TIMEOUT)
    page.go_back()
    expect(page.get_by_text("answered by itself")).to_be_hidden(timeout=TIMEOUT)
    expect(page.get_by_role("button", name="Let the stretch go")).to_be_hidden(timeout=TIMEOUT)


def test_a_chosen_segment_is_played(app, browse, spoken):
    page = browse(app)
    upload(page, spoken)
    picture = player_of(page)
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    table.click(position={"x": 15, "y": 35 + 35 + 15})  # the second row: the first stretch of voice
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=TIMEOUT)
    assert position(picture) > 3.5  # behind the silence at the beginning
    expect(page.get_by_role("button", name="Pause")).to_be_hidden(timeout=TIMEOUT)
    graph = page.locator(".js-plotly-plot", has=page.get_by_text("Emotion over time")).locator(".nsewdrag").first
    graph.scroll_into_view_if_needed()
    graph.hover()  # the middle of the sound
    graph.click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=TIMEOUT)
    assert position(picture) == pytest.approx(float(picture.get_attribute("aria-valuemax") or "nan") / 2, abs=1.0)


def test_clips_are_seen_at_once_and_back_returns_to_what_was_chosen(browse, generated, tmp_path):
    with running_app({"RAVDESS_ROOT": str(generated), "SOUNDWEB_DATA": str(tmp_path)}) as address:
        page = browse(f"{address}/dataset")
        page.set_viewport_size({"width": 1280, "height": 800})
        table = page.get_by_test_id("stDataFrame").first
        expect(table).to_be_visible(timeout=TIMEOUT)
        player_of(page)
        box = table.bounding_box()
        assert box is not None
        assert box["y"] < 450
        start = page.evaluate("history.length")
        page.get_by_test_id("stTextInputField").fill("sad door")
        page.get_by_test_id("stTextInputField").press("Enter")
        expect(page).to_have_url(f"{address}/dataset?search=sad+door", timeout=TIMEOUT)
        table.click(position={"x": 15, "y": 35 + 2 * 35 + 15})
        expect(page).to_have_url(re.compile(r"search=sad\+door&clip=03-0"), timeout=TIMEOUT)
        chosen = page.url
        assert page.evaluate("history.length") == start + 2
        page.get_by_role("link", name="Open in Features").click()
        expect(page.get_by_text("F0: the pitch")).to_be_visible(timeout=TIMEOUT)
        assert page.evaluate("history.length") == start + 3
        page.go_back()
        expect(page.get_by_text("sad door")).to_be_visible(timeout=TIMEOUT)
        assert page.url == chosen
        expect(page.get_by_test_id("stTextInputField")).to_have_value("sad door")
        page.go_back()
        expect(page).to_have_url(f"{address}/dataset?search=sad+door")
        page.go_back()
        expect(page).to_have_url(f"{address}/dataset")
        expect(page.get_by_test_id("stTextInputField")).to_have_value("", timeout=TIMEOUT)


def test_the_dataset_at_phone_width_needs_no_sideways_scrolling(browse, generated, tmp_path):
    with running_app({"RAVDESS_ROOT": str(generated), "SOUNDWEB_DATA": str(tmp_path)}) as address:
        page = browse(f"{address}/dataset", width=390)
        player_of(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
