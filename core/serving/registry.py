"""Registry of models: folders that are written once, checked whenever they are read, and never changed.

A model is a folder ``<recipe>-<8 hex of its configuration>`` with the files of ``MODEL_FILES`` and a manifest that
holds the SHA-256 of each. ``champion.json`` beside the folders names the model in use and those used before it.
"""

import contextlib
import csv
import dataclasses
import datetime
import functools
import hashlib
import importlib.metadata
import io
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout

from core.config import STORED_NAME, artifacts_folder, configuration_hash
from core.corpus.base import is_label_set
from core.corpus.known import load_corpus
from core.errors import AnotherInUse, ModelError
from core.files import folder_aside, partial_of, sha256_of_file, sync_folder, write_atomically
from core.learning.manifest import FIRST_FORMAT, Manifest
from core.settings import PROGRAM
from core.values import check_values

if TYPE_CHECKING:
    import pandas as pd

    from core.audio.features.base import FeatureSet

logger = logging.getLogger(__name__)

PREDICTIONS_FILE: Final = "predictions.csv"
MODEL_FILES: Final = (
    "network.keras",
    "network.onnx",
    "scaler.json",
    "history.csv",
    "metrics.json",
    PREDICTIONS_FILE,
    "card.md",
)
ANSWERING_FILES: Final = ("network.onnx", "scaler.json")
"""Files without which a model cannot answer; the others are about it."""
STUDY_FILES: Final = ("robustness.csv", "ablations.csv", "baseline.csv")
"""Files that a model has if its training was asked for studies."""
CHAMPION_FILE: Final = "champion.json"
LOCK_TIMEOUT: Final = 10.0
"""Longest wait for another process that changes which model is in use, in seconds."""
LIBRARIES: Final = ("tensorflow", "keras", "scikit-learn", "librosa", "numpy", "onnxruntime")


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """A model whose files have been checked against its manifest; each is checked again when it is read.

    What reads a file raises ``ModelError`` where it is missing, altered, or not what it should be.
    """

    name: str
    """``<recipe>-<8 hex of its configuration>``."""
    folder: Path
    """Where its files are."""
    manifest: Manifest
    """What it is."""

    @property
    def features(self) -> "FeatureSet":
        """The features that the model reads."""
        from core.audio.features.base import read_features

        return read_features(self.manifest.features)

    @property
    def threshold(self) -> float | None:
        """Confidence below which an answer is unsure; None where every answer is."""
        threshold = self.manifest.decision.threshold
        return None if threshold is None else float(threshold)

    @property
    def main_protocol(self) -> str:
        """Name of the protocol whose figures count."""
        return self.manifest.corpus.main_protocol

    def read(self, file: str) -> bytes:
        """Return a file of the model.

        Raises
        ------
        ModelError
            If it is not the one that was published.
        """
        try:
            data = (self.folder / file).read_bytes()
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != self.manifest.files.get(file):
            raise altered(file, self.name)
        return data

    def card(self) -> str:
        """Return what people should know of the model, as Markdown."""
        with self._well_formed("card.md"):
            return self.read("card.md").decode()

    def metrics(self) -> dict[str, Any]:
        """Return the figures of all protocols; see ``core.learning.evaluation``."""
        with self._well_formed("metrics.json"):
            report: dict[str, Any] = dict(json.loads(self.read("metrics.json")))
            check_values(report)
        return report

    def predictions(self) -> "pd.DataFrame":
        """Return the out-of-fold probabilities; see ``core.learning.predictions``."""
        return self._read_predictions(PREDICTIONS_FILE)

    def predictions_of(self, clip: str) -> list[dict[str, str]]:
        """Return the rows of ``predictions`` about a clip, as texts: in milliseconds; the table takes a second."""
        with self._well_formed(PREDICTIONS_FILE):
            head, places = self._predictions
            lines = (line.decode() for line in (head, *places.get(_beginning(clip), ())))
            rows = [row for row in csv.DictReader(lines) if row["clip"] == clip]
        if self.manifest.format == FIRST_FORMAT:
            told = load_corpus(self.manifest.corpus.name).parse(PurePath(f"{clip}.wav"))
            rows = [row | {field: str(value) for field, value in told.items()} for row in rows if told is not None]
        return rows

    @functools.cached_property
    def _predictions(self) -> tuple[bytes, dict[bytes, list[bytes]]]:
        """The head of the table of ``predictions``, and its lines by ``_beginning`` of their clip."""
        head, *lines = self.read(PREDICTIONS_FILE).splitlines()
        place = head.split(b",").index(b"clip")
        by_clip: dict[bytes, list[bytes]] = {}
        for line in lines:
            by_clip.setdefault(line.split(b",", place + 1)[place], []).append(line)
        return head, by_clip

    def studies(self) -> "dict[str, pd.DataFrame]":
        """Return the predictions of the studies that the model has, by name; see ``core.learning.studies``."""
        return {file.split(".")[0]: self._read_predictions(file) for file in STUDY_FILES if file in self.manifest.files}

    def _read_predictions(self, file: str) -> "pd.DataFrame":
        from core.learning.predictions import read_predictions

        is_first = self.manifest.format == FIRST_FORMAT
        with self._well_formed(file):
            corpus = load_corpus(self.manifest.corpus.name) if is_first else None
            return read_predictions(io.BytesIO(self.read(file)), corpus)

    def history(self) -> "pd.DataFrame":
        """Return a row for each epoch of each fold."""
        import pandas as pd

        with self._well_formed("history.csv"):
            return pd.read_csv(io.BytesIO(self.read("history.csv")))

    @contextlib.contextmanager
    def _well_formed(self, file: str) -> Iterator[None]:
        """Say of a file that was published so that it is not what it should be."""
        try:
            yield
        except (ValueError, LookupError, TypeError, RecursionError, csv.Error) as error:
            raise ModelError(
                f"The file {file!r} of model {self.name!r} cannot be read ({error}). Retrain it."
            ) from error


