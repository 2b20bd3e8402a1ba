"""Results as files for other programs: tables for spreadsheets, JSON for scripts, the reference project's pair."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.config import FeatureConfig
from core.errors import ModelError, SoundWebError
from core.labels import EMOTIONS
from core.serving.predictor import Prediction
from core.serving.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet run a cell as a formula."""


def prediction_json(file: str, answer: Prediction | SoundWebError) -> str:
    """Return one answer, or the reason why there is none, as a JSON object on one line."""
    fields: dict[str, object] = (
        {"error": str(answer)} if isinstance(answer, SoundWebError) else dataclasses.asdict(answer)
    )
    return json.dumps({"file": file} | fields)


def prediction_text(file: str, answer: Prediction) -> str:
    """Return one answer for people: emotion, confidence, all probabilities, and what speaks against it."""
    doubt = " (unsure)" if answer.is_uncertain else ""
    lines = [f"{file}: {answer.emotion}, confidence {answer.confidence:.4f}{doubt}"]
    lines += [f"  {emotion:<9} {probability:.4f}" for emotion, probability in answer.probabilities.items()]
    return "\n".join([*lines, *(f"  note: {reason}" for reason in answer.reasons)])


def prediction_table(answers: Sequence[tuple[str, Prediction | SoundWebError]]) -> "pd.DataFrame":
    """Return answers as a table.

    Parameters
    ----------
    answers : sequence of (str, Prediction or SoundWebError)
        File names and their answers.

    Returns
    -------
    pandas.DataFrame
        A row a file: ``file, emotion, confidence, is_uncertain, reasons``, a column for each emotion, ``error``.
    """
    import pandas as pd

    rows = []
    for file, answer in answers:
        row: dict[str, object] = {"file": file}
        if isinstance(answer, SoundWebError):
            row["error"] = str(answer)
        else:
            row |= {"emotion": answer.emotion, "confidence": answer.confidence, "is_uncertain": answer.is_uncertain}
            row |= {"reasons": "; ".join(answer.reasons), "error": "", **answer.probabilities}
        rows.append(row)
    columns = ["file", "emotion", "confidence", "is_uncertain", "reasons", *EMOTIONS, "error"]
    return pd.DataFrame(rows, columns=columns)


def spreadsheet_csv(table: "pd.DataFrame") -> bytes:
    """Return a table as CSV for spreadsheets: UTF-8 with a mark, and no text that would run as a formula."""

    def harmless(value: object) -> object:
        return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value

    return table.map(harmless).to_csv(index=False).encode("utf-8-sig")


def export_reference(model: str | None, target: Path, *, registry: Registry | None = None) -> tuple[Path, Path]:
    """Write a stored model as ``model.h5`` and ``scaler.pkl`` for the reference project's scripts.

    Parameters
    ----------
    model : str, optional
        Name of the model; the one in use by default.
    target : path
        Folder to write into.
    registry : Registry, optional
        Where models are stored.

    Returns
    -------
    tuple of path

    Raises
    ------
    ModelError
        If the model can not be loaded, reads other features, or the folder can not be written.
    """
    from core.learning.conversion import write_reference_files

    registry = registry or Registry()
    stored = registry.load(model)
    if not isinstance(stored.features, FeatureConfig):
        fitting = ", ".join(registry.names_of("reference")) or "none is stored"
        raise ModelError(
            f"The model {stored.name!r} reads other features than the reference project's scripts compute. "
            f"Export one of the recipe 'reference' ({fitting})."
        )
    try:
        return write_reference_files(stored.folder, target)
    except OSError as error:
        raise ModelError(f"The folder {str(target)!r} can not be written: {error.strerror}.") from error
