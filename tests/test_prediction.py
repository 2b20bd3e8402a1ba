import json

import pytest

from core.serving.prediction import NOISY, UNSURE, Piece, summarize


def piece(start: float, end: float, emotion: str, p: float = 0.9, *doubts: str) -> Piece:
    others = [name for name in ("angry", "calm", "sad") if name != emotion]
    return Piece(start, end, emotion, {emotion: p} | dict.fromkeys(others, (1 - p) / 2), doubts)


def test_one_stretch_is_the_answer():
    answer = summarize([piece(7, 9, "sad", 0.6, "too low")], duration=10, model="m", notes=["clipped"])
    assert (answer.emotion, answer.confidence, answer.is_uncertain) == ("sad", 0.6, True)
    assert answer.reasons == ("too low", "clipped")
    assert answer.silence == pytest.approx(0.8)
    assert answer.shares == {UNSURE: 1.0}


def test_the_emotion_of_most_of_the_speech_is_the_answer():
    pieces = [piece(0, 2, "angry", 0.99), piece(3, 9, "calm", 0.6), piece(20, 21, "sad", 0.5, "low")]
    answer = summarize(pieces, duration=90, model="m")
    assert (answer.emotion, answer.is_uncertain) == ("calm", False)
    assert answer.shares == pytest.approx({"calm": 6 / 9, "angry": 2 / 9, UNSURE: 1 / 9})
    assert answer.silence == pytest.approx(0.9)
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.confidence == answer.probabilities["calm"]


def test_where_more_of_the_speech_is_unsure_so_is_the_whole():
    noisy = piece(5, 8, "sad", 0.5, "noisy: 4 dB")
    answer = summarize([piece(0, 1, "angry"), noisy], duration=10, model="m")
    assert (answer.emotion, answer.is_uncertain) == ("angry", True)
    assert answer.reasons == ("75% of the speech is unsure (noisy)",)
    nothing = summarize([noisy, noisy], duration=10, model="m")
    assert (nothing.emotion, nothing.is_uncertain) == ("sad", True)


def test_silence_has_no_share_of_speech():
    alone = summarize([piece(0, 2, "sad")], duration=2, model="m")
    within = summarize([piece(60, 62, "sad")], duration=600, model="m")
    assert alone.shares == within.shares == {"sad": 1.0}
    assert within.is_uncertain == alone.is_uncertain


def test_json_is_valid_and_tells_pieces():
    answer = summarize([piece(0, 1, "angry"), piece(2, 3, "sad")], duration=4, model="m").to_dict()
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer | {"reasons": []}
    assert [p["label"] for p in answer["pieces"]] == ["angry", "sad"]
    assert answer["known"] is None


def test_noise_has_a_limit():
    quiet, loud = (Piece(0, 1, "sad", {"sad": 1.0}, (), snr=snr) for snr in (NOISY, NOISY - 0.1))
    assert (quiet.is_noisy, loud.is_noisy, piece(0, 1, "sad").is_noisy) == (False, True, False)
