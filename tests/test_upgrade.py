"""What version 0.1.0 left behind, opened by this one."""

import json
import shutil
import time
import zipfile

import numpy as np
import pytest
import requests

from core.audio.decode import decode
from core.audio.features.reference import ReferenceFeatures
from core.corpus.index import scan
from core.corpus.ravdess import RAVDESS
from core.corpus.samples import list_synthesized
from core.corpus.store import FeatureStore
from core.operations.access import audit
from core.operations.access.sign_in import sign_in
from core.operations.database import close_database
from core.operations.feedback.entries import list_kept
from core.operations.jobs.record import get_job
from core.operations.spec import check_spec
from core.serving.predictor import Predictor
from core.serving.registry import CHAMPION_FILE, Registry
from core.serving.takeover import SHIPPED, take_over
from tests.conftest import ROOT
from tests.generated import generate_corpus
from tests.test_browser import running_app

PASSWORD = "the password of 0.1.0"
MODELS = {"model": "voice-f4251e35", "previous": ["reference-402dca03"]}
CLIPS = ("03-01-05-01-01-01-01", "03-01-05-01-01-01-02", "03-01-06-01-01-01-01", "03-01-06-01-01-01-02")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder that version 0.1.0 made.

    A password was set, four generated clips were indexed, a training was queued and cancelled, and two sounds were said
    to be something else, one of them with consent to keep it.
    """
    with zipfile.ZipFile(ROOT / "tests" / "data" / "data-0.1.0.zip") as archive:
        archive.extractall(tmp_path / "data")
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("SOUNDWEB_ADMIN_HASH", raising=False)
    yield tmp_path / "data"
    close_database()


@pytest.fixture
def models(tmp_path, monkeypatch):
    """The models of version 0.1.0, which ship as they were."""
    folder = tmp_path / "artifacts"
    for name in (MODELS["model"], *MODELS["previous"]):
        shutil.copytree(SHIPPED / name, folder / name)
    (folder / CHAMPION_FILE).write_text(json.dumps(MODELS))
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(folder))
    return Registry()


def test_who_signed_in_then_signs_in_now_and_finds_what_was_done(data):
    token = sign_in(PASSWORD)
    done = [entry.action for entry in reversed(audit.list_entries(token))]
    assert done == ["set password", "sign in", "submit job", "cancel job", "sign out", "sign in"]


def test_a_training_that_was_cancelled_can_be_resumed(data):
    job = get_job(1)
    assert (job.status, job.notes, job.spec.recipe, job.spec.epochs) == ("cancelled", "of 0.1.0", "reference", 3)
    check_spec(job.spec)


def test_sounds_that_were_kept_can_be_heard(data):
    (entry,) = list_kept()
    assert entry.label == "happy"
    sound = next(sample.path for sample in list_synthesized() if "lively" in sample.path.name)
    assert entry.path.read_bytes() == sound.read_bytes()
    assert decode(entry.path).duration > 1


def test_features_that_were_extracted_serve_on(data, tmp_path):
    for path in generate_corpus(tmp_path / "corpus", actors=(1, 2), duration=0.5):
        if path.stem not in CLIPS:
            path.unlink()
    clips = scan(tmp_path / "corpus", RAVDESS, n_jobs=1)
    stores = [FeatureStore(folder / "features", ReferenceFeatures()) for folder in (data, tmp_path)]
    before = (stores[0].folder / "features.f32").stat().st_mtime_ns
    for store in stores:
        store.update(clips, tmp_path / "corpus", n_jobs=1)
    assert (stores[0].folder / "features.f32").stat().st_mtime_ns == before
    old, new = (store.read(clips["digest"].tolist()) for store in stores)
    assert old.shape == (len(CLIPS), *ReferenceFeatures().shape)
    np.testing.assert_allclose(old, new, atol=1e-4)


@pytest.mark.heavy
def test_models_that_were_in_use_stay_so_beside_the_new_ones(data, models):
    take_over()
    assert models.champion() == MODELS["model"]
    assert models.previous() == MODELS["previous"][0]
    assert set(models.names()) == set(Registry(SHIPPED).names())
    assert Predictor.load().predict_file(list_synthesized()[0].path).model == MODELS["model"]


@pytest.mark.heavy
def test_the_server_starts_on_it_after_a_copy_of_the_database(data, models):
    with running_app() as address:
        deadline = time.monotonic() + 120
        while not (ready := requests.get(f"{address}/readyz", timeout=30)).ok:
            assert time.monotonic() < deadline, ready.text
            time.sleep(2.1)
    assert set(ready.json()["checks"].values()) == {"well"}
    assert len(list(data.glob("soundweb-0001-*.db"))) == 1
