"""What holds for all inputs: names, splits, metrics, decoding."""

import contextlib
import io
from pathlib import PurePath

import numpy as np
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score

from core.audio.decode import decode
from core.config import SAMPLE_RATE, STORED_NAME
from core.corpus.ravdess import RAVDESS
from core.corpus.splits import split_clips
from core.errors import AudioError, ModelError
from core.learning.metrics import expected_calibration_error, unweighted_average_recall
from core.serving.registry import Registry
from tests.generated import release_index

quick = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
codes = st.tuples(
    st.just(3), st.integers(1, 2), st.integers(1, 8), st.integers(1, 2), st.integers(1, 2), st.integers(1, 2),
    st.integers(1, 24),
)  # fmt: skip


@quick
@given(codes)
def test_the_name_of_a_clip_tells_its_fields(numbers):
    told = RAVDESS.parse(PurePath("-".join(f"{number:02d}" for number in numbers) + ".wav"))
    is_loud_neutral = numbers[2] == 1 and numbers[3] == 2
    is_unsung = numbers[1] == 2 and numbers[2] in (7, 8)
    assert (told is None) <= (is_loud_neutral or is_unsung)
    if told is not None:
        assert told["channel"] == ("speech", "song")[numbers[1] - 1]
        assert int(str(told["speaker"]).rpartition("-")[2].lstrip("0") or 0) == numbers[6]


@quick
@given(st.text(max_size=40))
def test_other_names_are_no_clips_and_no_models(name):
    told = RAVDESS.parse(PurePath(f"{name}.wav".replace("\0", "")))
    assert told is None or PurePath(f"{name}.wav").stem.count("-") == 6
    if STORED_NAME.fullmatch(name) is None:
        try:
            Registry().load(name or "-")
        except ModelError:
            return
        raise AssertionError(name)


@quick
@given(st.integers(0, 9_999), st.integers(0, 2**32 - 1), st.sampled_from(["speaker-luna", "speaker-emobox", "random"]))
def test_every_clip_is_tested_once_and_no_speaker_is_on_both_sides(seed, order, protocol):
    index = release_index().sample(frac=1, random_state=np.random.default_rng(order)).reset_index(drop=True)
    splits = split_clips(RAVDESS, protocol, index, seed)
    for split in splits:
        assert not set(split.train) & set(split.test)
        if protocol != "random":
            speakers = index["speaker"].to_numpy()
            assert not set(speakers[split.train]) & set(speakers[split.test])
    if protocol != "random":
        assert sorted(np.concatenate([split.test for split in splits])) == list(range(len(index)))


@quick
@given(st.integers(1, 60), st.integers(2, 8), st.integers(0, 2**32 - 1), st.floats(0.05, 5))
def test_recall_is_that_of_an_independent_implementation_and_calibration_within_its_bounds(n, k, seed, spread):
    rng = np.random.default_rng(seed)
    y_true, y_proba = rng.integers(0, k, n), rng.dirichlet(np.full(k, spread), n)
    y_pred = y_proba.argmax(axis=1)
    counts = confusion_matrix(y_true, y_pred, labels=range(k))
    expected = recall_score(y_true, y_pred, labels=np.unique(y_true), average="macro")
    assert np.isclose(unweighted_average_recall(counts), expected)
    assert 0 <= expected_calibration_error(y_proba.max(axis=1), y_pred == y_true) <= 1


@quick
@given(st.binary(max_size=4_000))
def test_any_bytes_are_a_sound_or_a_sentence(data):
    for source in (data, b"RIFF" + data, b"fLaC" + data, b"OggS" + data, b"\x1aE\xdf\xa3" + data):
        with contextlib.suppress(AudioError):
            found = decode(source)
            assert found.y.dtype == np.float32
            assert np.isfinite(found.y).all()


@quick
@given(
    st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000, 96_000]),
    st.integers(1, 4),
    st.floats(0.3, 1.5),
    st.sampled_from(["PCM_16", "PCM_24", "FLOAT"]),
)
def test_a_decoded_sound_is_as_long_as_its_file(rate, channels, duration, subtype):
    n = int(rate * duration)
    y = 0.3 * np.sin(2 * np.pi * 220 * np.arange(n) / rate)
    buffer = io.BytesIO()
    sf.write(buffer, np.tile(y[:, None], (1, channels)), rate, format="WAV", subtype=subtype)
    found = decode(buffer.getvalue())
    assert abs(len(found.y) - n * SAMPLE_RATE / rate) <= 2
    assert np.abs(found.y).max() <= 1.1