def _beginning(clip: str) -> bytes:
    """Return the name of a clip as it stands in a table, up to the first comma."""
    text = io.StringIO()
    csv.writer(text).writerow([clip])
    return text.getvalue().removesuffix("\r\n").encode().split(b",")[0]


class Registry:
    """The models in a folder.

    Parameters
    ----------
    root : path, optional
        Folder of the models; ``artifacts`` of the project by default.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or artifacts_folder()

    def names(self) -> list[str]:
        """Return the names of all models that have been published, sorted."""
        if not self.root.is_dir():
            return []
        folders = (p for p in self.root.iterdir() if STORED_NAME.fullmatch(p.name))
        return sorted(p.name for p in folders if (p / "manifest.json").is_file())

    def names_of(self, recipe: str) -> list[str]:
        """Return the names of the models of a recipe, sorted."""
        return [name for name in self.names() if name.rpartition("-")[0] == recipe]

    def has_champion(self) -> bool:
        """Tell whether a model is in use, by a record that can be read."""
        try:
            return bool(self._used())
        except ModelError:
            return False

    def champion(self) -> str:
        """Return the name of the model in use.

        Raises
        ------
        ModelError
            If no model is in use.
        """
        used = self._used()
        if not used:
            raise ModelError(
                f"No model is in use. '{PROGRAM} warm-up' brings those that ship; else train one, or promote one."
            )
        return used[-1]

    def load(self, name: str | None = None, *, to_answer: bool = False) -> StoredModel:
        """Check a model's files and return it.

        Parameters
        ----------
        name : str, optional
            Name of the model; the one in use by default.
        to_answer : bool
            Whether it is enough that the model can answer: what is about it is checked when it is read.

        Returns
        -------
        StoredModel

        Raises
        ------
        ModelError
            If the model is missing, a file is missing or altered, or it was made for other features or labels.
        """
        name = name or self.champion()
        folder = self.root / name
        self._check_stored(name)
        model = StoredModel(name, folder, _read_manifest(name, folder))
        _check_files(model, ANSWERING_FILES if to_answer else tuple(model.manifest.files))
        return model

    def stamp(self, name: str) -> str:
        """Return name, time of change and size of each of a model's files: while they stay, so does the model.

        Nothing is read; without such a model, or while it is being deleted, the stamp is empty.
        """
        try:
            found = [(path.name, path.stat()) for path in (self.root / name).iterdir()]
        except OSError:
            return ""
        return " ".join(sorted(f"{file}:{stat.st_mtime_ns}:{stat.st_size}" for file, stat in found))

    def publish(self, name: str, manifest: Manifest, write_files: Callable[[Path], None]) -> StoredModel:
        """Store a model: its files are written aside, checked, and moved into place in one step.

        Parameters
        ----------
        name : str
            As ``STORED_NAME``; must be new.
        manifest : Manifest
            What the model is; name, libraries, time and the files' hashes are added.
        write_files : callable
            Called with an empty folder; writes ``MODEL_FILES`` into it.

        Returns
        -------
        StoredModel

        Raises
        ------
        ModelError
            If the name is taken or not allowed, or the files are not those of a model.
        """

        def complete(aside: Path) -> None:
            write_files(aside)
            whole = _complete_manifest(name, manifest, aside)
            write_atomically(aside / "manifest.json", json.dumps(whole.to_json(), indent=2).encode())

        return self._store(name, complete)

    def adopt(self, name: str, write_files: Callable[[Path], None]) -> StoredModel:
        """Store a model that was published elsewhere, as it is: files and manifest; it may mend a damaged one.

        Parameters
        ----------
        name : str
            As ``STORED_NAME``; must be new, or that of a stored model of which a file is missing or altered.
        write_files : callable
            Called with an empty folder; writes ``MODEL_FILES`` and ``manifest.json`` into it.

        Returns
        -------
        StoredModel

        Raises
        ------
        ModelError
            If the name is taken or not allowed, or the files are not those of the manifest.
        """
        return self._store(name, write_files, mends=True)

    def _store(self, name: str, write_files: Callable[[Path], None], *, mends: bool = False) -> StoredModel:
        """Write a model aside, check it, and move it into place in one step, instead of a damaged one where wanted."""
        if STORED_NAME.fullmatch(name) is None:
            raise ModelError(f"{name!r} is not a model name; expected one like 'reference-0a1b2c3d'.")
        self._check_free(name, mends=mends)
        try:
            with folder_aside(self.root / f".{name}") as aside:
                write_files(aside)
                model = StoredModel(name, aside, _read_manifest(name, aside))
                _check_files(model, tuple(model.manifest.files))
                sync_folder(aside)
                with self._alone():
                    self._check_free(name, mends=mends)  # another may have stored it since
                    if (self.root / name).exists():
                        (self.root / name).rename(damaged := partial_of(self.root / f".{name}"))
                        shutil.rmtree(damaged, ignore_errors=True)
                    aside.rename(self.root / name)
        except OSError as error:
            raise ModelError(
                f"The model {name!r} cannot be written: {error.strerror}. Free space and retry."
            ) from error
        return self.load(name)

    def _check_free(self, name: str, *, mends: bool) -> None:
        """Refuse the name of a stored model, but that of a damaged one where it is to be mended."""
        if (self.root / name).exists() and not (mends and self._is_damaged(name)):
            raise ModelError(f"The model {name!r} is stored already, and models are never overwritten.")

    def promote(self, name: str, *, instead_of: str | None = None) -> None:
        """Put a model in use, after checking its files.

        Parameters
        ----------
        name : str
            Name of the model.
        instead_of : str, optional
            Name of the model that must be in use still, empty where none may be; any by default.

        Raises
        ------
        AnotherInUse
            If another model is in use.
        ModelError
            If the model cannot be loaded, or the choice not be written.
        """
        self.load(name)
        with self._alone():
            self._check_stored(name)  # it may have been deleted since
            try:
                before = self._used()
            except ModelError as error:
                logger.warning("The record of models in use starts anew: %s", error)
                before = []
            used = before[-1] if before else ""
            if instead_of is not None and used != instead_of:
                raise AnotherInUse(
                    f"Another model was put in use meanwhile: {used or 'none'}, not {instead_of or 'none'}, is in use. "
                    "Look at it before changing that."
                )
            stored = self.names()
            self._write_used([*(used for used in before if used != name and used in stored), name])

    def roll_back(self, expected: str | None = None) -> str:
        """Put the model in use that was so before, and return its name.

        Parameters
        ----------
        expected : str, optional
            Name of the model that this must be; any by default.

        Returns
        -------
        str

        Raises
        ------
        AnotherInUse
            If it is another model.
        ModelError
            If there was none, or it cannot be loaded.
        """
        with self._alone():
            used = self._used()
            if len(used) < 2:
                raise ModelError("No model was in use before this one.")
            if expected is not None and used[-2] != expected:
                raise AnotherInUse(
                    f"The models in use were changed meanwhile: {used[-1]} is in use, and before it {used[-2]} was, "
                    f"not {expected}. Look at them before going back."
                )
            self.load(used[-2])
            self._write_used(used[:-1])
        return used[-2]

    def delete(self, name: str) -> None:
        """Remove a model that is not in use: out of sight in one step, then from the disk.

        Raises
        ------
        ModelError
            If there is no such model, or it is in use.
        """
        with self._alone():
            self._check_stored(name)
            used = self._used()
            if used and used[-1] == name:
                raise ModelError(f"The model {name!r} is in use. Promote another one before deleting it.")
            if name in used:
                self._write_used([other for other in used if other != name])
            aside = partial_of(self.root / f".{name}")
            (self.root / name).rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def previous(self) -> str | None:
        """Return the model that a roll-back would put in use."""
        return next(iter(self.used_before()), None)

    def used_before(self) -> list[str]:
        """Return the models that were in use before, the last one first; none where the record cannot be read."""
        try:
            return self._used()[-2::-1]
        except ModelError:
            return []

    def _is_damaged(self, name: str) -> bool:
        try:
            self.load(name)
        except ModelError:
            return True
        return False

    def _check_stored(self, name: str) -> None:
        if STORED_NAME.fullmatch(name) is None or not (self.root / name / "manifest.json").is_file():
            raise ModelError(f"There is no model {name!r}. Stored are: {', '.join(self.names()) or 'none'}.")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock under which the record of models in use is read and written anew."""
        try:
            with FileLock(self.root / ".lock", timeout=LOCK_TIMEOUT):
                yield
        except Timeout as error:
            raise ModelError("Another process is changing which model is in use. Try again.") from error
        except OSError as error:
            raise ModelError(f"The folder of the models cannot be written: {error.strerror}.") from error

    def _used(self) -> list[str]:
        """Return the names of the models that were in use, the one in use last."""
        path = self.root / CHAMPION_FILE
        if not path.is_file():
            return []
        try:
            record = json.loads(path.read_text())
            names = [*list(record["previous"]), record["model"]]
            if wrong := [name for name in names if not isinstance(name, str) or STORED_NAME.fullmatch(name) is None]:
                raise ValueError(f"{wrong[0]!r} is no name of a model")  # noqa: TRY301 - said with the others
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelError(f"{CHAMPION_FILE} cannot be read ({error}). Promote a model again.") from error
        return names

    def _write_used(self, names: list[str]) -> None:
        record = {"model": names[-1], "previous": names[:-1]}
        write_atomically(self.root / CHAMPION_FILE, f"{json.dumps(record, indent=2)}\n".encode())


