"""Bringing back what a backup holds.

It is hostile until shown otherwise: names are taken apart, never joined to a path; each file is counted while it is
unpacked; models and rows hold up to the checks that they would meet anywhere else. Nothing is unpickled.
"""

import contextlib
import datetime
import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

import sqlalchemy as sa

from core.audio.encoder import FOLDER as ENCODERS
from core.config import STORED_NAME, DecodeLimits, artifacts_folder
from core.errors import BackupError, ModelError, SoundWebError
from core.files import DAMAGED_ZIP, folder_aside, sync_folder, write_atomically
from core.operations.access import audit
from core.operations.backup.content import (
    CONSOLE,
    ENCODER_FILES,
    FORMAT,
    HEAD,
    MAX_ROW,
    MAX_TABLE,
    NAMES,
    TABLES,
    Summary,
)
from core.operations.database import reading, writing
from core.operations.feedback.entries import check_entry, check_place, feedback_folder
from core.operations.models.archives import MANIFEST, MAX_FILE, is_plain, read_entry, store
from core.operations.models.encoders import check_encoder
from core.operations.schema import list_revisions
from core.operations.spec import MAX_NOTES, TrainingSpec, check_form, check_spec
from core.operations.tables import UtcTime, feedback, jobs
from core.serving.registry import CHAMPION_FILE, Registry
from core.values import check_values
from core.work.progress import Progress, Report, ignore

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2200
"""Years between which a row can have been written: pages reckon with its times."""


