"""Writing a backup, beside a server that may go on."""

import contextlib
import datetime
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from core import __version__
from core.audio.encoder import FOLDER as ENCODERS
from core.audio.encoder import NETWORK_FILE
from core.config import STORED_NAME, artifacts_folder
from core.errors import BackupError
from core.files import partial_of
from core.operations.access import audit
from core.operations.backup.content import CONSOLE, ENCODER_FILES, FORMAT, HEAD, NAMES, TABLES, Summary
from core.operations.database import reading
from core.operations.feedback.entries import feedback_folder
from core.operations.models.archives import MANIFEST
from core.operations.schema import list_revisions
from core.serving.registry import CHAMPION_FILE, MODEL_FILES, STUDY_FILES, Registry
from core.work.progress import Progress, Report, ignore


def back_up(path: Path, report: Report = ignore) -> Summary:
    """Write all that cannot be made again into a file, for its owner alone; a server may go on meanwhile.

    Parameters
    ----------
    path : path
        The file; must be new.
    report : callable
        Told how far it is.

    Returns
    -------
    Summary

    Raises
    ------
    BackupError
        If the file is there already or cannot be written.
    DatabaseError, ModelError
        If database or record of models cannot be read.
    """
    if path.exists():
        raise BackupError(f"{str(path)!r} is there already. Name a new file.")
    partial = partial_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            open(partial, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive,
        ):
            summary = _write(archive, report)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(path)
    except OSError as error:
        raise BackupError(f"{str(path)!r} cannot be written: {error.strerror}. Free some room.") from error
    finally:
        partial.unlink(missing_ok=True)
    audit.record(CONSOLE, "back up", path.name)
    return summary


def _write(archive: zipfile.ZipFile, report: Report) -> Summary:
    """Write models, rows and sounds, and what they are."""
    files = dict(_list_models()) | {f"feedback/{path.name}": path for path in _list_sounds()}
    for done, (name, path) in enumerate(files.items()):
        report(Progress(done, len(files), "files", "Copying files"))
        # A sound that was deleted, or a model, since the folder was read is no part of this moment.
        with contextlib.suppress(FileNotFoundError):
            archive.write(path, name)
    report(Progress(len(files), len(files), "files", "Copying files"))
    rows = _write_tables(archive, report)
    models = {name.split("/")[1] for name in files if name.count("/") == 2}
    sounds = sum(name.startswith("feedback/") for name in archive.namelist())
    summary = Summary(len(models), rows, sounds)
    head = {
        "format": FORMAT,
        "version": __version__,
        "revision": list_revisions()[-1],
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "models": summary.models,
        "rows": summary.rows,
        "sounds": summary.sounds,
    }
    archive.writestr(HEAD, json.dumps(head, indent=1))
    return summary


def _list_models() -> Iterator[tuple[str, Path]]:
    """Yield the files of all models and encoders and the record of the one in use, by their names in the archive."""
    registry = Registry()
    if (registry.root / CHAMPION_FILE).is_file():
        yield f"models/{CHAMPION_FILE}", registry.root / CHAMPION_FILE
    for name in registry.names():
        for path in sorted((registry.root / name).iterdir()):
            if path.name in (MANIFEST, *MODEL_FILES, *STUDY_FILES):
                yield f"models/{name}/{path.name}", path
    encoders = artifacts_folder() / ENCODERS
    for folder in sorted(encoders.iterdir()) if encoders.is_dir() else []:
        if STORED_NAME.fullmatch(folder.name) and (folder / NETWORK_FILE).is_file():
            for path in sorted(folder.iterdir()):
                if path.name in ENCODER_FILES:
                    yield f"encoders/{folder.name}/{path.name}", path


def _list_sounds() -> Iterator[Path]:
    """Yield the sounds of feedback."""
    folder = feedback_folder()
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if NAMES.fullmatch(f"feedback/{path.name}"):
            yield path


def _write_tables(archive: zipfile.ZipFile, report: Report) -> int:
    """Write the rows of all tables as of one moment, and return how many."""
    n = 0
    with reading(at_one_moment=True) as connection:
        for table in TABLES:
            with archive.open(f"database/{table.name}.jsonl", "w", force_zip64=True) as file:
                for row in connection.execution_options(yield_per=1_000).execute(sa.select(table)).mappings():
                    file.write(json.dumps(dict(row), default=datetime.datetime.isoformat).encode() + b"\n")
                    n += 1
            report(Progress(n, 0, "rows", "Copying the database", table.name))
    return n
