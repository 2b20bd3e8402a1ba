"""Batch answers a second and memory, over a growing number of clips: ``python -m benchmarks.batch [SIZE ...]``.

Each size runs ``python -m core predict FOLDER`` in a process of its own, on clips made of the samples that ship, with
noise; few are made, and the others are links to them. What grows with the number of clips is told apart from what does
not by a straight line through the sizes. What an answer costs besides the answer, the ledger and the table, is measured
on rows without sounds. From these follow, on paper, the costs of a million clips and of a hundred million, and what
would give way first.
"""

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import psutil

from core.audio.decode import decode
from core.config import PROJECT_ROOT
from core.corpus.samples import list_samples
from core.serving.batch import form_of
from core.serving.exports import to_int16, wav_bytes
from core.serving.ledger import Answer, Ledger
from core.work.parallel import BLOCK

SIZES: Final = (128, 256, 512, 1024)
N_MADE: Final = 64
"""Clips that are made; the others are links."""
N_JOBS: Final = 2
N_ROWS: Final = 50_000
"""Rows that tell what ledger and table cost."""
PAPER: Final = (10**6, 10**8)
HOUR, GIGABYTE = 3600, 1e9


class Run(NamedTuple):
    """What a batch took."""

    clips: int
    seconds: float
    main: float
    """Largest memory of the process that was started, in bytes."""
    worker: float
    """The same of the one of its workers that had most."""


def main() -> None:
    """Measure, and print what was measured and what follows from it."""
    sizes = sorted(map(int, sys.argv[1:])) or SIZES
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        n_bytes = _make_clips(folder / "made")
        runs = [_measure_run(folder, n) for n in sizes]
        row_seconds, row_bytes, table_bytes = _measure_rows(folder)
    for run in runs:
        print(
            f"{run.clips:,} clips: {run.seconds:.1f} s, {run.clips / run.seconds:.1f} answers/s with {N_JOBS} "
            f"processes; {run.main / 1e6:.0f} MB, a worker {run.worker / 1e6:.0f} MB"
        )
    clips = np.array([run.clips for run in runs])
    seconds, start = np.polyfit(clips, [run.seconds for run in runs], 1)
    main_growth = np.polyfit(clips, [run.main for run in runs], 1)[0]
    worker_growth = np.polyfit(clips, [run.worker for run in runs], 1)[0]
    print(f"start {start:.1f} s, then {1e3 * seconds:.1f} ms a clip, {1e3 * row_seconds:.3f} ms of it ledger and table")
    print(f"memory that a clip adds: {main_growth:.0f} bytes, in a worker {worker_growth:.0f} bytes")
    for n in PAPER:
        print(
            f"{n:,} clips: {n * seconds * N_JOBS / HOUR:,.0f} hours of a core; {n * n_bytes / GIGABYTE:,.0f} GB of "
            f"sounds; {n * row_bytes / GIGABYTE:,.1f} GB of ledger; {n * table_bytes / GIGABYTE:,.1f} GB of table"
        )
    a_second = 1 / (seconds * N_JOBS)
    print(
        f"what gives way first: one ledger keeps up with {1 / (row_seconds * a_second):,.0f} cores; on a cluster, "
        f"sounds travel at {a_second * n_bytes / 1e6:.2f} MB/s a core, which fill 1 Gbit/s at "
        f"{125e6 / (a_second * n_bytes):,.0f} cores"
    )


def _make_clips(folder: Path) -> float:
    """Write clips that differ, and return their mean size in bytes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    voices = itertools.cycle([decode(sample.path).y for sample in list_samples()])
    for k, y in zip(range(N_MADE), voices, strict=False):
        noisy = rng.uniform(0.3, 1) * y + rng.normal(0, 1e-3, y.shape)
        (folder / f"{k}.wav").write_bytes(wav_bytes(to_int16(noisy.astype(np.float32))))
    return float(np.mean([path.stat().st_size for path in folder.iterdir()]))


def _measure_run(folder: Path, n: int) -> Run:
    """Answer for n clips in a process of its own."""
    clips = folder / f"clips-{n}"
    for k in range(n):
        path = clips / f"{k // 1000}" / f"{k}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / "made" / f"{k % N_MADE}.wav", path)
    output = folder / f"answers-{n}.parquet"
    command = [sys.executable, "-m", "core", "predict", clips, "--output", output, "--jobs", str(N_JOBS)]
    start = time.perf_counter()
    with (
        subprocess.Popen(
            list(map(str, command)), cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process,
        _watched(process.pid) as peaks,
    ):
        if process.wait():
            raise RuntimeError(f"the batch of {n} clips failed")
    return Run(n, time.perf_counter() - start, *peaks)


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """Yield the largest memory of a process and that of its largest worker so far, in bytes."""
    peaks, ended = [0.0, 0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                own = process.memory_info().rss
                others = [child.memory_info().rss for child in process.children(recursive=True)]
                peaks[:] = np.maximum(peaks, [own, max(others, default=0)])

    thread = threading.Thread(target=watch)
    thread.start()
    yield peaks
    ended.set()
    thread.join()


def _measure_rows(folder: Path) -> tuple[float, float, float]:
    """Return the seconds that ledger and table take for a row, and the bytes of a row in each."""
    from core.serving.predictor import Predictor

    predictor, form = Predictor.load(), form_of(Path("x.parquet"))
    fields = json.loads(form.tell("0/000000.wav", predictor.predict_file(list_samples()[0].path)))
    rng, numbers = np.random.default_rng(0), [name for name, value in fields.items() if isinstance(value, float)]
    # Other numbers in each row: equal ones would take no room.
    texts = [json.dumps(fields | dict(zip(numbers, row, strict=True))) for row in rng.random((N_ROWS, len(numbers)))]
    names, table = [f"{k // 1000:02}/{k:06}.wav" for k in range(N_ROWS)], io.BytesIO()
    start = time.perf_counter()
    with Ledger(folder / "ledger") as ledger:
        ledger.begin({}, names)
        pending = list(ledger.pending())
        for k in range(0, N_ROWS, BLOCK):
            rows = zip(pending[k : k + BLOCK], texts[k : k + BLOCK], strict=True)
            ledger.keep([Answer(name, text, failed=False) for name, text in rows])
        form.write(table, ledger.texts(), predictor.labels)
    elapsed = time.perf_counter() - start
    return elapsed / N_ROWS, (folder / "ledger").stat().st_size / N_ROWS, table.tell() / N_ROWS


if __name__ == "__main__":
    main()
