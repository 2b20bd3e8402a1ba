import operator
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from core.audio.features.reference import ReferenceFeatures
from core.command_line.application import main
from core.corpus.index import distinct_clips, scan
from core.corpus.prints import write_prints
from core.corpus.ravdess import RAVDESS
from core.corpus.store import FeatureStore
from core.errors import AudioError, ClusterError, CorpusError
from core.learning.recipes import get_recipe
from core.learning.runs import plan_folds
from core.serving.batch import answer_folder
from core.serving.ledger import Ledger
from core.work.parallel import SENT_BYTES, current_cluster, map_blocks, on_cluster
from core.work.progress import Progress, Report, ignore
from tests.conftest import ROOT, TRAINED_ACTORS, encode, tone
from tests.generated import generate_corpus, release_index

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore::ResourceWarning")]  # sockets of what is killed
PROMPT = 120.0
"""Time in which a process of a cluster starts on a busy machine, in seconds."""


class Dask:
    """A scheduler and workers, as the guide starts them: processes that share nothing but the code."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.folder = folder
        port = self.address.rpartition(":")[2]
        self.processes = [self._start("scheduler", "--host", "127.0.0.1", "--port", port)]

    def add_worker(self) -> subprocess.Popen[bytes]:
        worker = self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        self.processes.append(worker)
        return worker

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_ROOT")}
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
            cwd=ROOT,
            env=environment | {"SOUNDWEB_DATA": str(self.folder / "of-workers")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    """A scheduler without workers."""
    started = Dask(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def workers(dask: Dask, monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Two workers of it."""
    from distributed import Client

    monkeypatch.setattr("core.work.cluster.PATIENCE", PROMPT)
    monkeypatch.setattr("core.work.parallel.BLOCK", 4)
    started = [dask.add_worker(), dask.add_worker()]
    with Client(dask.address, timeout=PROMPT, set_as_default=False) as client:
        client.wait_for_workers(2, PROMPT)
    return started


