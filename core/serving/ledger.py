"""Ledger of a batch: which sounds are to be answered, and the answers so far, in a file that a kill leaves whole.

A SQLite file with a row a sound. A block of answers is one transaction: it is there, or not at all.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from core.errors import BatchError

PAGE: Final = 10_000
"""Rows that are read at once."""
TABLES: Final = """
create table if not exists about (name text primary key, value text not null);
create table if not exists answers (path blob primary key, answer text, failed integer) without rowid;
"""


class Answer(NamedTuple):
    """What is kept of an answered sound."""

    name: str
    """Path of the sound in its folder."""
    text: str
    """The answer, or why there is none, as JSON."""
    failed: bool
    """Whether there is none."""


class Ledger:
    """The sounds of a batch and their answers; this process alone has it while it is open.

    Parameters
    ----------
    path : path
        The file; made where it is missing.

    Raises
    ------
    BatchError
        If another process has it, or it is no ledger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Blocks are fetched by whichever thread of joblib has room for one.
        self._lock = threading.Lock()
        with contextlib.ExitStack() as opened, self._told():
            self._connection = sqlite3.connect(path, timeout=0, check_same_thread=False)
            opened.callback(self._connection.close)
            self._connection.execute("pragma locking_mode = exclusive")
            self._connection.executescript(f"begin exclusive; {TABLES} commit;")
            opened.pop_all()

    def __enter__(self) -> Self:
        """Return itself; it is closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let another process have it."""
        self._connection.close()

    def begin(self, about: Mapping[str, str], names: Iterable[str]) -> None:
        """Say what is to be answered, or go on; sounds that have come since are added.

        Parameters
        ----------
        about : mapping from str to str
            What all answers have in common.
        names : iterable of str
            Paths of the sounds in their folder.

        Raises
        ------
        BatchError
            If it was begun with something else in common.
        """
        with self._told(), self._connection:
            self._connection.execute("begin")
            begun = dict(self._connection.execute("select name, value from about"))
            for name, value in about.items():
                if begun.get(name, value) != value:
                    raise BatchError(
                        f"{str(self.path)!r} was begun with another {name}, {begun[name]!r} instead of {value!r}. "
                        f"Choose that {name} to go on, another output, or remove this file."
                    )
            self._connection.executemany("insert or ignore into about values (?, ?)", about.items())
            rows = ((os.fsencode(name),) for name in names)
            self._connection.executemany("insert or ignore into answers (path) values (?)", rows)

    def count(self) -> tuple[int, int, int]:
        """Return the number of sounds, of those that were tried, and of those of them without an answer."""
        with self._told():
            row = self._connection.execute("select count(*), count(answer), total(failed) from answers").fetchone()
        return int(row[0]), int(row[1]), int(row[2])

    def pending(self) -> Iterator[str]:
        """Yield the paths of the sounds that have not been tried, in order."""
        for rows in self._pages("path", "answer is null"):
            yield from (os.fsdecode(path) for (path,) in rows)

    def keep(self, answers: Iterable[Answer]) -> None:
        """Keep a block of answers: all of them, or none where the process is killed."""
        with self._told(), self._connection:
            rows = ((answer.text, answer.failed, os.fsencode(answer.name)) for answer in answers)
            self._connection.executemany("update answers set answer = ?, failed = ? where path = ?", rows)

    def texts(self) -> Iterator[list[str]]:
        """Yield all answers as they were kept, in the order of the paths, some thousands at a time."""
        for rows in self._pages("path, answer", "answer is not null"):
            yield [text for _, text in rows]

    def _pages(self, columns: str, condition: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yield rows whose first column is the path, in its order."""
        query = f"select {columns} from answers where {condition} and path > ? order by path limit {PAGE}"  # noqa: S608
        last = b""
        while True:
            with self._told():
                rows = self._connection.execute(query, (last,)).fetchall()
            if not rows:
                return
            yield rows
            last = rows[-1][0]

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Let one thread at a time use the file, and say in words what is wrong with it."""
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                raise BatchError(f"{str(self.path)!r}: {_explain(error)}") from error


def _explain(error: sqlite3.DatabaseError) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_BUSY:
        return "another process answers into it. Wait for it, or stop it."
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return "this file keeps no answers that can be read. Remove it to begin anew."
    return f"answers cannot be kept ({error}). What was kept before stays; free some room, and go on."
