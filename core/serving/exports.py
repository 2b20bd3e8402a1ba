"""Results as files for other programs: tables for spreadsheets, JSON for scripts, the reference project's pair."""

import dataclasses
import io
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Final

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from core.audio.features.reference import ReferenceFeatures
from core.audio.sound import Sound
from core.audio.stream import Stream
from core.config import SAMPLE_RATE
from core.errors import AudioError, ModelError, SoundWebError
from core.serving.prediction import Prediction, share_of_time
from core.serving.registry import Registry
from core.serving.segments import Reading, Segment

if TYPE_CHECKING:
    import pandas as pd

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet run a cell as a formula."""
COLUMNS: Final = (
    "file", "emotion", "confidence", "is_uncertain", "reasons", "heard", "speech", "duration", "known", "unheard",
    "unheard_confidence",
)  # fmt: skip
"""Columns of ``prediction_table`` before those of the emotions."""
NUMBERS: Final = ("confidence", "speech", "duration", "unheard_confidence")
"""Those of them that hold numbers, as the emotions do."""


def prediction_json(file: str, answer: Prediction | SoundWebError) -> str:
    """Return one answer, or the reason why there is none, as a JSON object on one line."""
    fields = {"error": str(answer)} if isinstance(answer, SoundWebError) else answer.to_dict()
    return json.dumps({"file": file} | fields, allow_nan=False)


def prediction_text(file: str, answer: Prediction) -> str:
    """Return one answer for people: emotion, confidence, all probabilities, what it rests on and speaks against it."""
    doubt = " (unsure)" if answer.is_uncertain else ""
    lines = [f"{file}: {answer.emotion}, confidence {answer.confidence:.4f}{doubt}"]
    lines += [f"  {emotion:<9} {probability:.4f}" for emotion, probability in answer.probabilities.items()]
    lines.append(f"  heard: {heard_text(answer)}")
    if len(answer.pieces) > 1:
        lines += [
            f"    {piece.start:8.2f} - {piece.end:.2f} s  {piece.label:<9} {piece.emotion} {piece.confidence:.4f}"
            for piece in answer.pieces
        ]
    notes = [*answer.reasons, *([str(answer.known)] if answer.known else [])]
    return "\n".join([*lines, *(f"  note: {note}" for note in notes)])


def heard_text(answer: Prediction) -> str:
    """Return what of a sound was answered, in words: which part, or how much of it was what.

    Parameters
    ----------
    answer : Prediction
        As from ``Predictor.predict``.

    Returns
    -------
    str
    """
    if len(answer.pieces) == 1:
        piece = answer.pieces[0]
        return f"{piece.start:.1f} to {piece.end:.1f} s of {answer.duration:.1f} s"
    shares = ", ".join(f"{label} {share:.0%}" for label, share in answer.shares.items())
    return (
        f"{answer.speech_duration:.1f} s of speech in {answer.duration:.1f} s ({answer.silence:.0%} without a voice); "
        f"of the speech: {shares}"
    )


def prediction_table(answers: Sequence[tuple[str, Prediction | SoundWebError]]) -> "pd.DataFrame":
    """Return answers as a table.

    Parameters
    ----------
    answers : sequence of (str, Prediction or SoundWebError)
        File names and their answers.

    Returns
    -------
    pandas.DataFrame
        A row a file: ``file, emotion, confidence, is_uncertain, reasons``, what was ``heard`` in words, seconds of
        ``speech`` and ``duration``, the ``known`` clip of the training and what models without its speaker
        answer, ``unheard`` with ``unheard_confidence``, a column for each emotion, ``error``.
    """
    import pandas as pd

    labels = next((list(answer.probabilities) for _, answer in answers if isinstance(answer, Prediction)), [])
    return pd.DataFrame([prediction_fields(file, answer) for file, answer in answers], columns=table_columns(labels))


def prediction_fields(file: str, answer: Prediction | SoundWebError) -> dict[str, object]:
    """Return a row of ``prediction_table`` by columns; a file without an answer has few."""
    if isinstance(answer, SoundWebError):
        return {"file": file, "error": str(answer)}
    known = answer.known
    return {
        "file": file,
        "emotion": answer.emotion,
        "confidence": answer.confidence,
        "is_uncertain": answer.is_uncertain,
        "reasons": "; ".join(answer.reasons),
        "heard": heard_text(answer),
        "speech": round(answer.speech_duration, 3),
        "duration": round(answer.duration, 3),
        "known": known.clip if known else "",
        "unheard": known.answer if known else "",
        "unheard_confidence": known.confidence if known else None,
        **answer.probabilities,
        "error": None,
    }


def table_columns(labels: Sequence[str]) -> list[str]:
    """Return the columns of ``prediction_table`` for a model's emotions, in their order."""
    return [*COLUMNS, *labels, "error"]


def file_stem(name: str) -> str:
    """Return the beginning of the names of files about a sound: its own name, of plain characters.

    >>> file_stem("My talk (1).wav"), file_stem("../../x.mp3"), file_stem("звук.ogg"), file_stem("...")
    ('My-talk-1', 'x', 'звук', 'sound')
    """
    stem = PureWindowsPath(name).stem  # knows both kinds of slashes
    return re.sub(r"[^\w-]+", "-", stem).strip("-")[:60] or "sound"


