"""A corpus from its record, or from Kaggle, into a folder.

What is fetched and unpacked lies in a hidden folder until an archive is complete, or all of a corpus of loose files, so
that a corpus is never seen half.
Only files named like clips leave an archive, under folders that are named here: paths in archives are not trusted.
"""

import collections
import dataclasses
import importlib.util
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from filelock import FileLock, Timeout

from core.corpus.base import Clip, Corpus
from core.corpus.index import find_clips
from core.corpus.loose import fetch_files, missing_room
from core.corpus.sources import LooseFiles, Source
from core.corpus.transfer import RemoteFile, fetch, size_of, write_whole
from core.errors import DownloadError
from core.files import DAMAGED_ZIP, refuse_encrypted
from core.work.progress import Progress, Report, ignore, inside

WORK_FOLDER: Final = ".download"
FETCHING: Final = 0.9
"""Share of the work on an archive that is its way here; the rest is unpacking."""


def source_of(corpus: Corpus) -> Source | LooseFiles:
    """Return where a corpus can be fetched.

    Raises
    ------
    DownloadError
        If it cannot be.
    """
    if corpus.source is None:
        raise DownloadError(f"{corpus.title} cannot be fetched. Set {corpus.root_variable} to its folder.")
    return corpus.source


def download_corpus(
    corpus: Corpus, channels: Iterable[str], folder: Path, *, mirror: str | None = None, report: Report = ignore
) -> Path:
    """Fetch archives of the record and unpack them, or loose files; goes on where an earlier call was cut off.

    Parameters
    ----------
    corpus : Corpus
        What to fetch.
    channels : iterable of str
        Channels that are wanted; what is complete already is left alone.
    folder : path
        Corpus folder; made where it is missing.
    mirror : str, optional
        Address that the names of archives or files are put behind, instead of that of the record.
    report : callable
        Called with how far it is; may raise to stop, and what was fetched is kept.

    Returns
    -------
    path
        The corpus folder.

    Raises
    ------
    DownloadError
        If there is no room, the server cannot be reached, what came is damaged, or another download goes on.
    """
    source = source_of(corpus)
    source = dataclasses.replace(source, base_url=mirror or source.base_url)
    wanted = missing_channels(corpus, channels, folder)
    if not wanted:
        return folder
    work = _start(folder)
    try:
        with FileLock(work / "lock", timeout=0):
            if isinstance(source, LooseFiles):
                _refuse_full_disk(folder, missing_room(source, folder, work))
                fetch_files(source, folder, work, report=report)
            else:
                _fetch_archives(corpus, source, wanted, folder, report)
    except Timeout as error:
        raise DownloadError(f"Another download into {str(folder)!r} goes on. Wait for its end.") from error
    shutil.rmtree(work, ignore_errors=True)
    return folder


def missing_channels(corpus: Corpus, channels: Iterable[str], folder: Path) -> list[str]:
    """Return which of some channels are not complete in a folder, in the order of the source.

    Raises
    ------
    DownloadError
        If no channel or an unknown one is named.
    """
    counts, chosen = source_of(corpus).counts, set(channels)
    if not chosen or chosen - set(counts):
        both = " or both" if len(counts) > 1 else ""
        raise DownloadError(f"Choose {' or '.join(counts)}{both} to download, not {sorted(chosen)}.")
    found = {clip["clip"]: clip["channel"] for _, clip in find_clips(folder, corpus)}
    there = collections.Counter(found.values())
    return [channel for channel in counts if channel in chosen and there[channel] < counts[channel]]


def has_kaggle() -> bool:
    """Tell whether the package is there by which Kaggle's archives are fetched."""
    return importlib.util.find_spec("kagglehub") is not None


