import dataclasses
import io
import itertools
import json
import tracemalloc

import av
import numpy as np
import pytest
import soundfile as sf

from core.audio import gate
from core.audio.containers import duration_of
from core.audio.decode import Waveform, decode
from core.audio.stream import LONG_LIMITS, Stream
from core.config import SAMPLE_RATE
from core.corpus.samples import list_synthesized
from core.errors import AudioError
from core.labels import EMOTIONS
from core.serving.exports import segment_table, timeline_json, window_table
from core.serving.prediction import UNSURE, Piece, Prediction, share_of_time
from core.serving.predictor import Predictor
from core.serving.segments import NO_SPEECH, Segment, find_segments, smooth
from core.serving.timeline import Listener, TimelineConfig, Window, follow
from tests.conftest import encode, tone


@pytest.fixture(scope="module")
def predictor(published) -> Predictor:
    return Predictor(published)


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Two sentences with pauses around them, as 16-bit samples: 2 s, sentence, 2 s, sentence, 2 s."""
    voices = [decode(sample.path).y for sample in list_synthesized()[:2]]
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    y = np.concatenate([pause, voices[0], pause, voices[1], pause])
    return np.round(y * 32_767).astype(np.int16)


@pytest.fixture(scope="module")
def windows(talk, predictor) -> list[Window]:
    return list(follow([talk.astype(np.float32) / 32_768], predictor))


def test_stretches_are_those_of_the_answer_for_the_whole(windows, talk, predictor):
    answer = predictor.predict(Waveform.of_samples(talk.astype(np.float32) / 32_768))
    assert len(answer.pieces) >= 2
    told = list(dict.fromkeys(window.prediction.start for window in windows if window.prediction))
    assert told == [piece.start for piece in answer.pieces]
    segments = find_segments(smooth(windows, predictor.model.threshold))
    shares = {label: share for label, share in share_of_time(segments).items() if label != NO_SPEECH}
    of_speech = {label: share / sum(shares.values()) for label, share in shares.items()}
    assert of_speech == pytest.approx(answer.shares, abs=0.01)


def test_a_short_sound_is_told_as_it_is_answered_where_a_model_knows_sounds_from_their_beginnings(predictor):
    y = decode(list_synthesized()[0].path).y
    assert not predictor.model.features.reads_stretches
    answer = predictor.predict(Waveform.of_samples(y))
    told = [window.prediction for window in follow(np.array_split(y, 7), predictor) if window.prediction]
    assert {piece.emotion for piece in told} == {answer.emotion}
    assert told[0].probabilities == pytest.approx(answer.probabilities, abs=1e-6)


def test_a_live_window_meets_the_gate_once(talk, predictor, monkeypatch):
    asked, scan = [], gate.VoiceScan.scan
    monkeypatch.setattr(gate.VoiceScan, "scan", lambda *sound: asked.append(sound) or scan(*sound))
    listener, y = Listener(predictor), talk.astype(np.float32) / 32_768
    hop, length = listener.config.hop_samples, listener.config.length_samples
    found = [listener.listen(y[max(last - length, 0) : last], last) for last in range(hop, len(y), hop)]
    assert any(window.prediction for window in found)
    assert max(window.last - window.first for window in found) == length
    audible = [window for window in found if np.any(y[window.first : window.last])]
    assert len(asked) == len(audible)


def test_silence_is_never_an_emotion(windows, talk):
    voice = np.abs(talk.astype(int)) > 300
    for reading in smooth(windows, 0.0):
        window = reading.window
        recent = voice[max(window.last - round(0.6 * SAMPLE_RATE), 0) : window.last]
        if not recent.any():
            assert reading.label == NO_SPEECH
            assert reading.y_proba is None
    labels = [segment.label == NO_SPEECH for segment in find_segments(smooth(windows, 0.0))]
    assert labels[0]
    assert labels[-1]
    assert True in labels[1:-1]


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.1])
def test_noise_is_no_speech(predictor, noise):
    y = (noise * np.random.default_rng(0).standard_normal(4 * SAMPLE_RATE)).astype(np.float32)
    assert {window.prediction for window in follow([y], predictor)} == {None}


def test_no_window_reaches_over_a_pause(windows, talk):
    first_end = np.flatnonzero(np.abs(talk[: 6 * SAMPLE_RATE].astype(int)) > 300).max()
    second = [window for window in windows if window.prediction and window.last > first_end + 2 * SAMPLE_RATE]
    assert second
    assert all(window.first > first_end - round(0.1 * SAMPLE_RATE) for window in second)


def test_windows_cover_the_sound_without_gaps_whatever_the_blocks(windows, talk, predictor):
    assert windows[0].begin == 0
    assert windows[-1].last == len(talk)
    assert all(a.last == b.begin for a, b in itertools.pairwise(windows))
    y = talk.astype(np.float32) / 32_768
    assert list(follow(np.array_split(y, 17), predictor)) == windows


def test_windows_are_as_long_as_asked_for(talk, predictor):
    found = list(follow([talk.astype(np.float32) / 32_768], predictor, TimelineConfig(hop=0.4)))
    assert max(window.last - window.begin for window in found) == round(0.4 * SAMPLE_RATE)


def window(k: int, **probabilities: float) -> Window:
    """A window of one second, with an answer or without."""
    full = dict.fromkeys(EMOTIONS, 0.0) | probabilities
    best = max(full, key=lambda name: full[name])
    answer = Prediction(best, full, full[best], is_uncertain=False, reasons=(), model="m") if probabilities else None
    return Window(k * SAMPLE_RATE, 0, (k + 1) * SAMPLE_RATE, answer, -20.0, None)


def test_smoothing_halves_in_its_half_life_and_ends_at_a_pause():
    readings = smooth([window(0, sad=1.0), window(1, angry=1.0), window(2), window(3, angry=1.0)], 0.5, half_life=1.0)
    assert readings[1].y_proba is not None
    assert readings[1].y_proba[EMOTIONS.index("sad")] == pytest.approx(1 / 3)  # counts half as much as the other
    assert readings[2].y_proba is None
    assert readings[3].confidence == 1.0
    assert [reading.emotion for reading in smooth([window(0, sad=1.0), window(1, angry=1.0)], 0.5, 0)] == [
        "sad",
        "angry",
    ]


def test_the_first_moments_of_an_utterance_hardly_count():
    def heard(k: int, duration: float, **probabilities: float) -> Window:
        told = window(k, **probabilities)
        piece = Piece(0, duration, told.prediction.emotion, told.prediction.probabilities, ())
        return dataclasses.replace(told, prediction=dataclasses.replace(told.prediction, pieces=(piece,)))

    readings = smooth([heard(0, 0.5, calm=1.0), heard(1, 1.0, angry=1.0)], 0.5, half_life=1.0)
    assert readings[0].confidence == 1.0
    assert readings[1].y_proba[EMOTIONS.index("calm")] == pytest.approx(0.125 / 1.125)


def test_the_beginning_of_an_utterance_is_called_what_comes_next():
    def heard(k: int, duration: float, **probabilities: float) -> Window:
        told = window(k, **probabilities)
        piece = Piece(0, duration, told.prediction.emotion, told.prediction.probabilities, ())
        return dataclasses.replace(told, prediction=dataclasses.replace(told.prediction, pieces=(piece,)))

    flat = {"calm": 0.2, "sad": 0.3}
    told = [window(0), heard(1, 0.4, **flat), heard(2, 2.0, angry=0.9), window(3), heard(4, 0.4, **flat), window(5)]
    segments = find_segments(smooth(told, 0.5, half_life=0))
    assert [(s.start, s.end, s.label) for s in segments] == [
        (0, 1, NO_SPEECH),
        (1, 3, "angry"),
        (3, 4, NO_SPEECH),
        (4, 5, UNSURE),
        (5, 6, NO_SPEECH),
    ]
    assert segments[1].confidence == pytest.approx(0.9)


def test_low_smoothed_confidence_is_unsure():
    both = [window(0, sad=0.7, calm=0.3)]
    assert [smooth(both, t)[0].label for t in (0.6, 0.7, 0.71, None)] == ["sad", "sad", UNSURE, UNSURE]


def test_segments_join_what_is_alike_and_shares_add_up():
    told = [window(0), window(1, sad=0.9), window(2, sad=0.7), window(3, calm=0.3, sad=0.2)]
    segments = find_segments(smooth(told, 0.5, half_life=0))
    assert segments == [
        Segment(0, 1, NO_SPEECH, None, 0.0),
        Segment(1, 3, "sad", "sad", pytest.approx(0.8)),
        Segment(3, 4, UNSURE, "calm", pytest.approx(0.3)),
    ]
    assert share_of_time(segments) == {"sad": 0.5, NO_SPEECH: 0.25, UNSURE: 0.25}
    assert share_of_time([]) == {}


def test_exports_hold_segments_and_windows(windows, talk):
    readings = smooth(windows, 0.0)
    segments = find_segments(readings)
    assert len(segment_table(segments)) == len(segments)
    table = window_table(readings)
    assert len(table) == len(windows)
    assert table["last_sample"].iloc[-1] == len(talk)
    report = json.loads(timeline_json(segments, readings, "m"))
    assert report["windows"][0]["angry"] is None
    assert report["segments"][0]["label"] == NO_SPEECH


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 8_000])
def test_blocks_are_the_decoded_sound(rate):
    data = encode(tone(300, sr=rate, duration=7.3), rate)
    whole, blocks = decode(data).y, list(Stream(data))
    assert len(blocks) > 2 or rate == 8_000
    together = np.concatenate(blocks)
    assert len(together) == pytest.approx(len(whole), abs=1)
    np.testing.assert_allclose(together[: len(whole)], whole[: len(together)], atol=1e-5)


def test_an_hour_is_decoded_with_flat_memory():
    buffer = io.BytesIO()
    with sf.SoundFile(buffer, "w", 8_000, 1, format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8_000, np.int16))
    data = buffer.getvalue()
    assert duration_of(data) == 3_600
    tracemalloc.start()
    total = sum(len(block) for block in Stream(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == pytest.approx(3_600 * SAMPLE_RATE, abs=2)
    assert peak < 20e6


def test_bad_and_too_long_sounds_are_refused_while_they_are_read():
    with pytest.raises(AudioError, match="not a sound"):
        list(Stream(b"no sound"))
    with pytest.raises(AudioError, match="larger"):
        list(Stream(b"0" * (LONG_LIMITS.max_bytes + 1)))
    short = type(LONG_LIMITS)(max_duration=1.0)
    with pytest.raises(AudioError, match="longer"):
        list(Stream(encode(tone(duration=1.5), 48_000), limits=short))


def test_length_of_what_a_browser_records_is_found():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as file:
        track = file.add_stream("libopus", rate=48_000, layout="mono")
        for k in range(100):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, k * 960
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
    assert duration_of(buffer.getvalue()) == pytest.approx(2.0, abs=0.1)
    assert duration_of(b"no sound") == 0
