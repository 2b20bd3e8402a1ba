"""Models as zip files: out of one installation, into another, every file checked.

What comes in is hostile until shown otherwise. Only the files that a model has are taken, by name; each must be what
the manifest says, and hold up in ``core.operations.models.inspection``. The Keras file is stored, never loaded here.
"""

import io
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.config import STORED_NAME
from core.errors import ModelError
from core.files import DAMAGED_ZIP
from core.learning.manifest import Manifest
from core.operations.access import audit
from core.operations.access.sessions import require_admin
from core.operations.models.inspection import check_content
from core.operations.spec import PLAIN_NAME
from core.serving.registry import MODEL_FILES, STUDY_FILES, Registry, StoredModel

MANIFEST: Final = "manifest.json"
MAX_ARCHIVE: Final = 100 * 2**20
"""Size of a zip file, in bytes."""
MAX_FILE: Final = 100 * 2**20
"""Size of a file in it, in bytes, counted while unpacking: headers lie."""
MAX_MANIFEST: Final = 2**20


def export_model(token: str, name: str, *, registry: Registry | None = None) -> bytes:
    """Return a stored model as a zip file.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    ModelError
        If the model cannot be loaded.
    """
    actor = require_admin(token)
    model = (registry or Registry()).load(name)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file in (MANIFEST, *sorted(model.manifest.files)):
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
    model = store(_unpack(data), registry or Registry())
    audit.record(actor, "import", model.name)
    return model


def store(files: Mapping[str, bytes], registry: Registry, name: str | None = None) -> StoredModel:
    """Store a model from the files of an archive, where they hold up.

    Parameters
    ----------
    files : mapping
        Content of each file, by its name.
    registry : Registry
        Where to store it.
    name : str, optional
        What it is called where it comes from; by default, what its manifest says.

    Returns
    -------
    StoredModel

    Raises
    ------
    ModelError
        If files are missing, anything in them is not as the manifest says, or the name is taken.
    """
    missing = {MANIFEST, *MODEL_FILES} - set(files)
    if missing:
        raise ModelError(f"The archive lacks {', '.join(sorted(missing))}. Export the model again.")
    manifest = _read_manifest(files)
    if manifest.name != (name or manifest.name):
        raise ModelError(f"The manifest of the model {name!r} has another name. Export the model again.")

    def write_files(folder: Path) -> None:
        for file, content in files.items():
            (folder / file).write_bytes(content)
        model = StoredModel(manifest.name, folder, manifest)
        for file in manifest.files:
            model.read(file)
        check_content(model)

    return registry.adopt(manifest.name, write_files)


def _unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive, by name, with nothing in it that a model does not have."""
    if len(data) > MAX_ARCHIVE:
        raise ModelError(f"The file has {len(data):,} bytes; {MAX_ARCHIVE:,} are the limit for a model.")
    allowed = {MANIFEST, *MODEL_FILES, *STUDY_FILES}
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if entry.filename not in allowed or entry.filename in files or not is_plain(entry):
                    raise ModelError(f"The archive holds {entry.filename!r}, which is not a file of a model.")
                limit = MAX_MANIFEST if entry.filename == MANIFEST else MAX_FILE
                files[entry.filename] = read_entry(archive, entry, limit)
    except (*DAMAGED_ZIP, OSError) as error:
        raise ModelError("The file is not a zip file that can be read. Export the model again.") from error
    return files


def is_plain(entry: zipfile.ZipInfo) -> bool:
    """Tell whether an entry of an archive is a file, and neither encrypted nor a link, folder or device."""
    mode = entry.external_attr >> 16
    return not entry.flag_bits & 1 and (not stat.S_IFMT(mode) or stat.S_ISREG(mode))


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """Return the content of an entry of an archive.

    Parameters
    ----------
    archive : zipfile.ZipFile
        The archive.
    entry : zipfile.ZipInfo
        The entry.
    limit : int
        Most that it may hold, in bytes.

    Returns
    -------
    bytes

    Raises
    ------
    ModelError
        If it holds more.
    """
    with archive.open(entry) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ModelError(f"The file {entry.filename!r} in the archive has more than {limit:,} bytes.")
    return content


def _read_manifest(files: Mapping[str, bytes]) -> Manifest:
    """Return the manifest, where it names exactly the other files; the registry checks the rest of it."""
    try:
        manifest = Manifest.from_json(json.loads(files[MANIFEST]))
        listed = set(manifest.files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError("The manifest in the archive cannot be read. Export the model again.") from error
    if listed != set(files) - {MANIFEST}:
        raise ModelError("The manifest does not list the files of the archive. Export the model again.")
    if STORED_NAME.fullmatch(manifest.name) is None:
        raise ModelError(f"{manifest.name!r} is not a model name; expected one like 'reference-0a1b2c3d'.")
    names = (manifest.corpus.name, manifest.corpus.main_protocol, *manifest.corpus.protocols, manifest.protocol)
    if not all(PLAIN_NAME.fullmatch(name) for name in names):
        raise ModelError(f"The manifest names a corpus or a protocol {names!r:.120}, which cannot be. Export it again.")
    return manifest
