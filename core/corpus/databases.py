"""Audformat databases as corpora: the format of published speech databases, read by its own package.

A database is a folder with ``db.yaml``, tables, and media. Of its tables, the first file-wise one with a scheme of
emotions is read: a column ``emotion``, or one whose scheme has labels and a name that holds "emotion". The speaker and
other fields are the columns ``speaker``, ``gender``, ``language`` and ``intensity`` of any file-wise table, or, where
the labels of the speakers' scheme say so, of that.

References
----------
Wierstorf H et al. (2023). audformat: a format for machine learning databases. https://audeering.github.io/audformat/
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.corpus.base import Corpus, Texts
from core.corpus.table import make_corpus
from core.errors import CorpusError

if TYPE_CHECKING:
    import audformat
    import pandas as pd

HEADER: Final = "db.yaml"
SPEAKER_FIELDS: Final = ("gender", "language")
FIELDS: Final = ("speaker", *SPEAKER_FIELDS, "intensity", "channel", "statement", "repetition")


def is_database(root: Path) -> bool:
    """Tell whether a folder is an audformat database."""
    return (root / HEADER).is_file()


def open_database(root: Path, name: str) -> Corpus:
    """Return the corpus of a folder with an audformat database.

    Parameters
    ----------
    root : path
        The folder; tables must be CSV or Parquet.
    name : str
        Name of the corpus.

    Returns
    -------
    Corpus

    Raises
    ------
    CorpusError
        If it cannot be read, or says no emotion or speaker of its files.
    """
    import audformat

    refuse_pickles(root)
    try:
        database = audformat.Database.load(str(root), load_data=True)
        table = _collect(database)
    except CorpusError:
        raise
    except Exception as error:  # the package documents no classes of its own; a header can be wrong in any way
        raise CorpusError(f"The database {str(root)!r} cannot be read ({error}). Check {HEADER} and tables.") from error
    texts = Texts(about=str(database.description or Texts.about), citation=str(database.author or ""))
    corpus = make_corpus(table, name=name, title=str(database.name), origin=str(root / HEADER), texts=texts)
    return dataclasses.replace(corpus, licence=str(database.license or corpus.licence))


def refuse_pickles(root: Path) -> None:
    """Refuse tables that could run code when they are read.

    Raises
    ------
    CorpusError
        If the folder holds one.
    """
    found = next(root.glob("*.pkl"), None)
    if found is not None:
        raise CorpusError(f"{found.name!r} is a pickle, which can run code when read. Save the tables as CSV.")


def _collect(database: "audformat.Database") -> "pd.DataFrame":
    """Return a row a file: ``file``, ``emotion``, and what is known of ``FIELDS``."""
    import pandas as pd

    columns = {
        name: column
        for table in database
        if database[table].is_filewise
        for name, column in _series(database, table).items()
    }
    emotion = next((columns[name] for name in ("emotion", *columns) if "emotion" in name and name in columns), None)
    if emotion is None:
        raise CorpusError("The database has no file-wise table with a column of emotions.")
    found = pd.DataFrame({"emotion": emotion.dropna().astype(str)})
    for field in FIELDS:
        if field in columns:
            found[field] = columns[field].reindex(found.index).astype(str).where(columns[field].notna(), "")
    if "speaker" not in found:
        raise CorpusError("The database does not say who speaks: it has no file-wise column 'speaker'.")
    for field in SPEAKER_FIELDS:
        if field not in found:
            known = _of_speakers(database, field)
            if known:
                found[field] = found["speaker"].map(known).fillna("")
    return found.rename_axis("file").reset_index().fillna("").astype(str)


def _series(database: "audformat.Database", table: str) -> "dict[str, pd.Series]":
    """Return the columns of a file-wise table, by name."""
    frame = database[table].get()
    return {str(column): frame[column] for column in frame}


def _of_speakers(database: "audformat.Database", field: str) -> dict[str, str]:
    """Return a field of the speakers, where the labels of their scheme tell it."""
    labels: Any = database.schemes["speaker"].labels if "speaker" in database.schemes else None
    if not isinstance(labels, dict):
        return {}
    return {str(s): str(fields[field]) for s, fields in labels.items() if isinstance(fields, dict) and field in fields}
