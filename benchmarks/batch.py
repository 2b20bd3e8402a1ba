"""Batch answers a second and memory, over a growing number of clips: ``python -m benchmarks.batch``, for minutes.

Each size runs ``python -m core predict FOLDER`` in a process of its own, on clips made of the samples that ship, with
noise; few are made, and the others are links to them. What grows with the number of clips is told apart from what does
not by a straight line through the sizes. What an answer costs besides the answer, the ledger and the table, is measured
on rows without sounds. From these follow, on paper, the costs of a million clips and of a hundred million, and what
would give way first. ``make results`` draws the page of the documentation from the JSON.
"""

import argparse
import contextlib
import dataclasses
import datetime
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from benchmarks.table import describe_machine
from core.audio.decode import Waveform, decode
from core.audio.extraction import extract
from core.config import PROJECT_ROOT
from core.corpus.samples import list_samples
from core.serving.batch import form_of
from core.serving.exports import to_int16, wav_bytes
from core.serving.known import recognise
from core.serving.ledger import Answer, Ledger
from core.serving.predictor import Predictor
from core.serving.registry import Registry
from core.work.parallel import BLOCK

RESULTS: Final = PROJECT_ROOT / "benchmarks" / "batch.json"
SIZES: Final = (128, 256, 512, 1024)
N_MADE: Final = 64
"""Clips that are made; the others are links."""
N_JOBS: Final = 2
N_ROWS: Final = 50_000
"""Rows that tell what ledger and table cost."""
PAPER: Final = (10**6, 10**8)
HOUR, GIGABYTE, GIGABIT = 3600, 1e9, 125e6
"""In seconds, bytes, and bytes a second."""


class Run(NamedTuple):
    """What a batch took."""

    clips: int
    seconds: float
    main: float
    """Largest memory of the process that was started, in bytes."""
    worker: float
    """The same of the one of its workers that had most."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured, and what follows from it."""

    runs: tuple[Run, ...]
    stages: dict[str, float]
    """Seconds of each step from a clip to its row, in one process."""
    clip_seconds: float
    """Mean length of a clip, in seconds."""
    clip_bytes: float
    """Mean size of a clip, in bytes."""
    row_seconds: float
    """Seconds that ledger and table take for a row."""
    ledger_bytes: float
    """Bytes of a row in the ledger."""
    table_bytes: float
    """Bytes of a row in the table."""

    def line(self, column: str) -> tuple[float, float]:
        """Return what a clip adds to a column of the runs, and what there is without any, by a straight line."""
        slope, start = np.polyfit([run.clips for run in self.runs], [getattr(run, column) for run in self.runs], 1)
        return float(slope), float(start)

    @property
    def core_seconds(self) -> float:
        """Seconds of a core that a clip takes, without the start."""
        return self.line("seconds")[0] * N_JOBS

    def describe(self) -> str:
        """Return it as Markdown: the runs, the steps, the costs on paper, and what would give way first."""
        return "\n".join([*self._runs(), "", *self._steps(), "", *self._paper(), "", *self._limits()])

    def _runs(self) -> Iterator[str]:
        yield "| clips | seconds | answers a second | memory, MB | memory of a worker, MB |"
        yield "|---|---|---|---|---|"
        for run in self.runs:
            rate = run.clips / run.seconds
            yield f"| {run.clips:,} | {run.seconds:.1f} | {rate:.1f} | {run.main / 1e6:.0f} | {run.worker / 1e6:.0f} |"
        yield ""
        added = self.line("main")[0], self.line("worker")[0]
        yield (
            f"{N_JOBS} processes, clips of {self.clip_seconds:.1f} s. By a straight line through the runs: a start of "
            f"{self.line('seconds')[1]:.1f} s, {1e3 * self.core_seconds:.1f} ms of a core for a clip, and "
            f"{added[0] / 1e3:.1f} kB of memory that a clip adds ({added[1] / 1e3:.1f} kB in a worker)."
        )

    def _steps(self) -> Iterator[str]:
        yield "| step, in one process | ms a clip | share |"
        yield "|---|---|---|"
        whole = sum(self.stages.values())
        for name, seconds in self.stages.items():
            yield f"| {name} | {1e3 * seconds:.2f} | {seconds / whole:.0%} |"

    def _paper(self) -> Iterator[str]:
        yield "| clips | hours of a core | hours of 64 cores | sounds, GB | ledger, GB | table, GB | writing, hours |"
        yield "|---|---|---|---|---|---|---|"
        for n in PAPER:
            hours = n * self.core_seconds / HOUR
            sizes = (n * size / GIGABYTE for size in (self.clip_bytes, self.ledger_bytes, self.table_bytes))
            cells = [f"{n:,}", f"{hours:,.0f}", f"{hours / 64:,.1f}", *(f"{size:,.1f}" for size in sizes)]
            yield f"| {' | '.join([*cells, f'{n * self.row_seconds / HOUR:,.1f}'])} |"

    def _limits(self) -> Iterator[str]:
        a_second = 1 / self.core_seconds
        limits = {
            "a network of 1 Gbit/s between the machine that has the sounds and those that compute, since sounds travel "
            f"at {a_second * self.clip_bytes / 1e6:.2f} MB/s for each core": GIGABIT / (a_second * self.clip_bytes),
            "the ledger, one file that one process writes": 1 / (self.row_seconds * a_second),
        }
        for place, (words, cores) in enumerate(sorted(limits.items(), key=lambda limit: limit[1]), start=1):
            yield f"{place}. With {cores:,.0f} cores: {words}."