def restore(path: Path, report: Report = ignore) -> Summary:
    """Bring back what ``back_up`` wrote, into an empty database and beside the models that are there.

    What fails can be repeated: models and sounds that are there already are left as they are, and the database takes
    all rows or none.

    Parameters
    ----------
    path : path
        The file.
    report : callable
        Told how far it is.

    Returns
    -------
    Summary

    Raises
    ------
    BackupError
        If the file is not a backup, is damaged, of another revision of the tables, or the database is not empty.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return _Restoring(archive, report).restore()
    except DAMAGED_ZIP as error:
        raise BackupError(f"{str(path)!r} is not a backup that can be read. Take another copy of it.") from error
    except OSError as error:
        raise BackupError(f"{error.filename or str(path)!r} cannot be used: {error.strerror or error}.") from error


class _Restoring:
    """One restoration."""

    def __init__(self, archive: zipfile.ZipFile, report: Report) -> None:
        self._archive, self._report = archive, report
        self._entries = _check_names(archive)

    def restore(self) -> Summary:
        """Restore everything, what is in use last."""
        head = self._head()
        _refuse_rows()
        models, notes = self._restore_models()
        encoders = self._restore_encoders()
        sounds = self._restore_sounds()
        rows = self._restore_tables(head["created"])
        notes += self._restore_champion()
        return Summary(models + encoders, rows, sounds, tuple(notes))

    def _head(self) -> dict[str, Any]:
        try:
            head = json.loads(self._read(HEAD, MAX_ROW))
            check_values(head)
            found, revision, version = head["format"], head["revision"], str(head["version"])[:20]
            created = str(head["created"])[:40]
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise BackupError("The file is not a backup, or a part of one. Take another copy of it.") from error
        if found != FORMAT or revision != list_revisions()[-1]:
            raise BackupError(
                f"The backup is of version {version!r} (tables {revision!r}), and this version keeps tables "
                f"{list_revisions()[-1]}. Restore it with the version that wrote it, then start the newer one."
            )
        return dict(head, created=created)

    def _restore_models(self) -> tuple[int, list[str]]:
        """Store the models that are not there, each checked as one that is imported."""
        registry, n, notes = Registry(), 0, []
        names = self._folders("model")
        for done, (name, entries) in enumerate(names.items()):
            self._report(Progress(done, len(names), "models", "Checking and storing models"))
            files = {entry.rpartition("/")[2]: self._read(entry, MAX_FILE) for entry in entries}
            place = registry.root / name / MANIFEST
            if place.is_file():
                if place.read_bytes() != files.get(MANIFEST):
                    notes.append(f"The model {name} is there already, and another one. It stays as it is.")
                continue
            try:
                stored = store(files, registry, name)
            except ModelError as error:
                notes.append(f"The model {name} is not restored: {error}")
            else:
                n += stored.name == name
        return n, notes

    def _restore_encoders(self) -> int:
        """Store the encoders that are not there, each checked."""
        n = 0
        for name, entries in self._folders("encoder").items():
            folder = artifacts_folder() / ENCODERS / name
            if folder.exists():
                continue
            files = {entry.rpartition("/")[2]: self._read(entry, MAX_FILE) for entry in entries}
            if set(files) != set(ENCODER_FILES):
                raise BackupError(f"The encoder {name!r} in the backup was altered. Take another copy of it.")
            _store_encoder(folder, files)
            n += 1
        return n

    def _restore_sounds(self) -> int:
        """Store the sounds of feedback, each of which is named by its digest."""
        folder, limit = feedback_folder(), DecodeLimits().max_bytes
        names = [entry for entry in self._entries if entry.startswith("feedback/")]
        for done, entry in enumerate(names):
            self._report(Progress(done, len(names), "sounds", "Storing sounds of feedback"))
            data, name = self._read(entry, limit), entry.rpartition("/")[2]
            if hashlib.sha256(data).hexdigest() != name.partition(".")[0]:
                raise BackupError(f"The sound {name!r} in the backup was altered. Take another copy of it.")
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(folder / name, data, mode=0o600)
        return len(names)

    def _restore_tables(self, created: str) -> int:
        """Write all rows in one transaction."""
        n = 0
        try:
            with writing() as connection:
                _refuse_rows(connection)
                for table in TABLES:
                    n += self._restore_table(connection, table)
                    self._report(Progress(n, 0, "rows", "Restoring the database", table.name))
                audit.record(CONSOLE, "restore", created, within=connection)
        except (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.StatementError) as error:
            raise BackupError("The rows of the backup break the rules of the database; none was restored.") from error
        return n

    def _restore_table(self, connection: sa.Connection, table: sa.Table) -> int:
        """Write the rows of a table, a thousand at a time."""
        entry, n = f"database/{table.name}.jsonl", 0
        if entry not in self._entries:
            raise BackupError(f"The backup lacks the table {table.name!r}. Take another copy of it.")
        with self._archive.open(entry) as file:
            lines = _lines(file)
            while rows := [_row(table, line) for line, _ in zip(lines, range(1_000), strict=False)]:
                connection.execute(sa.insert(table), rows)
                n += len(rows)
        if n and connection.dialect.name == "postgresql" and "id" in table.c:
            # Rows that bring numbers of their own leave the counter where it was.
            counter = sa.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sa.select(sa.func.setval(counter, sa.select(sa.func.max(table.c.id)).scalar_subquery())))
        return n

    def _restore_champion(self) -> list[str]:
        """Put the model in use that was, where it is there; those used before it can be gone back to."""
        entry = f"models/{CHAMPION_FILE}"
        if entry not in self._entries:
            return []
        registry = Registry()
        try:
            record = json.loads(self._read(entry, MAX_ROW))
            names = [str(name) for name in (*record["previous"], record["model"])]
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise BackupError("The record of the model in use in the backup cannot be read.") from error
        known = set(registry.names())
        for name in filter(known.__contains__, names):
            with contextlib.suppress(ModelError):  # of an older version, it is stored and cannot be used
                registry.promote(name)
        if registry.has_champion() and registry.champion() == names[-1]:
            return []
        return [f"The model that was in use, {names[-1]!r:.60}, cannot be used. Promote another one."]

    def _folders(self, kind: str) -> dict[str, list[str]]:
        """Return the entries of each model or encoder, by its name."""
        found: dict[str, list[str]] = {}
        for entry in self._entries:
            match = NAMES.fullmatch(entry)
            if match and match[kind]:
                found.setdefault(match[kind], []).append(entry)
        return found

    def _read(self, entry: str, limit: int) -> bytes:
        if entry not in self._entries:
            raise BackupError("The file is not a backup, or a part of one. Take another copy of it.")
        try:
            return read_entry(self._archive, self._entries[entry], limit)
        except ModelError as error:
            raise BackupError(str(error)) from error


def _check_names(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the entries of an archive by name, where each may be in a backup, once, as a plain file."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        if not NAMES.fullmatch(entry.filename) or entry.filename in entries or not is_plain(entry):
            raise BackupError(f"The file holds {entry.filename!r:.80}, which is not a part of a backup.")
        entries[entry.filename] = entry
    return entries


def _refuse_rows(connection: sa.Connection | None = None) -> None:
    """Refuse a database that holds anything which a backup would bring."""
    with contextlib.nullcontext(connection) if connection is not None else reading() as opened:
        full = [table.name for table in TABLES if opened.execute(sa.select(table.c[0]).limit(1)).first() is not None]
    if full:
        raise BackupError(
            f"The database holds rows already (in {', '.join(full)}); a backup goes into an empty one. Move the old "
            "one away, or name another in DATABASE_URL."
        )


def _store_encoder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the folder of an encoder, where its files hold up."""
    with folder_aside(folder) as aside:
        for name, data in files.items():
            (aside / name).write_bytes(data)
        try:
            check_encoder(folder.name, aside)
        except ModelError as error:
            raise BackupError(f"The encoder {folder.name!r} in the backup cannot be used. {error}") from error
        sync_folder(aside)
        aside.rename(folder)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a table, with bounds on each and on all."""
    total = 0
    while line := file.readline(MAX_ROW + 1):
        total += len(line)
        if len(line) > MAX_ROW or total > MAX_TABLE:
            raise BackupError(f"A table of the backup has more than {MAX_TABLE:,} bytes, or a row than {MAX_ROW:,}.")
        yield line


def _row(table: sa.Table, line: bytes) -> dict[str, Any]:
    """Return the values of a row, each of its column's type."""
    try:
        fields = json.loads(line)
        check_values(fields)
        values = {name: _value(table.c[name], value) for name, value in fields.items()}
        row = {name: values[name] for name in table.c.keys()}  # noqa: SIM118 - a collection of columns
        if table is feedback:
            _check_feedback(row)
        elif table is jobs:
            _check_job(row)
    except (SoundWebError, ValueError, TypeError, AttributeError, KeyError, RecursionError, OverflowError) as error:
        raise BackupError(f"A row of the table {table.name!r} in the backup cannot be used ({error}).") from error
    return row


