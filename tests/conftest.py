"""Shared fixtures: a generated corpus, the real one, sounds as bytes, a small trained model, a running app."""

import io
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pylibsrtp  # noqa: F401 - must be imported before TensorFlow, see soundwebapp.py
import pytest
import soundfile as sf
import sqlalchemy as sa
from joblib.externals.loky import get_reusable_executor
from streamlit.runtime.pages_manager import PagesManager

from core.audio.features.reference import ReferenceFeatures
from core.corpus.catalogue import list_places
from core.corpus.index import distinct_clips, scan
from core.corpus.ravdess import RAVDESS
from core.corpus.store import FeatureStore
from core.learning.recipes import get_recipe
from core.learning.runs import TrainingResult, plan_folds
from core.operations.access.sessions import anybody, limit_to, open_session
from core.operations.database import close_database, writing
from core.serving.registry import Registry, StoredModel
from tests.generated import generate_corpus

ROOT = Path(__file__).resolve().parent.parent
TRAINED_ACTORS = (1, 2, 11, 15, 16, 20)  # two EmoBox folds


HEAVY = {
    "ravdess",
    "training",
    "published",
    "feature_store",
    "features",
    "postgres",
    "voices",
    "result",
    "five",
    "nine",
}
"""Fixtures that need the real corpus, a server, or a training; what uses them is not quick."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what a person can wait for: no browser, corpus, training or server."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        marks = {mark.name for mark in item.iter_markers()}
        if not names & HEAVY and not marks & {"browser", "slow", "heavy"} and "postgresql" not in item.name:
            item.add_marker("quick")


def players(app: Any) -> list[Any]:
    """Return the players of a page that Streamlit's tests draw, without its other components."""
    return [component for component in app.get("bidi_component") if str(component.key).startswith("player")]


def require(condition: object, reason: str) -> None:
    """Skip a test that cannot run here; fail instead where everything must run."""
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


def encode_av(y: np.ndarray, sr: int, container: str, codec: str, layout: str = "mono", **options: str) -> bytes:
    """Return samples, (n,) or of several tracks (tracks, n), as a file that FFmpeg writes, each in some channels."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options) as file:
        tracks = [(file.add_stream(codec, rate=sr, layout=layout), row) for row in np.atleast_2d(y)]
        for stream, row in tracks:
            context = stream.codec_context
            if codec.startswith("wma"):
                context.bit_rate = 128_000
            resampler = av.AudioResampler(context.format.name, layout, sr, context.frame_size or 0)
            frame = av.AudioFrame.from_ndarray(row[np.newaxis].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = sr, 0
            for part in (*resampler.resample(frame), *resampler.resample(None), None):
                file.mux(stream.encode(part))
    return buffer.getvalue()


def encrypted(data: bytes) -> bytes:
    """Return a zip file whose members say that they are encrypted."""
    for head, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = data.split(head)
        marked = [part[: flags - 4] + bytes([part[flags - 4] | 1]) + part[flags - 3 :] for part in parts[1:]]
        data = head.join([parts[0], *marked])
    return data


def tone(frequency: float = 220.0, sr: int = 48_000, duration: float = 1.0, amplitude: float = 0.3) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(int(duration * sr)) / sr)


@pytest.fixture
def fresh_workers() -> None:
    """End the processes that other tests worked in: they keep the environment of those."""
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.fixture(scope="session", autouse=True)
def _no_unlock_code() -> Iterator[None]:
    """Count the administrator's password as set: apps that are started here leave no code and no database behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOUNDWEB_ADMIN_HASH", os.environ.get("SOUNDWEB_ADMIN_HASH") or "none")
        yield


@pytest.fixture(scope="session", autouse=True)
def _started() -> Iterator[None]:
    """Let each run of AppTest be that of a server that has started, see ``pages.ui.shared.start``."""
    real = PagesManager.__init__

    def begin(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        PagesManager.uses_pages_directory = False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PagesManager, "__init__", begin)
        yield


