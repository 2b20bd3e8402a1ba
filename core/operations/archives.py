"""Models as zip files: out of one installation, into another, every file checked.

What comes in is hostile until shown otherwise. Only the files that a model has are taken, by name; each must be what
the manifest says; the network must be plain ONNX operators that answer for a sound. The Keras file is stored, and
never loaded here.
"""

import io
import json
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.audio.extraction import feature_shape
from core.errors import ModelError
from core.labels import CHANNELS
from core.learning.evaluation import evaluate
from core.operations import audit
from core.operations.sessions import require_admin
from core.serving.predictor import Predictor
from core.serving.registry import MODEL_FILES, NAME_PATTERN, STUDY_FILES, Registry, StoredModel

MANIFEST: Final = "manifest.json"
MAX_ARCHIVE: Final = 100 * 2**20
"""Size of a zip file, in bytes."""
MAX_FILE: Final = 100 * 2**20
"""Size of a file in it, in bytes, counted while unpacking: headers lie."""
MAX_MANIFEST: Final = 2**20
OPERATOR_SETS: Final = ("", "ai.onnx", "ai.onnx.ml")
"""Origins of operators that a network may use: those of ONNX itself."""


def export_model(token: str, name: str, *, registry: Registry | None = None) -> bytes:
    """Return a stored model as a zip file.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    ModelError
        If the model can not be loaded.
    """
    actor = require_admin(token)
    model = (registry or Registry()).load(name)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (MANIFEST, *sorted(model.manifest["files"])):
            archive.write(model.folder / file, file)
    audit.record(actor, "export", name)
    return buffer.getvalue()


def import_model(token: str, data: bytes, *, registry: Registry | None = None) -> StoredModel:
    """Store a model from a zip file; it is not put in use.

    Parameters
    ----------
    token : str
        Of an administrator who is signed in.
    data : bytes
        As from ``export_model``.
    registry : Registry, optional
        Where to store it.

    Returns
    -------
    StoredModel

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    ModelError
        If the file is not a model's, or anything in it is not as the manifest says.
    """
    actor = require_admin(token)
    files = _unpack(data)
    manifest = _read_manifest(files)
    name = str(manifest["name"])

    def write_files(folder: Path) -> None:
        for file, content in files.items():
            (folder / file).write_bytes(content)
        model = StoredModel(name, folder, manifest)
        _try_out(model, files["network.onnx"])
        _check_figures(model)

    model = (registry or Registry()).adopt(name, write_files)
    audit.record(actor, "import", name)
    return model


def _unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive, by name, with nothing in it that a model does not have."""
    if len(data) > MAX_ARCHIVE:
        raise ModelError(f"The file has {len(data):,} bytes; {MAX_ARCHIVE:,} are the limit for a model.")
    allowed = {MANIFEST, *MODEL_FILES, *STUDY_FILES}
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                mode = entry.external_attr >> 16
                is_plain = not entry.flag_bits & 1 and (not stat.S_IFMT(mode) or stat.S_ISREG(mode))
                if entry.filename not in allowed or entry.filename in files or not is_plain:
                    raise ModelError(f"The archive holds {entry.filename!r}, which is not a file of a model.")
                files[entry.filename] = _read(archive, entry)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, zlib.error) as error:
        raise ModelError("The file is not a zip file that can be read. Export the model again.") from error
    missing = {MANIFEST, *MODEL_FILES} - set(files)
    if missing:
        raise ModelError(f"The archive lacks {', '.join(sorted(missing))}. Export the model again.")
    return files


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    limit = MAX_MANIFEST if entry.filename == MANIFEST else MAX_FILE
    with archive.open(entry) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ModelError(f"The file {entry.filename!r} in the archive has more than {limit:,} bytes.")
    return content


def _read_manifest(files: dict[str, bytes]) -> dict[str, Any]:
    """Return the manifest, where it names exactly the other files; the registry checks the rest of it."""
    try:
        manifest = json.loads(files[MANIFEST])
        listed, name = set(manifest["files"]), manifest["name"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError("The manifest in the archive can not be read. Export the model again.") from error
    if listed != set(files) - {MANIFEST}:
        raise ModelError("The manifest does not list the files of the archive. Export the model again.")
    if not isinstance(name, str) or NAME_PATTERN.fullmatch(name) is None or not isinstance(manifest, dict):
        raise ModelError(f"{name!r} is not a model name; expected one like 'reference-0a1b2c3d'.")
    return manifest


def _try_out(model: StoredModel, network: bytes) -> None:
    """Refuse a network with parts outside of itself, and one that does not answer."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load_model_from_string(network)
        onnx.checker.check_model(graph)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise ModelError("The network in the archive is not an ONNX network that can be read.") from error
    foreign = {entry.domain for entry in graph.opset_import} - set(OPERATOR_SETS)
    if foreign or graph.functions or any(tensor.external_data for tensor in _tensors(graph.graph)):
        raise ModelError("The network in the archive uses parts outside of itself and is not accepted.")
    try:
        y_proba = Predictor(model).predict_features(np.zeros((2, *feature_shape(model.features)), np.float32))
    except Exception as error:  # onnxruntime's own errors have no common class but this
        raise ModelError(f"The network in the archive does not answer ({type(error).__name__}).") from error
    if y_proba.shape != (2, len(model.manifest["labels"])) or not np.isfinite(y_proba).all():
        raise ModelError("The network in the archive does not give a probability for each emotion.")


def _check_figures(model: StoredModel) -> None:
    """Refuse a model whose figures do not follow from its own predictions: the gate of promotions goes by them."""
    try:
        claimed, found = (_figures(report) for report in (model.metrics(), evaluate(model.predictions())))
        agree = claimed.keys() == found.keys() and all(np.isclose(claimed[key], found[key]) for key in found)
    except Exception as error:  # tables and reports can be wrong in any way
        raise ModelError("The figures of the archive do not follow from its predictions.") from error
    if not agree:
        raise ModelError("The figures of the archive do not follow from its predictions. Export the model again.")


def _figures(report: dict[str, Any]) -> dict[tuple[str, str], float]:
    """Return the unweighted average recall of each protocol and channel."""
    return {
        (protocol, channel): float(figures[channel]["unweighted_average_recall"]["mean"])
        for protocol, figures in report.items()
        for channel in CHANNELS
        if channel in figures
    }


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield all constants of an ONNX graph and of the graphs within it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
