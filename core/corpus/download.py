"""The corpus from its record on Zenodo, or from Kaggle, into a folder.

What is fetched and unpacked lies in a hidden folder until an archive is complete, so that a corpus is never seen half.
Only files named like clips leave an archive, under folders that are named here: paths in archives are not trusted.

References
----------
Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS).
Zenodo, record 1188976. https://doi.org/10.5281/zenodo.1188976 (CC BY-NC-SA 4.0)
"""

import dataclasses
import importlib.util
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from filelock import FileLock, Timeout

from core.corpus.index import find_clip_files
from core.corpus.names import is_clip_name, parse_clip
from core.corpus.transfer import RemoteFile, fetch, size_of
from core.errors import DownloadError
from core.work.progress import Progress, Report, ignore, inside

WORK_FOLDER: Final = ".download"
FETCHING: Final = 0.9
"""Share of the work on an archive that is its way here; the rest is unpacking."""
MAX_CLIP_BYTES: Final = 4_000_000
"""Longest file taken from an archive, in bytes: the longest clip, in stereo, has 1.3 MB."""


@dataclasses.dataclass(frozen=True)
class Archive:
    """An archive of the record."""

    name: str
    size: int
    """Length, in bytes."""
    md5: str
    """Checksum, as the record gives it."""
    n_clips: int
    unpacked: int
    """Room that its clips take, in bytes."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where archives come from."""

    base_url: str
    """Address that an archive's name is put behind."""
    archives: Mapping[str, Archive]
    """Archives by channel."""


ZENODO: Final = Source(
    "https://zenodo.org/records/1188976/files/",
    {
        "speech": Archive(
            "Audio_Speech_Actors_01-24.zip", 208_468_073, "bc696df654c87fed845eb13823edef8a", 1440, 513_462_676
        ),
        "song": Archive(
            "Audio_Song_Actors_01-24.zip", 225_505_317, "5411230427d67a21e18aa4d466e6d1b9", 1012, 452_182_614
        ),
    },
)
KAGGLE: Final = {
    "speech": "uwrfkaggler/ravdess-emotional-speech-audio",
    "song": "uwrfkaggler/ravdess-emotional-song-audio",
}


def download_corpus(
    channels: Iterable[str], folder: Path, *, source: Source | None = None, report: Report = ignore
) -> Path:
    """Fetch archives of the record, check and unpack them; goes on where an earlier call was cut off.

    Parameters
    ----------
    channels : iterable of str
        ``speech``, ``song`` or both; what is complete already is left alone.
    folder : path
        Corpus folder; made where it is missing.
    source : Source, optional
        Where the archives come from; Zenodo by default.
    report : callable
        Called with how far it is; may raise to stop, and what was fetched is kept.

    Returns
    -------
    path
        The corpus folder.

    Raises
    ------
    DownloadError
        If there is no room, the server cannot be reached, an archive is damaged, or another download goes on.
    """
    source = source or ZENODO
    wanted = missing_channels(channels, folder, source)
    if not wanted:
        return folder
    work = _start(folder)
    try:
        with FileLock(work / "lock", timeout=0):
            _refuse_full_disk(folder, [source.archives[channel] for channel in wanted])
            for k, channel in enumerate(wanted):
                part = inside(report, k / len(wanted), (k + 1) / len(wanted))
                _fetch_archive(source, channel, folder, part)
    except Timeout as error:
        raise DownloadError(f"Another download into {str(folder)!r} goes on. Wait for its end.") from error
    shutil.rmtree(work, ignore_errors=True)
    return folder


def missing_channels(channels: Iterable[str], folder: Path, source: Source | None = None) -> list[str]:
    """Return which of some channels are not complete in a folder, in the order of the source.

    Raises
    ------
    DownloadError
        If no channel or an unknown one is named.
    """
    archives, chosen = (source or ZENODO).archives, set(channels)
    if not chosen or chosen - set(archives):
        raise DownloadError(f"Choose {' or '.join(archives)} or both to download, not {sorted(chosen)}.")
    found = {path.stem for path in find_clip_files(folder)}
    counts = {channel: sum(parse_clip(clip).channel == channel for clip in found) for channel in chosen}
    return [channel for channel in archives if channel in chosen and counts[channel] < archives[channel].n_clips]


def has_kaggle() -> bool:
    """Tell whether the package is there by which Kaggle's archives are fetched."""
    return importlib.util.find_spec("kagglehub") is not None


