import hashlib

import librosa
import numpy as np
import pytest

from core.audio.augmentation import CONDITIONS
from core.audio.sound import Sound
from core.config import SAMPLE_RATE
from core.corpus.index import corpus_digest, distinct_clips, scan
from core.corpus.ravdess import RAVDESS
from core.corpus.samples import SAMPLE_FOLDER
from core.errors import CorpusError
from core.labels import EMOTIONS, UNKNOWN_SPEAKER
from core.operations.feedback.contributions import collect_contributions
from core.operations.feedback.entries import add, delete, features_folder, list_feedback, list_kept
from core.operations.models.promotion import list_models
from core.operations.pipeline import retrain
from core.operations.spec import TrainingSpec
from tests.conftest import encode, tone

PLAIN, LIVELY = ((SAMPLE_FOLDER / f"synthesized-{name}.flac").read_bytes() for name in ("plain", "lively"))
SPEC = TrainingSpec(protocols=("reference",), epochs=1, channels=("speech",), feedback=True)


def send(data: bytes, label: str, container: str = "flac", *, consents: bool = True) -> str:
    """Send feedback on a sound and return the sound's digest."""
    clip = hashlib.sha256(data).hexdigest()
    answer = dict.fromkeys(EMOTIONS, 1 / 8)
    kept = {"consented": Sound("a sound", data), "container": container} if consents else {}
    add(label, answer, model="voice-0123abcd", clip=clip, **kept)
    return clip


def degraded(data: bytes, condition: str, tmp_path) -> bytes:
    (tmp_path / "sound").write_bytes(data)
    y, _ = librosa.load(tmp_path / "sound", sr=SAMPLE_RATE)
    return encode(CONDITIONS[condition](y, SAMPLE_RATE, np.random.default_rng(0)), SAMPLE_RATE)


@pytest.fixture
def spoken(tmp_path):
    """A corpus of one clip."""
    path = tmp_path / "spoken" / "03-01-01-01-01-01-01.flac"
    path.parent.mkdir()
    path.write_bytes(PLAIN)
    return distinct_clips(scan(path.parent, RAVDESS, n_jobs=1)), path.parent


def test_what_can_be_trained_on_is_what_people_let_us_keep_and_the_corpus_lacks(database, spoken, tmp_path):
    send(PLAIN, "happy")
    for condition in ("MP3 32 kbit/s", "telephone", "level -20 dB", "silence of 1 s before", "cut to 2 s"):
        send(degraded(PLAIN, condition, tmp_path), "happy", "wav")
    send(encode(tone(duration=2), 48_000), "calm", "wav")
    send(encode(tone(duration=0.5), 48_000), "calm", "wav")
    send(encode(np.zeros(31 * 8_000), 8_000), "calm", "wav")
    send(degraded(LIVELY, "level +6 dB", tmp_path), "calm", "wav", consents=False)
    send(LIVELY, "happy")
    clip = send(LIVELY, "sad")
    found = collect_contributions(RAVDESS, [spoken], n_jobs=1)
    assert found.clips[["clip", "emotion", "channel", "speaker", "digest", "path"]].to_numpy().tolist() == [
        [f"feedback-sad-{clip[:16]}", "sad", "speech", UNKNOWN_SPEAKER, clip, f"{clip}.flac"]
    ]
    assert found.left_out == {
        "recordings of a corpus": 6,
        "shorter than 1 or longer than 30 s": 2,
        "without a voice": 1,
    }
    assert str(found).startswith("sounds from feedback: 1 used, 2 left out (short")


def test_a_sound_that_is_gone_is_left_out(database, spoken):
    send(LIVELY, "happy")
    list_kept()[0].path.unlink()
    found = collect_contributions(RAVDESS, [spoken], n_jobs=1)
    assert found.clips.empty
    assert found.left_out == {"not readable": 1}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.heavy
def test_a_training_with_feedback_judges_the_corpus_alone_and_forgets_what_is_deleted(installation, token, clips):
    with pytest.raises(CorpusError, match="nothing to add; sounds from feedback: 0 used"):
        retrain(SPEC, n_jobs=1)
    send(LIVELY, "sad")
    model = retrain(SPEC, n_jobs=1)
    assert retrain(SPEC, n_jobs=1).name == model.name
    speech = clips[clips["channel"] == "speech"]
    assert set(model.predictions()["clip"]) <= set(speech["clip"])
    corpus = model.manifest.corpus
    assert (corpus.n_clips, corpus.n_feedback, corpus.n_speakers) == (len(speech), 1, speech["speaker"].nunique())
    assert corpus.channels == ("speech",)
    assert corpus.digest != corpus_digest(speech)
    assert "sounds from feedback (1)" in (model.folder / "card.md").read_text()
    assert list_models()[0].channels == ("speech", "feedback")

    assert list(features_folder().glob("*/features.f32"))
    delete(token, list_feedback(token)[0].id)
    assert not features_folder().exists()