def segment_table(segments: Sequence[Segment]) -> "pd.DataFrame":
    """Return segments as a table: ``start, end, label, emotion, confidence``; times in seconds.

    Where nobody spoke, there is neither an emotion nor a confidence.
    """
    import pandas as pd

    columns = [field.name for field in dataclasses.fields(Segment)]
    return pd.DataFrame([_segment_fields(segment) for segment in segments], columns=columns)


def _segment_fields(segment: Segment) -> dict[str, object]:
    return dataclasses.asdict(segment) | ({} if segment.emotion else {"confidence": None})


def window_table(readings: Sequence[Reading]) -> "pd.DataFrame":
    """Return the windows behind segments as a table.

    Parameters
    ----------
    readings : sequence of Reading
        As from ``core.serving.segments.smooth``.

    Returns
    -------
    pandas.DataFrame
        A row a window: ``start, end`` of what it tells and ``first_sample, last_sample`` of what was analysed at
        22,050 Hz; smoothed ``label``; ``level`` in dBFS, empty for silence, and ``pitch`` in Hz; a column for each
        emotion, unsmoothed.
    """
    import pandas as pd

    rows = []
    for reading in readings:
        window = reading.window
        row: dict[str, object] = {
            "start": window.start,
            "end": window.end,
            "first_sample": window.first,
            "last_sample": window.stop,
        }
        level = window.level if math.isfinite(window.level) else None
        row |= {"label": reading.label, "level": level, "pitch": window.pitch}
        rows.append(row | (window.prediction.probabilities if window.prediction else {}))
    labels = next((reading.labels for reading in readings if reading.labels), ())
    columns = ["start", "end", "first_sample", "last_sample", "label", "level", "pitch", *labels]
    return pd.DataFrame(rows, columns=columns)


def timeline_json(segments: Sequence[Segment], readings: Sequence[Reading], model: str) -> bytes:
    """Return a timeline as JSON: model, shares of time, segments, and the windows of ``window_table``."""
    windows = window_table(readings).astype(object)
    report = {
        "model": model,
        "share_of_time": share_of_time(segments),
        "segments": [_segment_fields(segment) for segment in segments],
        "windows": windows.where(windows.notna(), None).to_dict("records"),
    }
    return json.dumps(report, indent=1, allow_nan=False).encode()


def to_int16(y: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return samples within [-1, 1], shape (n,), as 16-bit numbers; what lies beyond is cut off."""
    return np.asarray(np.clip(np.round(y * 32_767), -32_768, 32_767), dtype=np.int16)


def wav_bytes(samples: NDArray[np.int16]) -> bytes:
    """Return samples at ``core.config.SAMPLE_RATE``, shape (n,), as a WAV file."""
    buffer = io.BytesIO()
    sf.write(buffer, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def cut(sound: Sound, start: float, end: float) -> Sound:
    """Return a stretch of a sound as a sound of its own.

    Parameters
    ----------
    sound : Sound
        The sound.
    start, end : float
        Ends of the stretch, in seconds.

    Returns
    -------
    Sound
        A WAV file at ``core.config.SAMPLE_RATE`` of the voice that is heard in the sound.

    Raises
    ------
    AudioError
        If the sound cannot be decoded, or holds nothing there.

    Examples
    --------
    >>> second = Sound("a b.wav", wav_bytes(np.zeros(SAMPLE_RATE, np.int16)))
    >>> cut(second, 0.25, 0.5).name, len(sf.read(io.BytesIO(cut(second, 0.25, 0.5).data))[0])
    ('a-b-0.25-0.50.wav', 5513)
    """
    first, last, told = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE), 0
    kept = []
    for block in Stream(sound.data, part=sound.part):
        kept.append(block[max(first - told, 0) : max(last - told, 0)])
        told += len(block)
        if told >= last:
            break
    y = np.concatenate(kept)
    if not len(y):
        raise AudioError(f"There is no sound from {start:.2f} to {end:.2f} s. Choose a stretch within it.")
    return Sound(f"{file_stem(sound.name)}-{start:.2f}-{end:.2f}.wav", wav_bytes(to_int16(y)))


def spreadsheet_csv(table: "pd.DataFrame", *, header: bool = True) -> bytes:
    """Return a table as CSV for spreadsheets: UTF-8 with a mark, and no text that would run as a formula.

    Parameters
    ----------
    table : pandas.DataFrame
        The table, or the next rows of one.
    header : bool
        Whether it begins: with the mark, and the names of the columns.

    Returns
    -------
    bytes
    """
    return table.map(harmless).to_csv(index=False, header=header).encode("utf-8-sig" if header else "utf-8")


def harmless(value: object) -> object:
    """Return a cell that no spreadsheet runs as a formula.

    >>> harmless("=HYPERLINK(1)"), harmless("talk.wav"), harmless(-0.5)
    ("'=HYPERLINK(1)", 'talk.wav', -0.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


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
        If the model cannot be loaded, reads other features, or the folder cannot be written.
    """
    from core.learning.conversion import write_reference_files

    registry = registry or Registry()
    stored = registry.load(model)
    if stored.features != ReferenceFeatures():
        fitting = ", ".join(registry.names_of("reference")) or "none is stored"
        raise ModelError(
            f"The model {stored.name!r} reads other features than the reference project's scripts compute. "
            f"Export one of the recipe 'reference' ({fitting})."
        )
    try:
        return write_reference_files(stored.folder, target)
    except OSError as error:
        raise ModelError(f"The folder {str(target)!r} cannot be written: {error.strerror}.") from error
