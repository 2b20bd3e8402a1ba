"""All that is asked of speed, ours beside the reference pipeline, in turns in one run: ``make bench``.

Prints a table with medians, spread and ratios, and writes it with the machine's description as JSON, from which
``make results`` draws the page of the documentation. A ratio above 1 says how many times ours is better. Clips of the
corpus are read where ``RAVDESS_ROOT`` names it, else the samples that ship.
"""

import argparse
import contextlib
import dataclasses
import datetime
import functools
import itertools
import json
import multiprocessing
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import joblib
import keras
import librosa
import numpy as np
import psutil
import threadpoolctl
from joblib import Parallel, delayed
from numpy.typing import NDArray

from benchmarks import reference_pipeline
from core.audio.decode import Waveform, decode
from core.audio.extraction import extract, extract_clip
from core.audio.features.base import FeatureSet
from core.audio.features.reference import ReferenceFeatures
from core.config import PROJECT_ROOT, SAMPLE_RATE
from core.corpus.samples import list_samples
from core.learning.networks import build_reference
from core.learning.recipes.reference import RECIPE
from core.serving.exports import export_reference
from core.serving.predictor import Predictor
from core.serving.registry import Registry
from core.serving.timeline import follow

RESULTS: Final = PROJECT_ROOT / "benchmarks" / "results.json"
N_CLIPS: Final = 64
"""Clips that features are computed of on two cores."""
FOLLOWED: Final = 60
"""Length of the sound that is followed over time, in seconds."""
N_EPOCH: Final = 2_048
"""Clips of the epoch."""


LAUNCHER: Final = """
import os, sys, time
start = time.perf_counter()
quiet = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_WRONLY, 0) for n in (1, 2)]
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(process, 0)
print(time.perf_counter() - start, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts a command from a small process: the largest memory of one begins at that of whoever started it."""


@dataclasses.dataclass(frozen=True)
class Row:
    """What one piece of work took."""

    work: str
    unit: str
    ours: tuple[float, ...]
    reference: tuple[float, ...] = ()
    """Empty where the reference project has no such work."""
    is_speed: bool = False
    """Whether more is better."""

    @property
    def ratio(self) -> float | None:
        """How many times ours is better than the reference, by the medians."""
        if not self.reference:
            return None
        ratio = float(np.median(self.reference) / np.median(self.ours))
        return 1 / ratio if self.is_speed else ratio


def main() -> None:
    """Measure the rows that are asked for, all by default, print them and write them down."""
    parser = argparse.ArgumentParser(description="Measure speed and memory against the reference pipeline.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(ROWS)}; all by default")
    parser.add_argument("--rounds", type=int, default=9, help="times that each piece of work is done")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON to write")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        rows = []
        for name in options.rows or ROWS:
            for row in ROWS[name](place, options.rounds):
                rows.append(row)
                print(line(row), flush=True)
    written = {
        "machine": describe_machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "model": Registry().load().name,
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    options.output.write_text(json.dumps(written, indent=1) + "\n")


def read_rows(path: Path = RESULTS) -> tuple[dict[str, Any], list[Row]]:
    """Return what a run wrote: all but the rows, and the rows."""
    written = json.loads(path.read_text())
    return written, [Row(**fields) for fields in written.pop("rows")]


def line(row: Row) -> str:
    """Return a row as it is printed."""
    ratio = "" if row.ratio is None else f", ratio {row.ratio:.1f}"
    theirs = f"; reference {spread(row.reference)} {row.unit}" if row.reference else ""
    return f"{row.work}: {spread(row.ours)} {row.unit}{theirs}{ratio}"


def spread(values: Sequence[float]) -> str:
    """Return the median of values and, in brackets, their quartiles, to three digits.

    >>> spread([1.0, 2.0, 4.0])
    '2 [1.5, 3]'
    """
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.3g} [{low:.3g}, {high:.3g}]"


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, memory, versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.__version__,
    }


