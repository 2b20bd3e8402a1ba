"""Where everything is and whether it works: for a screen of settings, and for who watches a server."""

import dataclasses
import importlib.metadata
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
import sqlalchemy as sa

from core.config import artifacts_folder, data_folder
from core.corpus.catalogue import find_place, list_places
from core.errors import CorpusError, SoundWebError
from core.operations.access.sessions import require_admin
from core.operations.database import describe_database, reading
from core.operations.jobs.process import memory_in_use
from core.operations.tables import sessions
from core.serving.registry import LIBRARIES, Registry

MIN_FREE: Final = 2**30
"""Free space below which a training may not end well, in bytes."""
SHOWN: Final = ("streamlit", *LIBRARIES, "sqlalchemy")
PROBE: Final = bytes(2**16)
"""What must still fit on the disk for pages to work."""

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Check:
    """Something that must work."""

    name: str
    """What."""
    problem: str
    """What is wrong; empty where nothing is."""


@dataclasses.dataclass(frozen=True)
class Installation:
    """Places, versions and resources."""

    data: Path
    """Data folder."""
    artifacts: Path
    """Folder of the models."""
    corpora: dict[str, Path]
    """Folders of the corpora that are configured, by title."""
    database: str
    """Address of the database, without a password."""
    versions: dict[str, str]
    """Of Python and of the libraries that decide results."""
    disk_free: int
    """Free space in the data folder, in bytes."""
    disk_total: int
    """Size of its disk, in bytes."""
    data_size: int
    """What the data folder takes, in bytes."""
    memory_process: int
    """Resident memory of this process and its children, in bytes."""
    memory_available: int
    """Memory that is still available, in bytes."""
    memory_total: int
    """Memory of the machine, in bytes."""
    checks: tuple[Check, ...]
    """Whether everything works."""


def describe_installation(token: str) -> Installation:
    """Return where everything is and whether it works.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    """
    require_admin(token, is_active=False)
    data = data_folder()
    data.mkdir(parents=True, exist_ok=True)
    disk, memory = shutil.disk_usage(data), psutil.virtual_memory()
    return Installation(
        data=data,
        artifacts=artifacts_folder(),
        corpora=_corpora(),
        database=describe_database(),
        versions={"python": platform.python_version()} | {name: _version(name) for name in SHOWN},
        disk_free=disk.free,
        disk_total=disk.total,
        data_size=_size(data),
        memory_process=memory_in_use(),
        memory_available=memory.available,
        memory_total=memory.total,
        checks=tuple(Check(name, _problem(check)) for name, check in CHECKS.items()),
    )


def is_well(check: Callable[[], object]) -> bool:
    """Tell whether something that must work does; what is wrong stands in the log alone.

    Parameters
    ----------
    check : callable
        Raises where it does not.

    Returns
    -------
    bool
    """
    try:
        check()
    except Exception as error:  # whatever is wrong, who asks gets an answer
        logger.warning("A check of the server's health fails: %s", error)
        return False
    return True


def check_database() -> None:
    """Refuse a database that does not answer, or has lost its tables.

    Raises
    ------
    DatabaseError
        If it cannot be used.
    """
    with reading() as connection:
        connection.execute(sa.select(sessions.c.actor).limit(1))


def check_room() -> None:
    """Refuse a data folder that takes nothing.

    Raises
    ------
    OSError
        If it cannot be written, or its disk is full.
    """
    folder = data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(PROBE)


def _version(library: str) -> str:
    """Return the version of a library; a server that only answers lacks those that train."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _check_model() -> None:
    Registry().load()


def _check_corpus() -> None:
    place = find_place()
    if not place.root.is_dir():
        raise CorpusError(f"The folder of {place.corpus.title} is missing. Correct {place.corpus.root_variable}.")


def _corpora() -> dict[str, Path]:
    """Return the folders of the corpora; none where the setting is wrong, which its check says."""
    try:
        return {place.corpus.title: place.root for place in list_places()}
    except CorpusError:
        return {}


def _check_disk() -> None:
    for folder in (data_folder(), artifacts_folder()):
        if not os.access(folder, os.W_OK):
            raise SoundWebError(f"The folder {str(folder)!r} cannot be written.")
    free = shutil.disk_usage(data_folder()).free
    if free < MIN_FREE:
        raise SoundWebError(f"Only {free / 2**20:,.0f} MiB are free; a training may need {MIN_FREE / 2**20:,.0f}.")


CHECKS: Final[dict[str, Callable[[], None]]] = {
    "database": check_database,
    "model in use": _check_model,
    "corpus": _check_corpus,
    "disk": _check_disk,
}
"""What must work, by what it is."""


def _problem(check: Callable[[], None]) -> str:
    try:
        check()
    except SoundWebError as error:
        return str(error)
    return ""


def _size(folder: Path) -> int:
    total = 0
    for path, _, files in os.walk(folder):
        for file in files:
            try:
                total += (Path(path) / file).lstat().st_size
            except FileNotFoundError:  # gone since it was listed
                continue
    return total