def download_from_kaggle(corpus: Corpus, channels: Iterable[str], folder: Path, *, report: Report = ignore) -> Path:
    """Fetch the corpus by ``kagglehub``, each clip once; Kaggle's archives hold every clip twice.

    Parameters
    ----------
    corpus : Corpus
        What to fetch.
    channels : iterable of str
        Channels that are wanted.
    folder : path
        Corpus folder; made where it is missing.
    report : callable
        Called with the archives that are fetched.

    Returns
    -------
    path
        The corpus folder.

    Raises
    ------
    DownloadError
        If the corpus is not on Kaggle, or ``kagglehub`` is not installed or fails.
    """
    source, wanted = source_of(corpus), missing_channels(corpus, channels, folder)
    if isinstance(source, LooseFiles) or not source.is_on_kaggle:
        raise DownloadError(f"Kaggle has no {corpus.title}. Download it from {source.title}.")
    if not has_kaggle():
        raise DownloadError("Kaggle needs the package kagglehub. Install it by 'pip install kagglehub', or use Zenodo.")
    import kagglehub

    for done, channel in enumerate(wanted):
        archive = source.archives[channel]
        report(Progress(done, len(wanted), "archives", f"Fetching {channel} from Kaggle"))
        try:
            fetched = Path(kagglehub.dataset_download(archive.kaggle))
        except Exception as error:  # kagglehub documents no classes of its own
            raise DownloadError(f"Kaggle does not give {archive.kaggle!r}: {error}") from error
        clips = {path.name: (path, clip) for path, clip in find_clips(fetched, corpus)}
        try:
            for name, (path, clip) in clips.items():
                with path.open("rb") as content:
                    write_whole(folder / source.place(archive, clip) / name, content)
        except OSError as error:
            raise DownloadError(
                f"{channel} cannot be copied: {error.strerror or error}. Free space and retry."
            ) from error
    return folder


def _fetch_archives(corpus: Corpus, source: Source, channels: Sequence[str], folder: Path, report: Report) -> None:
    """Fetch the archives of some channels, if there is room for all."""
    work, archives = folder / WORK_FOLDER, [source.archives[channel] for channel in channels]
    there = sum(size_of(work / a.name) + size_of(work / f"{a.name}.part") for a in archives)
    _refuse_full_disk(folder, source.room(channels) - there)
    for k, channel in enumerate(channels):
        part = inside(report, k / len(channels), (k + 1) / len(channels))
        _fetch_archive(corpus, source, channel, folder, part)


def _fetch_archive(corpus: Corpus, source: Source, channel: str, folder: Path, report: Report) -> None:
    """Fetch, check and unpack one archive, then show its clips in the corpus folder."""
    archive, work = source.archives[channel], folder / WORK_FOLDER
    path = work / archive.name
    remote = RemoteFile(source.base_url + archive.name, archive.size, archive.md5)
    fetch(remote, path, report=inside(report, 0.0, FETCHING))
    try:
        clips = _unpack(corpus, source, channel, work, inside(report, FETCHING, 1.0))
        for clip in clips:
            target = folder / clip.relative_to(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            clip.replace(target)
    except DAMAGED_ZIP as error:
        path.unlink(missing_ok=True)
        raise DownloadError(
            f"{archive.name} cannot be unpacked ({error}) and is removed. Download it again."
        ) from error
    except OSError as error:
        raise DownloadError(
            f"{archive.name} cannot be unpacked: {error.strerror or error}. Free space and retry."
        ) from error
    path.unlink()


def _unpack(corpus: Corpus, source: Source, channel: str, work: Path, report: Report) -> list[Path]:
    """Unpack the clips of an archive that are not unpacked yet, each of them whole, and return all of them."""
    archive = source.archives[channel]
    with zipfile.ZipFile(work / archive.name) as packed:
        refuse_encrypted(packed)
        members = {PurePosixPath(member.filename).name: member for member in packed.infolist()}
        parsed = {name: corpus.parse(PurePosixPath(name)) for name in members}
        clips: dict[str, Clip] = {
            name: clip
            for name, clip in parsed.items()
            if clip and clip["channel"] == channel and members[name].file_size <= source.max_clip_bytes
        }
        if len(clips) < archive.n_clips:
            raise zipfile.BadZipFile(f"it holds {len(clips):,} of {archive.n_clips:,} clips")
        targets = []
        for done, (name, clip) in enumerate(clips.items()):
            report(Progress(done, len(clips), "clips", f"Unpacking {channel}"))
            member, target = members[name], work / source.place(archive, clip) / name
            if size_of(target) != member.file_size:
                with packed.open(member) as content:
                    write_whole(target, content)
            targets.append(target)
    return targets


def _start(folder: Path) -> Path:
    work = folder / WORK_FOLDER
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"The folder {str(folder)!r} cannot be made: {error.strerror}. Choose another.") from error
    return work


def _refuse_full_disk(folder: Path, needed: int) -> None:
    """Refuse what would not fit, in bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DownloadError(
            f"{needed / 1e9:.2f} GB are needed in {str(folder)!r}, {free / 1e9:.2f} GB are free. Make room and retry."
        )
