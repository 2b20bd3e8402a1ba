import io

import numpy as np
import pytest
import soundfile as sf

from core.audio.decode import decode
from core.corpus.samples import list_synthesized
from core.errors import AudioError
from core.serving.predictor import Predictor
from core.serving.timeline import follow, summarize_windows

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
        predictor.predict_file(recording([]))


def test_short_files_are_answered_as_ever(predictor):
    sample = list_synthesized()[0].path
    assert predictor.predict_file(sample) == predictor.predict(decode(sample))
    windows = list(follow([decode(sample).y], predictor))
    of_windows = summarize_windows(windows, predictor.model.name)
    answer = predictor.predict(decode(sample))
    assert of_windows.pieces == answer.pieces
    assert (of_windows.emotion, of_windows.shares) == (answer.emotion, answer.shares)
