import io

import numpy as np
import pytest
import soundfile as sf

from core.audio.decode import decode
from core.corpus.samples import list_synthesized
from core.errors import AudioError
from core.serving.predictor import Predictor
from core.serving.timeline import follow, summarize_windows
from tests.conftest import encode, tone

pytestmark = pytest.mark.heavy
SR = 22_050


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load()


def recording(parts: list[np.ndarray]) -> bytes:
    """Eleven minutes of silence with some sounds in it, as FLAC."""
    buffer = io.BytesIO()
    with sf.SoundFile(buffer, "w", SR, 1, format="FLAC") as file:
        for part in parts:
            file.write(np.zeros(150 * SR, np.int16))
            file.write(part)
        file.write(np.zeros((661 - 150 * len(parts)) * SR, np.int16))
    return buffer.getvalue()


def test_a_recording_longer_than_ten_minutes_is_answered_as_a_whole(predictor):
    voices = [decode(sample.path).y for sample in list_synthesized()]
    data = recording(voices)
    answer = predictor.predict_file(data)
    assert len(answer.pieces) >= 3
    assert answer.duration == pytest.approx(661 + sum(map(len, voices)) / SR, abs=0.1)
    assert answer.silence > 0.98
    assert sum(answer.shares.values()) == pytest.approx(1)
    with pytest.raises(AudioError, match="longer than 10 minutes"):
        decode(data)


def test_one_without_a_voice_is_refused_in_words(predictor):
    with pytest.raises(AudioError, match="No speech"):
        predictor.predict_file(recording([(0.1 * 32_767 * tone(440, SR)).astype(np.int16)]))
    with pytest.raises(AudioError, match="silent"):
        predictor.predict_file(recording([]))


def test_what_is_wrong_with_a_long_file_is_said_as_of_a_short_one(predictor):
    voices = [decode(sample.path).y for sample in list_synthesized()[:2]]
    loud = np.clip(np.resize(100 * voices[0], 20 * SR), -1, 1)
    quiet = np.zeros((2, 620 * SR), np.float32)
    for side, voice in zip(quiet, voices, strict=True):
        side[: len(voice)] = voice
    several = predictor.predict_file(encode(quiet.T, SR, format="FLAC"))
    assert any("different voices (left side, right side)" in reason for reason in several.reasons)
    data = encode(np.concatenate([loud, np.zeros(620 * SR)])[::2], SR // 2)
    answer = predictor.predict_file(data[: 610 * SR])
    assert any("clipped" in reason for reason in answer.reasons)
    assert any("cut off" in reason for reason in answer.reasons)
    faint = predictor.predict_file(encode(0.005 * quiet[0] / np.abs(quiet[0]).max(), SR, format="FLAC"))
    assert any("very quiet" in reason for reason in faint.reasons)


def test_short_files_are_answered_as_ever(predictor):
    sample = list_synthesized()[0].path
    assert predictor.predict_file(sample) == predictor.predict(decode(sample))
    windows = list(follow([decode(sample).y], predictor))
    of_windows = summarize_windows(windows, predictor.model.name)
    answer = predictor.predict(decode(sample))
    assert of_windows.pieces == answer.pieces
    assert (of_windows.emotion, of_windows.shares) == (answer.emotion, answer.shares)
