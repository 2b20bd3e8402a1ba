"""Index of a corpus folder: one row a file, with what the corpus says of it and what the sound is.

Two files are duplicates where their decoded samples are equal, whatever their coding.
"""

import hashlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import soundfile as sf

from core.audio.containers import check_format
from core.audio.decode import decode, read_bytes
from core.audio.headers import refuse_broken
from core.config import DecodeLimits
from core.corpus.base import DEFAULTS, Clip, Corpus
from core.errors import AudioError, CorpusError
from core.files import files_below, write_atomically
from core.work.parallel import File, map_blocks
from core.work.progress import Progress, Report, ignore

logger = logging.getLogger(__name__)

SILENT = "The clip is silent."
SOUND_FIELDS = ("duration", "rate", "channels", "digest", "error")
FILE_FIELDS = (*SOUND_FIELDS, "duplicate_of", "size", "modified")
COLUMNS = ("corpus", "clip", "path", "emotion", "speaker", *DEFAULTS, *FILE_FIELDS)
"""Columns of every index; fields that a corpus has besides stand before those of the file."""


def scan(
    root: str | Path, corpus: Corpus, *, cache: Path | None = None, n_jobs: int = 2, report: Report = ignore
) -> pd.DataFrame:
    """Find the clips of a corpus below a folder.

    Parameters
    ----------
    root : str or path
        Corpus folder, in any layout; links are not followed, and hidden folders hold what is still being fetched.
    corpus : Corpus
        Which files are clips, and what they are.
    cache : path, optional
        CSV of an earlier scan; files with unchanged size and time are not read again, and the file is written anew.
    n_jobs : int
        Processes that read files.
    report : callable
        Called with the files that are read.

    Returns
    -------
    pandas.DataFrame
        One row a file, sorted by clip name and path: ``corpus`` (its name), ``clip`` (name of the clip), ``path``
        (relative to ``root``), ``emotion``, ``speaker``, the fields of ``core.corpus.base.DEFAULTS``, those that the
        corpus has besides, ``duration`` (seconds), ``rate`` (Hz), ``channels``, ``digest`` (SHA-256 of rate, channels
        and samples), ``error`` (empty where readable), ``duplicate_of`` (path of the first file with the same sound,
        empty for that file itself), ``size`` (bytes), ``modified`` (nanoseconds).

    Raises
    ------
    CorpusError
        If the folder is missing or holds no clip.
    """
    root = Path(root)
    if not root.is_dir():
        raise CorpusError(
            f"The corpus folder {str(root)!r} does not exist. "
            f"Set {corpus.root_variable} to the folder of {corpus.title}."
        )
    found = sorted(find_clips(root, corpus), key=lambda pair: (str(pair[1]["clip"]), str(pair[0])))
    if not found:
        raise CorpusError(f"No clip of {corpus.title} was found below {str(root)!r}. Check the folder and its files.")
    index = pd.DataFrame([_row(path, clip, root, corpus) for path, clip in found])
    index = _add_measures(index, root, _read_cache(cache), n_jobs, report)
    index["duplicate_of"] = _duplicates(index)
    index = index[[*(c for c in index if c not in FILE_FIELDS), *FILE_FIELDS]]
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(cache, index.to_csv(index=False).encode())
    return index


def find_clips(root: Path, corpus: Corpus) -> Iterator[tuple[Path, Clip]]:
    """Yield the files below a folder that are clips of a corpus, with their fields; hidden folders are left out."""
    for path in files_below(root):
        clip = corpus.parse(path.relative_to(root))
        if clip is not None:
            yield path, clip


def distinct_clips(index: pd.DataFrame) -> pd.DataFrame:
    """Return one readable row for each clip name: the corpus without files that stand twice.

    Different names that hold the same recording all stay.

    Parameters
    ----------
    index : pandas.DataFrame
        As from ``scan``.

    Returns
    -------
    pandas.DataFrame
        Rows in order of clip names, numbered from 0.
    """
    return index[index["error"] == ""].drop_duplicates("clip").sort_values("clip").reset_index(drop=True)


def clip_path(index: pd.DataFrame, root: Path, clip: str) -> Path:
    """Return the file of a clip: the first readable one of its name.

    Parameters
    ----------
    index : pandas.DataFrame
        As from ``scan`` or ``distinct_clips``.
    root : path
        Corpus folder.
    clip : str
        Name of the clip, which may come from outside: it is looked up, never joined to a path.

    Returns
    -------
    path

    Raises
    ------
    CorpusError
        If the index has no such clip, or its file no longer lies in the corpus folder.
    """
    found = index.loc[(index["clip"] == clip) & (index["error"] == ""), "path"]
    if found.empty:
        raise CorpusError("There is no such clip in the corpus folder.")
    path = (root / str(found.iloc[0])).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise CorpusError(f"The file of clip {clip} is gone; the corpus folder has changed.")
    return path


