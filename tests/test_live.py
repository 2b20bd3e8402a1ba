import threading
import time

import av
import numpy as np
import psutil
import pytest

from core.audio.decode import decode
from core.config import SAMPLE_RATE
from core.corpus.samples import list_synthesized
from core.errors import BusyError
from core.serving import live
from core.serving.exports import wav_bytes
from core.serving.live import LiveSlots, LiveWorker, RingBuffer
from core.serving.predictor import Predictor
from core.serving.timeline import LIVE, Listener, Window
from core.work.turns import turns
from tests.conftest import tone

FRAME = 441


@pytest.fixture(scope="module")
def predictor(published) -> Predictor:
    return Predictor(published)


@pytest.fixture(scope="module")
def talks() -> list[np.ndarray]:
    pause = np.zeros(SAMPLE_RATE, np.int16)
    voices = [np.round(decode(sample.path).y * 32_767).astype(np.int16) for sample in list_synthesized()[:2]]
    return [np.concatenate([pause, voice, pause]) for voice in voices]


def feed(worker: LiveWorker, samples: np.ndarray) -> None:
    """Push frames as fast as the worker answers, and wait for its last window."""
    hop = worker.config.hop_samples
    for first in range(0, len(samples), hop):
        worker.push(samples[first : first + hop])
        wait_for(
            lambda first=first: worker.recent and worker.recent[-1].last >= min(first + hop, len(samples) // hop * hop)
        )


def listened(y: np.ndarray, predictor: Predictor) -> list[Window]:
    """The windows of a stream of these samples."""
    listener, hop = Listener(predictor, LIVE), LIVE.hop_samples
    return [listener.listen(y[max(last - LIVE.length_samples, 0) : last], last) for last in range(hop, len(y) + 1, hop)]


def wait_for(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def worker(predictor):
    worker = LiveWorker(predictor, take_duration=20.0)
    worker.start()
    yield worker
    worker.stop()
    worker.join()


def test_ring_buffer_keeps_the_newest_and_no_more():
    ring = RingBuffer(10)
    for first in range(0, 25, 5):
        ring.append(np.arange(first, first + 5, dtype=np.int16))
    assert ring.total == 25
    assert (ring.read(0, 25) * 32_768).tolist() == list(range(15, 25))
    assert (ring.read(17, 20) * 32_768).tolist() == [17, 18, 19]
    ring.append(np.arange(100, 130, dtype=np.int16))
    assert (ring.read(0, 99) * 32_768).tolist() == list(range(120, 130))
    assert len(ring.read(55, 60)) == 0


def test_live_windows_are_those_of_the_take_offline(worker, talks, predictor):
    feed(worker, talks[0])
    take = decode(wav_bytes(worker.take)).y
    assert worker.taken == listened(take, predictor)
    for window in worker.taken:
        if window.prediction is not None:
            assert predictor.predict(decode(wav_bytes(worker.take[window.first : window.last]))) == window.prediction
    assert any(window.prediction for window in worker.taken)
    assert worker.taken[-1].prediction is None


def test_workers_of_two_users_keep_apart(worker, predictor, talks):
    other = LiveWorker(predictor, take_duration=20.0)
    other.start()
    threads = [threading.Thread(target=feed, args=pair) for pair in ((worker, talks[0]), (other, talks[1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.stop()
    other.join()
    for mine, talk in ((worker, talks[0]), (other, talks[1])):
        np.testing.assert_array_equal(mine.take, talk[: len(mine.take)])
        assert mine.taken == listened(mine.take.astype(np.float32) / 32_768, predictor)


def test_a_changed_baseline_shifts_later_windows_alone(worker, talks, predictor):
    shift = np.full(len(predictor.usual_features), 5.0, np.float32)
    talk = np.concatenate([talks[0], talks[0]])
    feed(worker, talk[: len(talks[0])])
    before = len(worker.taken)
    worker.set_shift(shift)
    for first in range(len(talks[0]), len(talk), worker.config.hop_samples):
        worker.push(talk[first : first + worker.config.hop_samples])
        wait_for(lambda first=first: worker.recent[-1].last > first - worker.config.hop_samples)
    for k, window in enumerate(worker.taken):
        if window.prediction is not None:
            waveform = decode(wav_bytes(worker.take[window.first : window.last]))
            assert window.prediction == predictor.predict(waveform, shift=shift if k >= before else None)
    assert any(window.prediction for window in worker.taken[before:])


def test_packed_stereo_of_a_browser_becomes_mono_at_our_rate(worker):
    mono = np.round(tone(440, duration=1.0) * 32_767).astype(np.int16)
    for first in range(0, 48_000, 960):
        packed = np.repeat(mono[first : first + 960], 2)[None]
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48_000, first
        worker.push_frame(frame)
    wait_for(lambda: worker.recent and worker.recent[-1].last >= 3 * LIVE.hop_samples)
    spectrum = np.abs(np.fft.rfft(worker.take.astype(float)))
    frequency = spectrum.argmax() * SAMPLE_RATE / len(worker.take)
    assert frequency == pytest.approx(440, abs=2)
    assert worker.level == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.5)


def test_a_worker_that_falls_behind_leaves_windows_out(worker, talks, monkeypatch):
    slow = worker.listener.listen
    monkeypatch.setattr(worker.listener, "listen", lambda y, last: time.sleep(0.3) or slow(y, last))
    for first in range(0, len(talks[0]), FRAME):
        worker.push(talks[0][first : first + FRAME])
    end = len(talks[0]) // LIVE.hop_samples * LIVE.hop_samples
    wait_for(lambda: worker.recent and worker.recent[-1].last == end)
    assert len(worker.recent) < 6
    assert worker.recent[0].begin == 0


def test_where_others_compute_windows_are_left_out_and_go_on_with_the_first_place(worker, talks):
    def compute() -> None:
        with turns.turn():
            assert free.wait(30)

    free, others = threading.Event(), [threading.Thread(target=compute) for _ in range(turns.places)]
    for other in others:
        other.start()
    wait_for(lambda: not turns.free)
    for first in range(0, len(talks[0]), FRAME):
        worker.push(talks[0][first : first + FRAME])
    wait_for(lambda: turns.waiting == 1)
    assert not worker.recent
    free.set()
    end = len(talks[0]) // LIVE.hop_samples * LIVE.hop_samples
    wait_for(lambda: worker.recent and worker.recent[-1].last == end)
    assert len(worker.recent) < 4
    for other in others:
        other.join()


def test_take_and_view_are_bounded(predictor, talks, monkeypatch):
    monkeypatch.setattr(live, "RECENT", 1.0)
    worker = LiveWorker(predictor, take_duration=1.0)
    worker.start()
    feed(worker, talks[0])
    worker.stop()
    worker.join()
    assert SAMPLE_RATE - LIVE.hop_samples < len(worker.take) <= SAMPLE_RATE
    assert worker.taken[-1].last == len(worker.take)
    assert worker.recent[-1].last > SAMPLE_RATE
    assert worker.recent[0].start > 0, "the talk is longer than what stays in view"
    assert len(worker.recent) <= 1.0 / LIVE.hop


def test_stop_ends_the_thread_and_nothing_comes_in_after_it(worker, talks):
    worker.push(talks[0][:FRAME])
    worker.stop()
    worker.join()
    assert not worker.is_running
    worker.push(talks[0])
    assert worker.ring.total == FRAME


def test_a_stream_that_brings_no_sound_ends_by_itself(predictor, monkeypatch):
    monkeypatch.setattr(live, "STARVED", 0.05)
    worker = LiveWorker(predictor, take_duration=1.0)
    worker.start()
    worker.join()
    assert not worker.is_running


def test_above_the_configured_number_the_server_is_busy(predictor, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_LIVE_USERS", "2")
    slots = LiveSlots()
    workers = [LiveWorker(predictor, take_duration=1.0) for _ in range(4)]
    slots.start(workers[0])
    assert not slots.is_full
    slots.start(workers[1])
    assert slots.is_full
    with pytest.raises(BusyError, match="2 people"):
        slots.start(workers[2])
    assert not workers[2].is_running
    workers[0].stop()
    workers[0].join()
    slots.start(workers[3])
    for worker in workers:
        worker.stop()


@pytest.mark.slow
def test_many_minutes_leave_no_window_out_and_no_memory_behind(predictor, talks):
    """As fast as it is answered; `test_browser.py` streams in real time."""
    worker = LiveWorker(predictor, take_duration=300.0)
    worker.start()
    hop, talk = worker.config.hop_samples, np.concatenate(talks)
    process, sizes = psutil.Process(), []
    while worker.ring.total < 600 * SAMPLE_RATE:
        for first in range(0, len(talk), FRAME):
            worker.push(talk[first : first + FRAME])
            newest = worker.ring.total // hop * hop
            wait_for(lambda newest=newest: not newest or (worker.recent and worker.recent[-1].last == newest))
        sizes.append(process.memory_info().rss)
    worker.stop()
    worker.join()
    assert max(sizes) - sizes[len(sizes) // 5] < 40 * 2**20
    assert len(worker.taken) == 300 / worker.config.hop
    assert all(window.last - window.begin == hop for window in worker.taken + worker.recent)
    assert len(worker.recent) == live.RECENT / worker.config.hop
