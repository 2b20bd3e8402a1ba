"""Files that are whole or not there, their hashes, and those below a folder."""

import contextlib
import hashlib
import logging
import lzma
import os
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

logger = logging.getLogger(__name__)

DAMAGED_ZIP: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, UnicodeDecodeError, NotImplementedError,
)  # fmt: skip
"""What is raised where a zip file is damaged, or packed in a way that is not known; see ``refuse_encrypted``."""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a file so that a reader, or a killed writer, leaves the old one or the new one.

    Parameters
    ----------
    path : path
        The file.
    data : bytes
        Its content.
    mode : int
        Who may read and write it, less what the process denies to all new files.
    """
    with written_atomically(path, mode=mode) as file:
        file.write(data)


@contextlib.contextmanager
def written_atomically(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a file to write piece by piece what ``write_atomically`` writes at once.

    Parameters
    ----------
    path : path
        The file.
    mode : int
        Who may read and write it, less what the process denies to all new files.

    Yields
    ------
    binary file
        What is written to it stands in the file once all of it is there.
    """
    partial = partial_of(path)
    try:
        with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_aside(folder: Path) -> Iterator[Path]:
    """Make an empty folder beside a place, to be filled and renamed to it; what was not renamed is removed again.

    Parameters
    ----------
    folder : path
        The place; what it lies in is made where it is missing.

    Yields
    ------
    path
        The empty folder.
    """
    aside = partial_of(folder)
    try:
        aside.mkdir(parents=True)
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def partial_of(path: Path) -> Path:
    """Return a place beside a file or folder, of this call alone, whose name ends with that of this process."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.{os.getpid()}.partial")


def refuse_encrypted(archive: zipfile.ZipFile) -> None:
    """Refuse a zip file with an encrypted member, of which ``zipfile`` would say what it says of mistakes in a program.

    Raises
    ------
    zipfile.BadZipFile
        If a member is encrypted, or a damaged byte says so.
    """
    for member in archive.infolist():
        if member.flag_bits & 1:
            raise zipfile.BadZipFile(f"{member.filename!r:.80} is encrypted")


def files_below(root: Path) -> Iterator[Path]:
    """Yield the files below a folder; links to folders are not followed, and hidden folders are left out."""

    def warn(error: OSError) -> None:
        logger.warning("The folder %s is left out: %s", error.filename, error.strerror)

    for folder, folders, names in os.walk(root, onerror=warn):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (path for name in names if (path := Path(folder, name)).is_file())


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Bring the files of a folder to the disk, so that they are whole even where the power fails next."""
    for path in (*folder.iterdir(), *([folder] if os.name == "posix" else [])):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
