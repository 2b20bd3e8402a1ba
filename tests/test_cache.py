"""What reruns of pages do not repeat: digests of sounds, decoding, checks of models' files."""

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.audio.sound import Sound
from core.serving import registry as registry_module
from core.work.once import Once, Renewed
from core.work.turns import TELL_INTERVAL, turns
from pages.ui.shared import cache, state
from tests.conftest import ROOT, encode, tone
from tests.test_contributions import LIVELY
from tests.test_pages import app, texts  # noqa: F401 - a fixture


@pytest.fixture
def digests(monkeypatch) -> list[bytes]:
    """Everything whose SHA-256 was computed at once."""
    seen, sha256 = [], hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda data=b"", **options: seen.append(data) or sha256(data, **options))
    return seen


@pytest.fixture
def verified(monkeypatch) -> list[str]:
    """The files of models that were verified."""
    seen, verify = [], registry_module.sha256_of_file
    monkeypatch.setattr(registry_module, "sha256_of_file", lambda path: seen.append(path.name) or verify(path))
    return seen


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_an_upload_is_hashed_once_whatever_is_run_again(app, digests, seconds):  # noqa: F811
    data = encode(tone(250, duration=seconds), 48_000)
    app.file_uploader(key=state.SOUND.uploads).upload("tone.wav", data).run()
    for _ in range(3):
        app.run()
    app.switch_page("pages/features.py").run()
    app.run()
    assert not app.exception
    assert app.get("plotly_chart")
    assert digests.count(data) == 1


def test_a_recording_is_hashed_once_and_another_one_is_another_sound(app, digests):  # noqa: F811
    app.segmented_control(key=state.SOUND.source).set_value("Record").run()
    answers = []
    for data in (encode(tone(300), 48_000), encode(tone(150, amplitude=0.01), 48_000)):
        app.audio_input(key=state.SOUND.recording).upload("x.wav", data).run()
        app.run()
        answers.append(next(text for text in texts(app).splitlines() if "dBFS" in text))
        assert digests.count(data) == 1
    assert answers[0] != answers[1]


def test_a_digest_is_that_of_the_bytes_and_computed_once(digests, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"sound")
    sound = Sound.read(tmp_path / "a.wav")
    assert (sound.name, sound.data) == ("a.wav", b"sound")
    assert digests == []
    assert {sound.sha256 for _ in range(3)} == {hashlib.sha256(b"sound").hexdigest()}
    assert len(digests) == 2


def test_runs_share_one_waveform_and_one_analysis_that_cannot_be_changed():
    def script(sound):
        import streamlit as st

        from pages.ui.shared import cache

        seen = st.session_state.setdefault("seen", [])
        seen.append((cache.waveform(sound), cache.analysis(sound, 0.0)))

    sound = Sound("tone.wav", encode(tone(250), 48_000))
    test = AppTest.from_function(script, args=(sound,), default_timeout=60).run().run()
    assert not test.exception
    first, second = test.session_state["seen"]
    assert first[0] is second[0]
    assert first[1] is second[1]
    for result in first:
        for values in vars(result).values():
            if isinstance(values, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    values[...] = 0


def open_metrics(registry, monkeypatch) -> AppTest:
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(registry.root))
    test = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()
    return test.switch_page("pages/metrics.py").run()


def test_a_model_is_verified_once_and_again_when_its_manifest_changed(registry, monkeypatch, verified):
    test = open_metrics(registry, monkeypatch)
    manifest = registry.root / registry.champion() / "manifest.json"
    content = json.loads(manifest.read_text())
    assert set(verified) == set(content["files"])
    at_first = len(verified)
    for _ in range(3):
        test.run()
    assert len(verified) == at_first
    manifest.write_text(json.dumps(content | {"notes": "changed"}))
    test.run()
    test.run()
    assert not test.exception
    assert len(verified) == 2 * at_first


def test_an_altered_file_is_noticed_while_the_server_runs(registry, monkeypatch):
    test = open_metrics(registry, monkeypatch)
    assert not test.error
    (registry.root / registry.champion() / "predictions.csv").write_text("")
    test.run()
    assert "predictions.csv" in test.error[0].value


def test_a_stamp_is_that_of_a_stored_model(registry):
    stamp = registry.stamp(registry.champion())
    assert "manifest.json:" in stamp
    assert registry.stamp(registry.champion()) == stamp
    assert registry.stamp("reference-00000000") == ""


def eventually(is_so) -> bool:
    end = time.monotonic() + 5
    while not is_so() and time.monotonic() < end:
        time.sleep(0.01)
    return is_so()


def test_what_is_old_is_given_at_once_and_renewed_meanwhile():
    place: Renewed[str] = Renewed(life=0.0)
    go_on = threading.Event()

    def renew() -> str:
        go_on.wait(5)
        return "new"

    assert place.get(lambda: "old", renew) == "old"
    assert place.get(renew, renew) == "old"
    go_on.set()
    assert eventually(lambda: place.get(renew, renew) == "new")


def test_what_cannot_be_renewed_is_computed_by_whoever_asks_next():
    place: Renewed[str] = Renewed(life=0.0)
    place.get(lambda: "old", lambda: "old")
    assert eventually(lambda: place.get(lambda: "computed", lambda: str(1 // 0)) == "computed")


def test_what_was_cut_off_is_computed_anew_and_then_kept():
    place: Once[list] = Once()
    with pytest.raises(ZeroDivisionError):
        place.get(lambda: [1 / 0])
    assert place.result is None
    assert place.get(list) is place.get(lambda: [1])


@contextlib.contextmanager
def all_places_taken(seconds: float) -> Iterator[None]:
    """Let somebody else compute on each place for a while."""
    threads = [threading.Thread(target=compute, args=(seconds,)) for _ in range(turns.places)]
    for thread in threads:
        thread.start()
    while turns.free:
        time.sleep(0.001)
    yield
    for thread in threads:
        thread.join()


def compute(seconds: float) -> None:
    with turns.turn():
        time.sleep(seconds)


def test_who_waits_sees_their_number_and_then_the_answer(app):  # noqa: F811
    with all_places_taken(3 * TELL_INTERVAL):
        app.file_uploader(key=state.SOUND.uploads).upload("lively.flac", LIVELY).run()
    assert not app.exception
    assert {toast.value for toast in app.toast} == {"Busy: you are number 1. It goes on by itself."}
    assert "confident" in texts(app)
    assert turns.waiting == 0


def test_where_too_many_wait_a_sentence_says_so_and_the_next_run_answers(app, monkeypatch):  # noqa: F811
    monkeypatch.setattr(turns, "most_waiting", 0)
    with all_places_taken(2.0):
        app.file_uploader(key=state.SOUND.uploads).upload("lively.flac", LIVELY).run()
    assert "waiting for their turn" in app.error[0].value
    app.run()
    assert not app.error
    assert "confident" in texts(app)


def test_answers_stay_where_others_need_the_room_of_sounds(monkeypatch):
    monkeypatch.setattr(cache.LARGE, "max_bytes", 200_000)

    def script(sound):
        import streamlit as st

        from pages.ui.shared import cache

        st.session_state.setdefault("seen", []).append((cache.waveform(sound), cache.assessment(sound)))
        cache.LARGE.get("somebody else", "a long sound", lambda: bytes(150_000))

    sound = Sound("tone.wav", encode(tone(250), 48_000))
    test = AppTest.from_function(script, args=(sound,), default_timeout=60).run().run()
    cache.LARGE.forget("somebody else")
    assert not test.exception
    (first, assessed), (second, again) = test.session_state["seen"]
    assert first is not second
    assert assessed is again