def corpus_digest(index: pd.DataFrame) -> str:
    """Return the SHA-256, in hex, of names and sounds of a corpus: equal wherever it lies and however it is coded.

    Of several corpora it is that of their names and digests: clips of two may have the same name.
    """
    if index["corpus"].nunique() > 1:
        lines = [f"{name} {corpus_digest(clips)}" for name, clips in index.groupby("corpus", sort=True)]
    else:
        clips = distinct_clips(index)
        lines = sorted(f"{clip} {digest}" for clip, digest in zip(clips["clip"], clips["digest"], strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _row(path: Path, clip: Clip, root: Path, corpus: Corpus) -> dict[str, object]:
    """Return what is known of a file without reading it."""
    status = path.stat()
    row: dict[str, object] = {"corpus": corpus.name, "clip": "", "path": path.relative_to(root).as_posix()}
    row |= {"emotion": "", "speaker": "", **DEFAULTS, **clip}
    if row["emotion"] not in corpus.labels or not all(row[name] for name in ("speaker", "clip", "channel")):
        raise CorpusError(
            f"{row['path']!r} cannot be a clip of {corpus.title}: "
            f"emotion {row['emotion']!r}, speaker {row['speaker']!r}, channel {row['channel']!r}. "
            f"A clip needs a name, a speaker, and one of {', '.join(corpus.labels)}."
        )
    return row | {"size": status.st_size, "modified": status.st_mtime_ns}


def _read_cache(cache: Path | None) -> pd.DataFrame:
    """Return what an earlier index says of readable files, without rows where there is none that can be read.

    A file that could not be read may be readable today: a disk that was ill, rights, a decoder.
    """
    columns = ["path", "size", "modified", *SOUND_FIELDS]
    if cache is not None and cache.is_file():
        try:
            found = pd.read_csv(
                cache, keep_default_na=False, usecols=columns, dtype={"path": str, "digest": str, "error": str}
            )
            return found[found["error"] == ""]
        except (ValueError, OSError) as error:
            logger.warning("The index %s is not readable and is made anew: %s", cache, error)
    return pd.DataFrame(columns=columns)


def _add_measures(index: pd.DataFrame, root: Path, earlier: pd.DataFrame, n_jobs: int, report: Report) -> pd.DataFrame:
    """Add the columns of ``SOUND_FIELDS``, from the earlier index where the file is unchanged."""
    key = ["path", "size", "modified"]
    known = {tuple(row[:3]): row[3:] for row in earlier[[*key, *SOUND_FIELDS]].itertuples(index=False)}
    keys = list(index[key].itertuples(index=False, name=None))
    fresh = [k[0] for k in keys if k not in known]
    measured: dict[str, tuple[object, ...]] = {}
    for rows in map_blocks(_measure, root, fresh, n_jobs):
        block = fresh[len(measured) : len(measured) + len(rows)]
        measured |= dict(zip(block, rows, strict=True))
        done = len(index) - len(fresh) + len(measured)
        report(Progress(done, len(index), "files", "Reading the corpus"))
    values = [known[k] if k in known else measured[k[0]] for k in keys]
    return index.assign(**dict(zip(SOUND_FIELDS, zip(*values, strict=True), strict=True)))


def _measure(clip: File) -> tuple[float, int, int, str, str]:
    """Return duration, rate, channels, digest and error of one file."""
    try:
        data = read_bytes(clip, DecodeLimits())
        refuse_broken(data)
        with sf.SoundFile(io.BytesIO(data)) as file:
            rate, n_frames, coding = file.samplerate, file.frames, file.subtype
            samples = file.read(dtype="int32", always_2d=True)
        if coding in ("FLOAT", "DOUBLE"):
            decode(data)  # numbers that are none
    except sf.LibsndfileError:
        return _measure_decoded(data)
    except AudioError as error:
        return 0.0, 0, 0, "", str(error)
    if not 0 < len(samples) == n_frames:
        return 0.0, rate, samples.shape[1], "", "The file holds no samples, or fewer than its header says."
    problem = _unusable(len(samples) / rate, rate, samples.shape[1]) or ("" if samples.any() else SILENT)
    if problem:
        return 0.0, rate, samples.shape[1], "", problem
    digest = hashlib.sha256(f"{rate} {samples.shape[1]} ".encode() + samples.tobytes()).hexdigest()
    return len(samples) / rate, rate, samples.shape[1], digest, ""


def _measure_decoded(data: bytes) -> tuple[float, int, int, str, str]:
    """Return the same of a file that libsndfile does not read."""
    try:
        waveform = decode(data)
    except AudioError as error:
        return 0.0, 0, 0, "", str(error)
    if not waveform.y.any():
        return 0.0, waveform.file_rate, waveform.channels, "", SILENT
    digest = hashlib.sha256(f"{waveform.sr} 1 ".encode() + waveform.y.tobytes()).hexdigest()
    return waveform.duration, waveform.file_rate, waveform.channels, digest, ""


def _unusable(duration: float, rate: int, channels: int) -> str:
    """Return why a sound cannot be used, or an empty string."""
    limits = DecodeLimits()
    try:
        check_format(rate, channels, limits)
    except AudioError as error:
        return str(error)
    return f"The sound is longer than {limits.max_duration / 60:g} minutes." if duration > limits.max_duration else ""


def _duplicates(index: pd.DataFrame) -> pd.Series:
    """Return for each row the path of the first row with the same digest, or an empty string."""
    readable = index[index["digest"] != ""]
    first = readable.groupby("digest")["path"].transform("first")
    return first.where(first != readable["path"], "").reindex(index.index, fill_value="")