class Killer(list[Progress]):
    """Keeps reports of progress, and kills a worker at the first that tells of some work done."""

    def __init__(self, worker: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self.worker = worker

    def __call__(self, progress: Progress) -> None:
        self.append(progress)
        if 0 < progress.done < progress.total:
            self.worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert kind or self.worker.wait(10) == -signal.SIGKILL


def generate_few(root: Path) -> Path:
    """Write thirty clips of a corpus."""
    for path in generate_corpus(root, actors=(1,), duration=0.5)[30:]:
        path.unlink()
    return root


def test_files_travel_in_blocks_of_bounded_size_and_what_cannot_be_read_says_why(dask, workers, tmp_path):
    sizes = [SENT_BYTES // 2] * 3 + [10] * 7
    for k, size in enumerate(sizes):
        (tmp_path / f"{k:02}").write_bytes(bytes([k]) * size)
    names = [f"{k:02}" for k in range(len(sizes))]
    with on_cluster(dask.address):
        blocks = list(map_blocks(operator.attrgetter("source"), tmp_path, [*names, "missing"], n_jobs=1))
    assert list(map(len, blocks)) == [2, 4, 4, 1]
    *contents, error = [content for block in blocks for content in block]
    assert contents == [(tmp_path / name).read_bytes() for name in names]
    assert isinstance(error, FileNotFoundError)


def test_answers_are_equal_to_the_last_bit_though_a_worker_is_killed(
    dask, workers, fresh_workers, tmp_path, monkeypatch
):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    folder = tmp_path / "sounds"
    folder.mkdir()
    for k in range(30):
        (folder / f"{k:03}.wav").write_bytes(encode(tone(100 + k, 48_000, 0.6), 48_000))
    (folder / "notes.mp3").write_text("no sound")
    answer_folder(folder, tmp_path / "here.jsonl", n_jobs=2)
    with on_cluster(dask.address), Killer(workers[0]) as reports:
        batch = answer_folder(folder, tmp_path / "there.jsonl", report=reports)
    assert (batch.n_files, batch.n_failures) == (31, 1)
    assert (tmp_path / "there.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()
    done = [progress.done for progress in reports[1:]]
    assert done == sorted(set(done)), "no block comes twice"


def test_index_features_and_prints_are_equal_to_the_last_bit_though_a_worker_is_killed(dask, workers, tmp_path):
    root = generate_few(tmp_path / "corpus")
    next(root.rglob("*.wav")).write_bytes(b"broken")

    def make(folder: Path, report: Report) -> list[bytes]:
        index = scan(root, RAVDESS, cache=folder / "index.csv", report=report)
        clips = distinct_clips(index)
        store = FeatureStore(folder, ReferenceFeatures())
        store.update(clips, root)
        write_prints(clips, root, folder / "prints.npz")
        files = (store.folder / "features.f32", store.folder / "digests.txt", folder / "index.csv")
        with np.load(folder / "prints.npz") as prints:
            return [*(path.read_bytes() for path in files), prints["frames"].tobytes(), prints["starts"].tobytes()]

    here = make(tmp_path / "here", ignore)
    with on_cluster(dask.address), Killer(workers[0]) as reports:
        there = make(tmp_path / "there", reports)
    assert there == here


def test_an_error_in_a_worker_is_that_of_a_process_here(dask, workers, tmp_path):
    root = generate_few(tmp_path / "corpus")
    clips = distinct_clips(scan(root, RAVDESS, n_jobs=1))
    (root / clips["path"].iloc[0]).write_bytes(b"broken since")
    store = FeatureStore(tmp_path, ReferenceFeatures())
    with on_cluster(dask.address), pytest.raises(AudioError, match=f"{clips['path'].iloc[0]}: The file is not"):
        store.update(clips, root)


def test_folds_are_equal_to_the_last_bit_though_a_worker_is_killed(dask, workers, fresh_workers, tmp_path):
    from core.learning.training import train

    clips = release_index()
    is_used = clips["speaker"].isin([f"{actor:02}" for actor in TRAINED_ACTORS]) & (clips["channel"] == "speech")
    clips = clips[is_used].reset_index(drop=True).assign(duplicate_of="")
    recipe = get_recipe("statistics")
    X = np.random.default_rng(0).standard_normal((len(clips), *recipe.features.shape)).astype(np.float32)

    def fit(folder: Path, report: Report) -> list[bytes]:
        folds = plan_folds(RAVDESS, clips, ["speaker-emobox", "random", "reference"], [0], folder)
        result = train(recipe, clips, lambda _: X, folds, n_jobs=2, report=report)
        files = [(f.history_path, f.weights_path, f.scaler_path, f.predictions_path) for f in result.folds]
        assert len(files) >= 4
        return [path.read_bytes() for fold in files for path in fold if path.suffix != ".h5"]

    with on_cluster(dask.address), Killer(workers[0]) as reports:
        there = fit(tmp_path / "there", reports)
    assert there == fit(tmp_path / "here", ignore)


def test_the_command_answers_by_a_cluster_which_is_left_afterwards(dask, workers, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "a.wav").write_bytes(encode(tone(), 48_000))
    words = ["predict", str(folder), "--output", str(tmp_path / "a.csv"), "--scheduler", dask.address]
    assert main(words) == 0
    assert "a.csv: 1 files" in capsys.readouterr().out
    assert current_cluster() is None


def test_a_worker_with_another_model_is_refused_and_nothing_is_answered(dask, workers, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    shipped = ROOT / "core" / "corpus" / "known_recordings" / "ravdess.npz"
    shutil.copy(shipped, tmp_path / "data" / "prints-ravdess.npz")
    with (tmp_path / "data" / "prints-ravdess.npz").open("ab") as prints:
        prints.write(b"others")
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "a.wav").write_bytes(encode(tone(), 48_000))
    words = ["predict", str(folder), "--output", str(tmp_path / "a.csv"), "--scheduler", dask.address]
    assert main(words) == 2
    assert "A worker has another model" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists()
    with Ledger(tmp_path / "a.csv.partial") as ledger:
        assert ledger.count() == (1, 0, 0)


def test_a_cluster_that_loses_its_last_worker_is_given_up_and_the_next_goes_on(dask, workers, tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    folder = tmp_path / "sounds"
    folder.mkdir()
    for k in range(30):
        (folder / f"{k:03}.wav").write_bytes(encode(tone(100 + k, 48_000, 0.6), 48_000))

    def kill_all(progress: Progress) -> None:
        if progress.done:
            monkeypatch.setattr("core.work.cluster.PATIENCE", 2.0)
            for worker in workers:
                worker.kill()

    with on_cluster(dask.address), pytest.raises(ClusterError, match="has no workers"):
        answer_folder(folder, tmp_path / "a.jsonl", report=kill_all)
    reports: list[Progress] = []
    answer_folder(folder, tmp_path / "a.jsonl", report=reports.append)
    assert reports[1].done >= 4
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 30


def test_a_scheduler_that_is_lost_is_said_and_what_came_back_is_kept(dask, workers, tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    folder = tmp_path / "sounds"
    folder.mkdir()
    for k in range(30):
        (folder / f"{k:03}.wav").write_bytes(encode(tone(100 + k, 48_000, 0.6), 48_000))

    def kill_scheduler(progress: Progress) -> None:
        if progress.done:
            monkeypatch.setattr("core.work.cluster.PATIENCE", 2.0)
            dask.processes[0].kill()

    with pytest.raises(ClusterError, match="scheduler was lost"), on_cluster(dask.address):
        answer_folder(folder, tmp_path / "a.jsonl", report=kill_scheduler)
    with Ledger(tmp_path / "a.jsonl.partial") as ledger:
        assert 4 <= ledger.count()[1] < 30


def test_without_a_scheduler_or_workers_that_is_said(dask, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("core.work.cluster.PATIENCE", 2.0)
    words = ["predict", str(tmp_path), "--output", str(tmp_path / "a.csv"), "--scheduler"]
    assert main([*words, "tcp://127.0.0.1:9"]) == 2
    assert "No scheduler answers at 'tcp://127.0.0.1:9'. Start one by" in capsys.readouterr().err
    for address in ("nonsense://here", "nonsense://here:1", "blah"):
        assert main([*words, address]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"No scheduler answers at '{address}'" in line
    monkeypatch.setattr("core.work.cluster.PATIENCE", 5.0)
    deadline = time.monotonic() + PROMPT
    while True:
        assert main([*words, dask.address]) == 2
        said = capsys.readouterr().err
        if "No scheduler answers" not in said:  # it has started
            break
        assert time.monotonic() < deadline
    assert "The cluster has no workers. Start some" in said


def test_without_a_cluster_nothing_changes():
    with on_cluster(None):
        assert current_cluster() is None


def test_without_dask_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ClusterError, match=r"pip install 'dask\[distributed\]'"), on_cluster("tcp://127.0.0.1:9"):
        raise CorpusError("never reached")