def _check_feedback(row: dict[str, Any]) -> None:
    """Refuse feedback that would not have been taken."""
    check_place(row["clip"], row["container"])
    checked = check_entry(row["label"], row["probabilities"], row["model"], row["clip"])
    if row["answer"] not in checked["probabilities"] or row["size"] < 0:
        raise ValueError(f"answer is {row['answer']!r:.40}, size {row['size']}")
    row["probabilities"] = checked["probabilities"]


def _check_job(row: dict[str, Any]) -> None:
    """Refuse a training that could not be shown or would not have been taken; none goes on where it was not begun.

    One that has ended may be of a recipe or corpus that is not here.
    """
    spec = TrainingSpec.from_json(row["spec"])
    check_form(spec)
    for name in ("run", "model"):
        if row[name] and STORED_NAME.fullmatch(row[name]) is None:
            raise ValueError(f"{name} is {row[name]!r:.40}")
    if len(row["notes"]) > MAX_NOTES:
        raise ValueError(f"its notes have more than {MAX_NOTES:,} characters")
    if row["status"] == "queued":
        check_spec(spec)
    elif row["status"] == "running":
        row["status"] = "lost"


def _value(column: sa.Column[Any], value: Any) -> Any:
    """Return a value as a column takes it; refuse one of another type."""
    if value is None or isinstance(column.type, sa.JSON):
        return value
    if isinstance(column.type, UtcTime):
        time = datetime.datetime.fromisoformat(value)
        if time.tzinfo is None or not FIRST_YEAR <= time.year < LAST_YEAR:
            raise ValueError(f"{column.name} is a time without a zone, or of another century")
        return time
    kind = column.type.python_type
    if not (type(value) is kind or (kind is float and type(value) is int)):
        raise TypeError(f"{column.name} is {value!r:.40}")
    return value