@pytest.fixture(scope="session")
def ravdess() -> Path:
    root = next((place.root for place in list_places()), None)
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
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with index and features of the generated corpus; copy it, do not change it."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="session")
def clips(generated: Path, prepared: Path) -> pd.DataFrame:
    """Index of the generated corpus."""
    return distinct_clips(scan(generated, RAVDESS, cache=prepared / "index-ravdess.csv", n_jobs=1))


@pytest.fixture(scope="session")
def feature_store(generated: Path, clips: pd.DataFrame, prepared: Path) -> FeatureStore:
    """Store with the reference features of the generated corpus; read it, do not change it."""
    store = FeatureStore(prepared / "features", ReferenceFeatures())
    store.update(clips, generated, n_jobs=2)
    return store


@pytest.fixture(scope="session")
def features(feature_store: FeatureStore, clips: pd.DataFrame) -> np.ndarray:
    """Reference features of the generated corpus."""
    return feature_store.read(clips["digest"].tolist())


@pytest.fixture(scope="session")
def training(clips: pd.DataFrame, features: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """Two epochs of the reference recipe on the generated corpus."""
    from core.learning.training import train

    folds = plan_folds(RAVDESS, clips, ["reference", "speaker-emobox"], [0], tmp_path_factory.mktemp("run"))
    return train(get_recipe("reference", epochs=2), clips, lambda _: features, folds, n_jobs=1)


@pytest.fixture(scope="session")
def published(training: TrainingResult, clips: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    """The small model, published; read it, do not change it."""
    from core.serving.publishing import publish_training

    registry = Registry(tmp_path_factory.mktemp("artifacts"))
    model = publish_training(training, RAVDESS, clips, registry)
    registry.promote(model.name)
    return model


@pytest.fixture(scope="session")
def postgres() -> Iterator[sa.URL]:
    """A PostgreSQL server of its own on loopback, where one is installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    require(programs, "PostgreSQL is not installed")
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="soundweb-postgres-"))
    password = secrets.token_hex(16)
    (folder / "password").write_text(password)
    if user:
        for path in (folder, folder / "password"):
            shutil.chown(path, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"

    def command(program: str, *arguments: object) -> None:
        path = programs[-1].with_name(program)
        subprocess.run(
            [path, "-D", folder / "data", *map(str, arguments)],
            user=user,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    command("initdb", "-U", "soundweb", "-A", "scram-sha-256", "--pwfile", folder / "password", "-E", "UTF8")
    command("pg_ctl", "start", "-w", "-l", folder / "log", "-o", options)
    yield sa.URL.create("postgresql", "soundweb", password, "127.0.0.1", port, "postgres")
    command("pg_ctl", "stop", "-m", "immediate")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty data folder and database; its kind."""
    limit_to(anybody)  # a page of another test says which accounts an installation names
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("SOUNDWEB_ADMIN_HASH", raising=False)
    if request.param == "sqlite":
        yield request.param
    else:
        # A schema a test: a database a test costs seconds.
        url, name = request.getfixturevalue("postgres"), f"test_{secrets.token_hex(6)}"
        engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"create schema {name}"))
        own = url.update_query_dict({"options": f"-csearch_path={name}"})
        monkeypatch.setenv("DATABASE_URL", own.render_as_string(hide_password=False))
        yield request.param
        with engine.connect() as connection:
            connection.execute(sa.text(f"drop schema {name} cascade"))
        engine.dispose()
    close_database()


@pytest.fixture
def installation(
    database: str,
    prepared: Path,
    feature_store: FeatureStore,
    generated: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The generated corpus, indexed and with features, ready to be trained on, and an empty registry."""
    shutil.copytree(prepared, tmp_path / "data", dirs_exist_ok=True)
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    return generated


@pytest.fixture
def token(database: str) -> str:
    """Session of an administrator."""
    with writing() as connection:
        return open_session("admin", connection)


@pytest.fixture
def registry(published: StoredModel, tmp_path: Path) -> Registry:
    """A registry of its own with the small model, to change at will."""
    shutil.copytree(published.folder.parent, tmp_path / "artifacts")
    return Registry(tmp_path / "artifacts")