@dataclasses.dataclass(frozen=True)
class Place:
    """Where files of a run lie, and the clips that it reads."""

    folder: Path

    @property
    def clips(self) -> list[Path]:
        """Clips of the corpus, the same in every run; the samples where the corpus is not there."""
        root = os.environ.get("RAVDESS_ROOT")
        found = sorted(Path(root).rglob("*.flac")) + sorted(Path(root).rglob("*.wav")) if root else []
        if not found:
            found = [sample.path for sample in list_samples() if sample.is_real]
        return found[:: max(len(found) // N_CLIPS, 1)][:N_CLIPS]

    @property
    def clip(self) -> Path:
        """One of them."""
        return self.clips[0]

    @property
    def reference_files(self) -> tuple[Path, Path]:
        """The reference project's two files, network and scaler, as our reference recipe exports them."""
        target = self.folder / "reference"
        if target.is_dir():
            return target / "model.h5", target / "scaler.pkl"
        target.mkdir()
        return export_reference(Registry().names_of("reference")[0], target)


def in_turns(rounds: int, *works: Callable[[], object]) -> list[tuple[float, ...]]:
    """Do pieces of work in turns, once before the clock runs, and return the seconds of each."""
    return take_turns(rounds, *(functools.partial(clock, work) for work in works))


def take_turns(rounds: int, *clocks: Callable[[], float]) -> list[tuple[float, ...]]:
    """Call in turns what does a work and returns its seconds, once for nothing; return the seconds of each."""
    for of_work in clocks:
        of_work()
    times = [[of_work() for of_work in clocks] for _ in range(rounds)]
    return [tuple(seconds) for seconds in zip(*times, strict=True)]


def clock(work: Callable[[], object]) -> float:
    """Return the seconds that a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ms(seconds: Sequence[float]) -> tuple[float, ...]:
    """Return seconds as milliseconds."""
    return tuple(1e3 * value for value in seconds)


class Apart:
    """Work in a process of its own: what it leaves running, as TensorFlow's threads, slows nothing that is measured.

    Parameters
    ----------
    make : callable
        Called there once, on one core; returns the work.
    """

    def __init__(self, make: Callable[[], Callable[[], object]]) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin, (make,))

    def seconds(self) -> float:
        """Do the work once and return how long it took."""
        return self._pool.submit(_clock_work).result()

    def end(self) -> None:
        """End the process."""
        self._pool.shutdown()


_work: Callable[[], object]
"""What a process of ``Apart`` does."""


def _begin(make: Callable[[], Callable[[], object]]) -> None:
    global _work  # noqa: PLW0603 - a process has one work
    threadpoolctl.threadpool_limits(1)
    _work = make()


def _clock_work() -> float:
    return clock(_work)


def apart(rounds: int, *makes: Callable[[], Callable[[], object]]) -> list[tuple[float, ...]]:
    """Do works in turns, each warm and in a process of its own on one core, and return the seconds of each."""
    works = [Apart(make) for make in makes]
    try:
        return take_turns(rounds, *(work.seconds for work in works))
    finally:
        for work in works:
            work.end()


def features(place: Place, rounds: int) -> Iterator[Row]:
    """Measure the reference's 62 features of a decoded clip, warm, on one core."""
    makes = (functools.partial(make, place.clip) for make in (_our_features, _their_features))
    ours, theirs = apart(3 * rounds, *makes)
    yield Row("62 features of a clip, warm, one core", "ms", ms(ours), ms(theirs))


def _our_features(clip: Path) -> Callable[[], object]:
    own, waveform = ReferenceFeatures(), Waveform.of_samples(librosa.load(clip, duration=4)[0])
    return lambda: extract(waveform, own)


def _their_features(clip: Path) -> Callable[[], object]:
    y, sr = librosa.load(clip, duration=4)
    return lambda: reference_pipeline.extract(y, int(sr))


def answer(place: Place, rounds: int) -> Iterator[Row]:
    """Measure the way from the bytes of a clip to the answer of the model in use, warm, and that of the reference."""
    theirs = functools.partial(_their_answers, place.clips, *place.reference_files)
    mine, other = apart(3 * rounds, functools.partial(_our_answers, place.clips), theirs)
    yield Row("bytes to answer, warm, one core", "ms", ms(mine), ms(other))
    yield Row("the same, 95th percentile", "ms", (1e3 * float(np.percentile(mine, 95)),))


def _our_answers(clips: Sequence[Path]) -> Callable[[], object]:
    predictor, contents = Predictor.load(), itertools.cycle([path.read_bytes() for path in clips])
    return lambda: predictor.predict(decode(next(contents)))


def _their_answers(clips: Sequence[Path], network_path: Path, scaler_path: Path) -> Callable[[], object]:
    of_features, paths = _their_network(network_path, scaler_path), itertools.cycle(clips)

    def ask() -> object:
        y, sr = librosa.load(next(paths), duration=4)
        return of_features(reference_pipeline.extract(y, int(sr)))

    return ask


def _their_network(network_path: Path, scaler_path: Path) -> Callable[[NDArray[np.float64]], object]:
    """Return what answers for features as the reference does."""
    network = keras.models.load_model(network_path)
    scaler = joblib.load(scaler_path)  # written a moment ago by this run
    return lambda X: network.predict(scaler.transform(X)[np.newaxis], verbose=0)


def script(place: Place, rounds: int) -> Iterator[Row]:
    """Measure a fresh process that answers for one file, and its largest memory."""
    yield from _scripts(place, rounds, "script", {})


def new_environment(place: Place, rounds: int) -> Iterator[Row]:
    """Measure the same where nothing was compiled yet: the caches of compiled code are empty."""
    empty = {"NUMBA_CACHE_DIR": "numba", "PYTHONPYCACHEPREFIX": "pycache"}
    yield from _scripts(place, max(rounds // 3, 1), "script with nothing compiled", empty)


def _scripts(place: Place, rounds: int, work: str, empty: Mapping[str, str]) -> Iterator[Row]:
    network, scaler = map(str, place.reference_files)
    commands = (
        ["testscript.py", str(place.clip), "--json"],
        ["-m", "benchmarks.reference_pipeline", str(place.clip), network, scaler],
    )
    measured: tuple[list[tuple[float, float]], ...] = ([], [])
    for k in range(rounds + (not empty)):
        for command, values in zip(commands, measured, strict=True):
            with tempfile.TemporaryDirectory() as folder:
                caches = {name: str(Path(folder, part)) for name, part in empty.items()}
                value = _run([sys.executable, *command], os.environ | caches)
            if k or empty:
                values.append(value)
    for unit, name, column in (("s", work, 0), ("MiB", f"{work}, largest memory", 1)):
        yield Row(name, unit, *(tuple(value[column] for value in values) for values in measured))


def _run(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Run a command; return its seconds and its largest resident memory in MiB."""
    told = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, *command],
        cwd=PROJECT_ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, kibibytes = map(float, told.stdout.splitlines()[-1].split())
    return seconds, kibibytes / 1024


def corpus_features(place: Place, rounds: int) -> Iterator[Row]:
    """Measure clips to features in two processes: those of the model in use, and the 62 by the reference pipeline."""
    used = Registry().load().features
    clips = place.clips
    with Parallel(n_jobs=2) as pool:
        ours, theirs = in_turns(
            max(rounds // 3, 1),
            lambda: pool(delayed(_own_features)(path, used) for path in clips),
            lambda: pool(delayed(_reference_features)(path) for path in clips),
        )
    per_clip = [tuple(1e3 * value / len(clips) for value in values) for values in (ours, theirs)]
    yield Row("a clip to the features of the model in use, two processes", "ms", *per_clip)


def _own_features(path: Path, features: FeatureSet) -> object:
    return extract_clip(decode(path), features, None, path.stem)


def _reference_features(path: Path) -> object:
    y, sr = librosa.load(path, duration=4)
    return reference_pipeline.extract(y, int(sr))


def epoch(place: Place, rounds: int) -> Iterator[Row]:  # noqa: ARG001 - reads no clip
    """Measure an epoch of the reference's network: as our recipe trains it, and as Keras does by default."""
    recipe = RECIPE
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_EPOCH, *recipe.features.shape)).astype(np.float32)
    y = keras.utils.to_categorical(rng.integers(0, 8, N_EPOCH))

    def of(*, unroll: bool) -> Callable[[], object]:
        network = build_reference(recipe, X.shape[-1], 8, unroll=unroll)
        network.compile(keras.optimizers.Adam(recipe.learning_rate), loss="categorical_crossentropy")
        return lambda: network.fit(X, y, batch_size=recipe.batch_size, verbose=0)

    ours, theirs = in_turns(max(rounds // 3, 1), of(unroll=True), of(unroll=False))
    yield Row("an epoch of the reference recipe", "s", ours, theirs)


def followed(place: Place, rounds: int) -> Iterator[Row]:
    """Measure a minute of speech followed over time; the reference pipeline answers each four seconds of it."""
    theirs = functools.partial(_they_follow, place.clips, *place.reference_files)
    times = apart(max(rounds // 3, 1), functools.partial(_we_follow, place.clips), theirs)
    speed = [tuple(FOLLOWED / value for value in values) for values in times]
    yield Row("a sound followed over time", "times as fast as it plays", *speed, is_speed=True)


def _minute(clips: Sequence[Path]) -> NDArray[np.float32]:
    """Return the speech that is followed, shape (n,)."""
    return np.resize(np.concatenate([decode(path).y for path in clips[:16]]), FOLLOWED * SAMPLE_RATE)


def _we_follow(clips: Sequence[Path]) -> Callable[[], object]:
    predictor, seconds = Predictor.load(), np.split(_minute(clips), FOLLOWED)
    return lambda: list(follow(seconds, predictor))


def _they_follow(clips: Sequence[Path], network_path: Path, scaler_path: Path) -> Callable[[], object]:
    of_features, windows = _their_network(network_path, scaler_path), np.split(_minute(clips), FOLLOWED // 4)
    return lambda: [of_features(reference_pipeline.extract(window, SAMPLE_RATE)) for window in windows]


def first_screen(place: Place, rounds: int) -> Iterator[Row]:  # noqa: ARG001 - reads no clip
    """Measure the way from the start of the server to the first page that can be used, in Chromium, nothing kept."""
    from playwright.sync_api import sync_playwright

    if shutil.which("chromium") is None:
        return
    values = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(max(rounds // 3, 1)):
            page = browser.new_context().new_page()
            start = time.perf_counter()
            with served() as address:
                page.goto(address)
                page.get_by_text("Drop sound files here").first.wait_for(timeout=60_000)
                values.append(time.perf_counter() - start)
            page.context.close()
        browser.close()
    yield Row("process start to first useful screen", "s", tuple(values))


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Start the app on a free port, wait until it listens, and stop it in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "soundwebapp.py", "--server.headless", "true"]
    with tempfile.TemporaryDirectory() as data:
        server = subprocess.Popen(
            [*command, "--server.port", str(port)],
            cwd=PROJECT_ROOT,
            env=os.environ | {"SOUNDWEB_DATA": data},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            while True:
                with contextlib.suppress(OSError, urllib.error.URLError):
                    urllib.request.urlopen(address, timeout=1).close()
                    break
                if server.poll() is not None:
                    raise RuntimeError("The server ended before it answered.")
                time.sleep(0.02)
            yield address
        finally:
            server.terminate()
            server.wait(10)


ROWS: Final[dict[str, Callable[[Place, int], Iterator[Row]]]] = {
    "features": features,
    "script": script,
    "new-environment": new_environment,
    "answer": answer,
    "corpus-features": corpus_features,
    "epoch": epoch,
    "followed": followed,
    "first-screen": first_screen,
}
"""What can be measured, by the names that the command takes."""

if __name__ == "__main__":
    main()
