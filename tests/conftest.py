"""Shared fixtures: a generated corpus, the real one, sounds as bytes, a small trained model, a running app."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pylibsrtp  # noqa: F401 - must be imported before TensorFlow, see soundwebapp.py
import pytest
import soundfile as sf

from core.config import FeatureConfig, corpus_root
from core.corpus.generated import generate_corpus
from core.corpus.index import distinct_clips, scan
from core.corpus.store import FeatureStore
from core.learning.recipes import get_recipe
from core.learning.runs import TrainingResult, plan_folds
from core.serving.registry import Registry, StoredModel

ROOT = Path(__file__).resolve().parent.parent
TRAINED_ACTORS = (1, 2, 11, 15, 16, 20)  # two EmoBox folds


def require(condition: object, reason: str) -> None:
    """Skip a test that can not run here; fail instead where everything must run."""
    if condition:
        return
    if os.environ.get("SOUNDWEB_REQUIRE_ALL"):
        pytest.fail(reason)
    pytest.skip(reason)


def encode(y: np.ndarray, sr: int, **options: str) -> bytes:
    """Return samples as a sound file."""
    buffer = io.BytesIO()
    sf.write(buffer, y, sr, **{"format": "WAV"} | options)
    return buffer.getvalue()


def tone(frequency: float = 220.0, sr: int = 48_000, duration: float = 1.0, amplitude: float = 0.3) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(int(duration * sr)) / sr)


@pytest.fixture(scope="session")
def ravdess() -> Path:
    root = corpus_root()
    require(root and root.is_dir(), "RAVDESS_ROOT does not name the real corpus")
    assert root is not None
    return root


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated corpus of six actors."""
    root = tmp_path_factory.mktemp("corpus")
    generate_corpus(root, actors=TRAINED_ACTORS, duration=0.5)
    return root


@pytest.fixture(scope="session")
def clips(generated: Path) -> pd.DataFrame:
    """Index of the generated corpus."""
    return distinct_clips(scan(generated, n_jobs=1))


@pytest.fixture(scope="session")
def features(generated: Path, clips: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Reference features of the generated corpus."""
    store = FeatureStore(tmp_path_factory.mktemp("features"), FeatureConfig())
    store.update(clips, generated, n_jobs=2)
    return store.read(clips["digest"].tolist())


@pytest.fixture(scope="session")
def training(clips: pd.DataFrame, features: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """Two epochs of the reference recipe on the generated corpus."""
    from core.learning.training import train

    folds = plan_folds(clips, ["reference", "speaker-emobox"], [0], tmp_path_factory.mktemp("run"))
    return train(get_recipe("reference", epochs=2), clips, lambda _: features, folds, n_jobs=1)


@pytest.fixture(scope="session")
def published(training: TrainingResult, clips: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    """The small model, published; read it, do not change it."""
    from core.serving.publishing import publish_training

    registry = Registry(tmp_path_factory.mktemp("artifacts"))
    model = publish_training(training, clips, registry)
    registry.promote(model.name)
    return model


@pytest.fixture
def registry(published: StoredModel, tmp_path: Path) -> Registry:
    """A registry of its own with the small model, to change at will."""
    shutil.copytree(published.folder.parent, tmp_path / "artifacts")
    return Registry(tmp_path / "artifacts")
