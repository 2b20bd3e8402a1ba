"""What a screen shows of a running training: the end of its log, and the curves that grow."""

import os
from typing import TYPE_CHECKING, Final

from core.config import STORED_NAME, data_folder
from core.corpus.catalogue import find_corpus
from core.errors import CorpusError, TrainingError
from core.learning.runs import HISTORY_COLUMNS, mark_chosen, read_history
from core.operations.jobs.process import job_folder
from core.operations.jobs.record import Job
from core.operations.spec import RUNS, TrainingSpec

if TYPE_CHECKING:
    import pandas as pd

LOG_BYTES: Final = 64 * 2**10
"""Largest part of a log that is read, in bytes."""


def read_log(job: int, n_lines: int = 100) -> str:
    """Return the last lines of a job's log, over all attempts; empty before it began."""
    path = job_folder(job) / "log.txt"
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - LOG_BYTES, 0))
        text = file.read(LOG_BYTES).decode(errors="replace")
    return "\n".join(text.replace("\r", "\n").splitlines()[-n_lines:])


def read_curves(job: Job) -> "pd.DataFrame":
    """Return the epochs so far of all folds of a job.

    Parameters
    ----------
    job : Job
        A job; before its folds began there is nothing.

    Returns
    -------
    pandas.DataFrame
        A row an epoch: ``protocol, seed, fold``, then ``core.learning.runs.HISTORY_COLUMNS`` and ``is_chosen``,
        the best epoch of the fold so far; epochs count from 1.
    """
    import pandas as pd

    parts = []
    if STORED_NAME.fullmatch(job.run) and not job.problem:
        run = data_folder() / RUNS / job.run
        for protocol in _folds_of(job.spec):
            for seed in job.spec.seeds:
                for path in sorted((run / protocol / f"seed-{seed}").glob("fold-*/history.csv")):
                    history = mark_chosen(read_history(path))
                    fold = int(path.parent.name.removeprefix("fold-"))
                    parts.append(history.assign(protocol=protocol, seed=seed, fold=fold))
    columns = ["protocol", "seed", "fold", *HISTORY_COLUMNS, "is_chosen"]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)


def _folds_of(spec: TrainingSpec) -> tuple[str, ...]:
    """Return all that folds are trained for; nothing where recipe or corpus are not here any more."""
    try:
        return spec.folds_of
    except (TrainingError, CorpusError):
        return ()


def mean_curves(history: "pd.DataFrame", spec: TrainingSpec) -> "pd.DataFrame":
    """Return how a training learned on the whole, by the protocol that counts where it was trained by that.

    Parameters
    ----------
    history : pandas.DataFrame
        As from ``read_curves``, or a model's ``history.csv``.
    spec : TrainingSpec
        What was trained.

    Returns
    -------
    pandas.DataFrame
        A row an epoch: ``epoch``, and the means of ``val_accuracy`` and ``val_loss`` over seeds and folds.
    """
    try:
        main_protocol = find_corpus(str(spec.corpus)).main_protocol
    except CorpusError:  # it is not here any more
        main_protocol = ""
    protocols = list(dict.fromkeys(history["protocol"]))
    if protocols:
        history = history[history["protocol"] == (main_protocol if main_protocol in protocols else protocols[0])]
    return history.groupby("epoch", as_index=False)[["val_accuracy", "val_loss"]].mean()
