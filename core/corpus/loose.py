"""The files of a folder in a Git repository: several at a time, each of them whole, all of them checked at the end.

Such a folder has no archive with a checksum, but Git knows it by a hash of the names and hashes of its files, which can
be computed from what arrived.
"""

import functools
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import requests
import soundfile as sf
from requests.adapters import HTTPAdapter

from core.corpus.sources import DISK_BLOCK, LooseFiles
from core.corpus.transfer import fetch_bytes, size_of, write_whole
from core.errors import DownloadError
from core.work.progress import Progress, Report, ignore, inside

N_THREADS: Final = 8
"""Files that are on their way at the same time."""
FETCHING: Final = 0.95
"""Share of the work that is the way of the files; the rest is checking."""
SHOWN_NAMES: Final = 5


def fetch_files(source: LooseFiles, folder: Path, work: Path, *, report: Report = ignore) -> None:
    """Fetch the files that are not there yet, check all, and put them into the corpus folder.

    Parameters
    ----------
    source : LooseFiles
        What to fetch.
    folder : path
        Corpus folder.
    work : path
        Folder where files wait until all are there and right; what an earlier call left there is not fetched again.
    report : callable
        Called with the files that are there; may raise to stop, and what was fetched is kept.

    Raises
    ------
    DownloadError
        If the server cannot be reached or refuses, the disk is full, or what came is not what Git's hash says; in the
        last case the damaged files are removed, or all where it cannot be told which these are.
    """
    paths = _paths(source, folder, work)
    _fetch_missing(source, paths, inside(report, 0.0, FETCHING))
    check = inside(report, FETCHING, 1.0)
    found = tree_hash(paths, check)
    if found != source.tree:
        what = f"What came from {source.base_url} is not what it should be (Git tree {found}, not {source.tree})"
        raise DownloadError(f"{what}: {_remove_damaged(paths, check)}. Download it again.")
    for name, path in paths.items():
        target = folder / source.folder / name
        if path != target:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def missing_room(source: LooseFiles, folder: Path, work: Path) -> int:
    """Return the room that the files need which are not there yet, in bytes."""
    there = [path for path in _paths(source, folder, work).values() if path.is_file()]
    return source.room([source.channel]) - sum(size_of(path) + DISK_BLOCK for path in there)


def tree_hash(paths: Mapping[str, Path], report: Report = ignore) -> str:
    """Return the hash that Git gives a folder of plain files.

    Parameters
    ----------
    paths : mapping from str to path
        Files, by their names in the folder.
    report : callable
        Called with the files that are read.

    Returns
    -------
    str
        40 hex digits.

    References
    ----------
    Chacon S, Straub B (2014). Pro Git, 10.2 Git internals: Git objects. https://git-scm.com/book
    """
    entries = []
    for done, name in enumerate(sorted(paths, key=str.encode), start=1):
        entries.append(b"100644 " + name.encode() + b"\0" + _object_hash("blob", paths[name].read_bytes()))
        report(Progress(done, len(paths), "files", "Checking"))
    return _object_hash("tree", b"".join(entries)).hex()


def _object_hash(kind: str, data: bytes) -> bytes:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).digest()


def _paths(source: LooseFiles, folder: Path, work: Path) -> dict[str, Path]:
    """Return where each file lies, or will wait: in the corpus folder where an earlier call put it there."""
    home, waiting = folder / source.folder, work / source.folder
    return {name: home / name if (home / name).is_file() else waiting / name for name in source.names()}


def _fetch_missing(source: LooseFiles, paths: Mapping[str, Path], report: Report) -> None:
    """Fetch the files that are not there; where one fails, say how many are."""
    try:
        _fetch_at_once(source, {name: path for name, path in paths.items() if not path.is_file()}, len(paths), report)
    except DownloadError as error:
        kept = sum(path.is_file() for path in paths.values())
        raise DownloadError(
            f"{error} {kept:,} of {len(paths):,} files are kept, and the next attempt goes on there."
        ) from error


def _fetch_at_once(source: LooseFiles, missing: Mapping[str, Path], n_files: int, report: Report) -> None:
    """Fetch files by several threads; those on their way when the work ends early arrive, the others are left."""
    there = n_files - len(missing)
    report(Progress(there, n_files, "files", "Fetching"))
    with requests.Session() as session, ThreadPoolExecutor(N_THREADS) as pool:
        session.mount(source.base_url, HTTPAdapter(pool_maxsize=N_THREADS))
        get = functools.partial(fetch_bytes, limit=source.max_file_bytes, session=session)
        try:
            fetched = pool.map(lambda item: _fetch_one(get, source.base_url + item[0], item[1]), missing.items())
            for done, _ in enumerate(fetched, start=there + 1):
                report(Progress(done, n_files, "files", "Fetching"))
        finally:
            pool.shutdown(cancel_futures=True)


def _fetch_one(get: Callable[[str], bytes], url: str, path: Path) -> None:
    data = get(url)
    try:
        write_whole(path, io.BytesIO(data))
    except OSError as error:
        raise DownloadError(f"{str(path)!r} cannot be written: {error.strerror}. Free space and retry.") from error


def _remove_damaged(paths: Mapping[str, Path], report: Report) -> str:
    """Remove the files that are no sound, or all where each is one, and say which."""
    damaged: Sequence[str] = []
    for done, (name, path) in enumerate(paths.items(), start=1):
        damaged = damaged if _is_sound(path) else [*damaged, name]
        report(Progress(done, len(paths), "files", "Looking for damaged files"))
    for name in damaged or paths:
        paths[name].unlink()
    if not damaged:
        return "all files are sounds, so that it cannot be told which are wrong, and all are removed"
    more = f" and {len(damaged) - SHOWN_NAMES:,} more" if len(damaged) > SHOWN_NAMES else ""
    return f"{', '.join(damaged[:SHOWN_NAMES])}{more} cannot be decoded and are removed"


def _is_sound(path: Path) -> bool:
    try:
        return len(sf.read(path)[0]) > 0
    except sf.LibsndfileError:
        return False