def download_from_kaggle(channels: Iterable[str], folder: Path, *, report: Report = ignore) -> Path:
    """Fetch the corpus by ``kagglehub``, each clip once; Kaggle's archives hold every clip twice.

    Parameters
    ----------
    channels : iterable of str
        ``speech``, ``song`` or both.
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
        If ``kagglehub`` is not installed or fails.
    """
    wanted = missing_channels(channels, folder)
    if not has_kaggle():
        raise DownloadError("Kaggle needs the package kagglehub. Install it by 'pip install kagglehub', or use Zenodo.")
    import kagglehub

    for done, channel in enumerate(wanted):
        report(Progress(done, len(wanted), "archives", f"Fetching {channel} from Kaggle"))
        try:
            fetched = Path(kagglehub.dataset_download(KAGGLE[channel]))
        except Exception as error:  # kagglehub documents no classes of its own
            raise DownloadError(f"Kaggle does not give {KAGGLE[channel]!r}: {error}") from error
        clips = {path.name: path for path in find_clip_files(fetched)}
        for name, path in clips.items():
            target = _place(folder, ZENODO.archives[channel], name)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f"{name}.partial")
            shutil.copyfile(path, partial)
            partial.replace(target)
    return folder


def _fetch_archive(source: Source, channel: str, folder: Path, report: Report) -> None:
    """Fetch, check and unpack one archive, then show its clips in the corpus folder."""
    archive, work = source.archives[channel], folder / WORK_FOLDER
    path = work / archive.name
    remote = RemoteFile(source.base_url + archive.name, archive.size, archive.md5)
    fetch(remote, path, report=inside(report, 0.0, FETCHING))
    try:
        clips = _unpack(path, archive, channel, work, inside(report, FETCHING, 1.0))
        for clip in clips:
            target = folder / clip.relative_to(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            clip.replace(target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        path.unlink(missing_ok=True)
        raise DownloadError(
            f"{archive.name} cannot be unpacked ({error}) and is removed. Download it again."
        ) from error
    except OSError as error:
        raise DownloadError(f"{archive.name} cannot be unpacked: {error.strerror}. Free space and retry.") from error
    path.unlink()


def _unpack(path: Path, archive: Archive, channel: str, work: Path, report: Report) -> list[Path]:
    """Unpack the clips of an archive that are not unpacked yet, each of them whole, and return all of them."""
    with zipfile.ZipFile(path) as packed:
        members = {PurePosixPath(member.filename).name: member for member in packed.infolist()}
        clips = {
            name: member
            for name, member in members.items()
            if is_clip_name(name) and parse_clip(name).channel == channel and member.file_size <= MAX_CLIP_BYTES
        }
        if len(clips) < archive.n_clips:
            raise zipfile.BadZipFile(f"it holds {len(clips):,} of {archive.n_clips:,} clips")
        targets = []
        for done, (name, member) in enumerate(clips.items()):
            report(Progress(done, len(clips), "clips", f"Unpacking {channel}"))
            target = _place(work, archive, name)
            if size_of(target) != member.file_size:
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = target.with_name(f"{name}.partial")
                with packed.open(member) as content, partial.open("wb") as file:
                    shutil.copyfileobj(content, file)
                partial.replace(target)
            targets.append(target)
    return targets


def _place(folder: Path, archive: Archive, name: str) -> Path:
    """Return where a clip belongs, as the official archives name their folders."""
    return folder / Path(archive.name).stem / f"Actor_{parse_clip(name).actor:02d}" / name


def _start(folder: Path) -> Path:
    work = folder / WORK_FOLDER
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"The folder {str(folder)!r} cannot be made: {error.strerror}. Choose another.") from error
    return work


def _refuse_full_disk(folder: Path, archives: Sequence[Archive]) -> None:
    """Refuse what would not fit: archives as far as they are not there, and their clips."""
    work = folder / WORK_FOLDER
    there = sum(size_of(work / a.name) + size_of(work / f"{a.name}.part") for a in archives)
    needed = sum(archive.size + archive.unpacked for archive in archives) - there
    free = shutil.disk_usage(work).free
    if free < needed:
        raise DownloadError(
            f"{needed / 1e9:.2f} GB are needed in {str(folder)!r}, {free / 1e9:.2f} GB are free. Make room and retry."
        )
