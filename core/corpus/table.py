"""A folder with a table as a corpus: ``manifest.csv`` says what its files are.

The table has columns ``file`` (relative to the folder), ``emotion`` and ``speaker``; optional ones are ``gender``,
``channel`` (speech where it is missing), ``intensity``, ``statement``, ``repetition``, ``language``, and any others,
which become fields to filter by.
"""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from core.corpus.base import DEFAULTS, Clip, Corpus, Field, Texts
from core.errors import CorpusError
from core.labels import RESERVED

if TYPE_CHECKING:
    import pandas as pd

TABLE: Final = "manifest.csv"
REQUIRED: Final = ("file", "emotion", "speaker")
MAX_BYTES: Final = 2**28
"""Largest table that is read, in bytes."""
TAKEN: Final = ("path", "duration", "rate", "channels", "digest", "error", "duplicate_of", "size", "modified")
"""Columns of an index that a table cannot set."""


def is_table(root: Path) -> bool:
    """Tell whether a folder is such a corpus."""
    return (root / TABLE).is_file()


def open_table(root: Path, name: str) -> Corpus:
    """Return the corpus of a folder with a table.

    Parameters
    ----------
    root : path
        The folder.
    name : str
        Name of the corpus.

    Returns
    -------
    Corpus

    Raises
    ------
    CorpusError
        If the table cannot be read, lacks a column, or says two things of one file.
    """
    import pandas as pd

    path = root / TABLE
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CorpusError(f"{str(path)!r} is too large for a table of clips.")
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise CorpusError(f"{str(path)!r} cannot be read ({error}). It must be a table as CSV in UTF-8.") from error
    missing = [column for column in REQUIRED if column not in table]
    if missing:
        raise CorpusError(f"{str(path)!r} lacks the column {missing[0]!r}; it needs {', '.join(REQUIRED)}.")
    return make_corpus(table, name=name, title=root.name, origin=str(path))


def make_corpus(table: "pd.DataFrame", *, name: str, title: str, origin: str, texts: Texts | None = None) -> Corpus:
    """Return the corpus that a table describes.

    Parameters
    ----------
    table : pandas.DataFrame
        Texts; columns as ``manifest.csv`` has them.
    name, title : str
        What the corpus is called.
    origin : str
        Where the table is from, for errors.
    texts : Texts, optional
        How the corpus is spoken of.

    Returns
    -------
    Corpus

    Raises
    ------
    CorpusError
        If a value is missing, a file stands twice, two have one name but for their endings, or a name cannot be used.
    """
    table = table.rename(columns=lambda column: str(column).strip())
    for column in REQUIRED:
        empty = table.index[table[column].str.strip() == ""]
        if len(empty):
            raise CorpusError(f"{origin}: row {empty[0] + 2} has no {column}. Fill it in, or remove the row.")
    files = table["file"].map(lambda file: PurePath(file).as_posix())
    if files.duplicated().any():
        raise CorpusError(f"{origin}: {files[files.duplicated()].iloc[0]!r} stands twice. Keep one row a file.")
    own = [str(c) for c in table if c not in (*REQUIRED, *DEFAULTS, *TAKEN) and c not in RESERVED and str(c)]
    used = [c for c in (*DEFAULTS, *own) if c in table]
    clips = {
        file: _clip(file, dict(zip(table.columns, row, strict=True)), used)
        for file, row in zip(files, table.itertuples(index=False, name=None), strict=True)
    }
    by_name: dict[str, str] = {}
    for file, clip in clips.items():
        if (other := by_name.setdefault(clip["clip"], file)) != file:
            raise CorpusError(f"{origin}: {other!r} and {file!r} have one name but for their endings. Rename one.")
    shown = [c for c in ("channel", "gender", "intensity", "language", *own, "statement") if c in table]
    return Corpus(
        name=name,
        title=title,
        labels=tuple(sorted({clip["emotion"] for clip in clips.values()})),
        parse=lambda path: clips.get(path.as_posix()),
        fields=(*(Field(c, c.replace("_", " ").capitalize()) for c in shown), Field("speaker", "Speaker")),
        texts=texts or Texts(),
        expected=lambda: sorted(clip["clip"] for clip in clips.values()),
    )


def _clip(file: str, row: Mapping[str, str], used: list[str]) -> Clip:
    fields: dict[str, Any] = {column: row[column].strip() for column in used}
    if "channel" in fields:
        fields["channel"] = fields["channel"] or DEFAULTS["channel"]
    if "repetition" in fields:
        fields["repetition"] = int(fields["repetition"]) if fields["repetition"].isdecimal() else 1
    clip = PurePath(file).with_suffix("").as_posix()
    return fields | {"clip": clip, "speaker": row["speaker"].strip(), "emotion": row["emotion"].strip()}