def _read_manifest(name: str, folder: Path) -> Manifest:
    """Return the manifest of a model's folder, with itself checked."""
    try:
        manifest = Manifest.from_json(json.loads((folder / "manifest.json").read_text()))
        _check_manifest(name, manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"The manifest of model {name!r} cannot be read ({error}). Publish it again.") from error
    return manifest


def _check_files(model: StoredModel, files: Sequence[str]) -> None:
    """Refuse a model of which a file is not the one that was published."""
    for file in files:
        path = model.folder / file
        try:
            is_whole = path.is_file() and sha256_of_file(path) == model.manifest.files[file]
        except OSError:
            is_whole = False
        if not is_whole:
            raise altered(file, model.name)


def altered(file: str, name: str) -> ModelError:
    """Return the error of a file that is not the one that was published."""
    return ModelError(f"The file {file!r} of model {name!r} is missing or altered. Restore or retrain it.")


def _check_manifest(name: str, manifest: Manifest) -> None:
    """Refuse a model that this code would misread."""
    from core.audio.features.base import read_features

    if manifest.name != name:
        raise ModelError(f"The manifest of model {name!r} has another name. Publish the model again.")
    if not is_label_set(manifest.labels):
        raise ModelError(f"The model {name!r} does not name its emotions in order, each once. Retrain it.")
    features = read_features(manifest.features)
    if not features.is_current or configuration_hash(features) != manifest.features_hash:
        raise ModelError(f"The model {name!r} was made for other features than this version computes. Retrain it.")
    missing = set(MODEL_FILES) - set(manifest.files)
    if missing:
        raise ModelError(
            f"The manifest of model {name!r} does not list {', '.join(sorted(missing))}. Publish it again."
        )


def _complete_manifest(name: str, manifest: Manifest, folder: Path) -> Manifest:
    return dataclasses.replace(
        manifest,
        name=name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        libraries={library: importlib.metadata.version(library) for library in LIBRARIES},
        files={path.name: sha256_of_file(path) for path in sorted(folder.iterdir())},
    )
