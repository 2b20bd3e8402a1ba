"""Answers for all sounds below a folder as one table: in blocks over processes, and on from where it was cut off.

While a batch goes on, a ledger (``core.serving.ledger``) lies beside the table as ``<name>.partial``. When all sounds
have been tried, the table is written from it and moved into place in one step, and the ledger goes. Memory does not
grow with the number of sounds: paths and answers come from the ledger page by page.
"""

import dataclasses
import functools
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from core.audio.sound import ENDINGS
from core.errors import AudioError, BatchError, ModelError, SoundWebError
from core.files import files_below, written_atomically
from core.serving.exports import NUMBERS, prediction_fields, prediction_json, spreadsheet_csv, table_columns
from core.serving.ledger import Answer, Ledger
from core.serving.prediction import Prediction
from core.serving.predictor import Predictor
from core.work.parallel import File, map_blocks
from core.work.progress import Progress, Report, ignore

logger = logging.getLogger(__name__)

SUFFIXES: Final = tuple(f".{ending}" for ending in ENDINGS)
Pages: TypeAlias = Iterable[list[str]]


@dataclasses.dataclass(frozen=True)
class Form:
    """How answers are kept, and made a file of."""

    tell: Callable[[str, Prediction | SoundWebError], str]
    """Returns the answer for a file, or why there is none, as a line of JSON."""
    write: Callable[[BinaryIO, Pages, Sequence[str]], None]
    """Writes such lines, page by page, for a model's emotions."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """A finished batch."""

    n_files: int
    """Sounds that were tried."""
    n_failures: int
    """Those of them without an answer."""


def answer_folder(
    folder: Path, output: Path, *, model: str | None = None, part: str = "", n_jobs: int = 2, report: Report = ignore
) -> Batch | None:
    """Answer for all sounds below a folder, or go on where that was cut off.

    Parameters
    ----------
    folder : path
        Where the sounds are, at any depth; files are taken for sounds by their endings. Links to folders are not
        followed, and hidden folders are left out.
    output : path
        File to write, never over another one; its ending names the form, one of ``FORMS``. Rows are in the order of
        the paths.
    model : str, optional
        Name of the model; the one in use by default.
    part : str
        Which channel or track, where a file holds several voices.
    n_jobs : int
        Processes that answer, unless a cluster does (``core.work.parallel.on_cluster``).
    report : callable
        Called with the files that were tried; may raise to stop, which keeps them.

    Returns
    -------
    Batch or None
        None where the output is there already: nothing is answered twice.

    Raises
    ------
    SoundWebError
        If the model cannot be used, no sound is there, or the output cannot be written.
    """
    form = form_of(output)
    ledger_path = output.with_name(f"{output.name}.partial")
    if not output.parent.is_dir():
        raise BatchError(f"There is no folder {str(output.parent)!r} to write into. Make it, or choose another.")
    if output.is_dir():
        raise BatchError(f"{str(output)!r} is a folder. Choose another name for the table.")
    if output.exists():
        _finish(ledger_path, output)
        return None
    if not folder.is_dir():
        raise BatchError(f"There is no folder {str(folder)!r}. Check its name.")
    predictor = Predictor.load(model)
    about = {"folder": str(folder.resolve()), "model": predictor.model.name, "part": part}
    with Ledger(ledger_path) as ledger:
        report(Progress(0, 0, "files", "Looking for sounds"))
        ledger.begin(about, _find_sounds(folder))
        answer = functools.partial(_answer, predictor.model.name, predictor.digest(), part, form)
        batch = _answer_pending(ledger, folder, answer, n_jobs, report)
        if batch.n_files:
            with written_atomically(output) as file:
                form.write(file, ledger.texts(), predictor.labels)
    ledger_path.unlink()
    if not batch.n_files:
        raise BatchError(f"There is no sound below {str(folder)!r}: no file with an ending of sounds.")
    return batch


def form_of(output: Path) -> Form:
    """Return the form that a file's ending names.

    Raises
    ------
    BatchError
        If it names none.
    """
    form = FORMS.get(output.suffix.lower())
    if form is None:
        raise BatchError(f"The name {output.name!r} needs the ending {' or '.join(FORMS)}, which says the form.")
    return form


def _finish(ledger_path: Path, output: Path) -> None:
    """Remove the ledger of a table that is there, which a kill may have left; never one that holds more."""
    if not ledger_path.exists():
        return
    with Ledger(ledger_path) as ledger:
        n_files, n_tried, _ = ledger.count()
    if n_tried < n_files:
        raise BatchError(
            f"{str(output)!r} is there, but {str(ledger_path)!r} is a batch for it that has not ended. "
            "Move one of them away."
        )
    ledger_path.unlink()


def _find_sounds(folder: Path) -> Iterator[str]:
    for path in files_below(folder):
        if path.suffix.lower() in SUFFIXES:
            yield path.relative_to(folder).as_posix()


def _answer_pending(
    ledger: Ledger, folder: Path, answer: Callable[[File], Answer], n_jobs: int, report: Report
) -> Batch:
    """Answer for what has not been tried, and keep it block by block."""
    n_files, n_tried, n_failures = ledger.count()
    report(Progress(n_tried, n_files, "files", "Answering"))
    for block in map_blocks(answer, folder, ledger.pending(), n_jobs):
        ledger.keep(block)
        n_tried += len(block)
        n_failures += sum(kept.failed for kept in block)
        report(Progress(n_tried, n_files, "files", "Answering"))
    return Batch(n_files, n_failures)


def _answer(model: str, digest: str, part: str, form: Form, file: File) -> Answer:
    """Answer for a file, in a worker; whatever is wrong with it is said in its row, and the others go on."""
    predictor = _load(model, digest)
    answer: Prediction | AudioError
    try:
        answer = predictor.predict_file(file, part=part)
    except AudioError as error:
        answer = error
    except Exception as error:  # one file in a million must not stop the others
        logger.exception("No answer for %s", file.name)
        answer = AudioError(f"Something unexpected went wrong ({type(error).__name__}: {error}).")
    # Names are bytes to the system; those that are no text are shown with their codes.
    shown = os.fsencode(file.name).decode("utf-8", "backslashreplace")
    return Answer(file.name, form.tell(shown, answer), isinstance(answer, AudioError))


@functools.lru_cache(maxsize=1)
def _load(model: str, digest: str) -> Predictor:
    """Load a model once a process, and refuse another of its name: a machine may have its own."""
    predictor = Predictor.load(model)
    if predictor.digest() != digest:
        raise ModelError(
            f"A worker has another model {model!r}, or knows other recordings, than were asked for. "
            "Give it the same folders of models and data."
        )
    return predictor


def _fields_json(file: str, answer: Prediction | SoundWebError) -> str:
    return json.dumps(prediction_fields(file, answer), allow_nan=False)


def _write_lines(file: BinaryIO, pages: Pages, labels: Sequence[str]) -> None:
    del labels  # each line names its own
    for lines in pages:
        file.writelines(f"{line}\n".encode() for line in lines)


def _write_csv(file: BinaryIO, pages: Pages, labels: Sequence[str]) -> None:
    import pandas as pd

    for page, lines in enumerate(pages):
        table = pd.DataFrame(list(map(json.loads, lines)), columns=table_columns(labels))
        file.write(spreadsheet_csv(table, header=page == 0))


def _write_parquet(file: BinaryIO, pages: Pages, labels: Sequence[str]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = dict.fromkeys((*NUMBERS, *labels), pa.float64()) | {"is_uncertain": pa.bool_()}
    schema = pa.schema([(column, kinds.get(column, pa.string())) for column in table_columns(labels)])
    with parquet.ParquetWriter(file, schema) as writer:
        for lines in pages:
            writer.write_table(pa.Table.from_pylist(list(map(json.loads, lines)), schema))


FORMS: Final[Mapping[str, Form]] = {
    ".parquet": Form(_fields_json, _write_parquet),
    ".csv": Form(_fields_json, _write_csv),
    ".jsonl": Form(prediction_json, _write_lines),
}
"""Forms by the endings of names: tables of ``core.serving.exports.prediction_table``, or a JSON object a line."""