def main() -> None:
    """Measure, print what was measured and what follows from it, and write it down."""
    parser = argparse.ArgumentParser(description="Measure batches of growing size, and what larger ones would cost.")
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE", help="clips of each batch")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        clip_seconds, clip_bytes = _make_clips(folder / "made")
        stages = _measure_stages(folder / "made")
        runs = tuple(_measure_run(folder, n) for n in sorted(options.sizes))
        measured = Measured(runs, stages, clip_seconds, clip_bytes, *_measure_rows(folder))
    print(measured.describe())
    written = {"machine": describe_machine(), "date": datetime.datetime.now(datetime.UTC).date().isoformat()}
    written |= {"model": Registry().load().name, "measured": dataclasses.asdict(measured)}
    options.output.write_text(json.dumps(written, indent=1) + "\n")


def read_measured(path: Path = RESULTS) -> tuple[dict[str, Any], Measured]:
    """Return what a run wrote: all but what it measured, and that."""
    written = json.loads(path.read_text())
    fields = written.pop("measured")
    return written, Measured(**fields | {"runs": tuple(Run(*run) for run in fields["runs"])})


def _make_clips(folder: Path) -> tuple[float, float]:
    """Write clips that differ, and return their mean length in seconds and size in bytes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    voices = itertools.cycle([decode(sample.path).y for sample in list_samples()])
    for k, y in zip(range(N_MADE), voices, strict=False):
        noisy = rng.uniform(0.3, 1) * y + rng.normal(0, 1e-3, y.shape)
        (folder / f"{k}.wav").write_bytes(wav_bytes(to_int16(noisy.astype(np.float32))))
    paths = list(folder.iterdir())
    durations, sizes = [decode(path).duration for path in paths], [path.stat().st_size for path in paths]
    return float(np.mean(durations)), float(np.mean(sizes))


def _measure_stages(folder: Path) -> dict[str, float]:
    """Return the seconds of each step from a clip to its row: medians over the clips, in this process alone."""
    predictor, form = Predictor.load(), form_of(Path("x.parquet"))
    steps: dict[str, Callable[[Any], Any]] = {
        "reading and decoding": decode,
        "looking for a voice": lambda waveform: (waveform, predictor.hear(waveform)),
        "features": lambda heard: (
            heard[0],
            [extract(Waveform.of_samples(found.y), predictor.model.features) for found in heard[1]],
        ),
        "the network": lambda heard: (heard[0], predictor.predict_features(np.stack(heard[1]))),
        "whether the recording is known": lambda answered: recognise(answered[0], predictor.model),
    }
    taken: dict[str, list[float]] = {name: [] for name in [*steps, "all"]}
    paths = sorted(folder.iterdir())
    with threadpool_limits(1):
        predictor.predict_file(paths[0])
        for path in paths:
            value: Any = path
            for name, step in steps.items():
                start = time.perf_counter()
                value = step(value)
                taken[name].append(time.perf_counter() - start)
            start = time.perf_counter()
            form.tell(path.name, predictor.predict_file(path))
            taken["all"].append(time.perf_counter() - start)
    medians = {name: float(np.median(seconds)) for name, seconds in taken.items()}
    whole = medians.pop("all")
    return medians | {"the rest": max(whole - sum(medians.values()), 0.0)}


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
