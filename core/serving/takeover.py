"""The models that ship with a version, taken over by an installation whose models lie elsewhere.

A checkout uses its own folder ``artifacts``. Where the program cannot be written, or is replaced by a newer version,
the models lie in a folder of their own, which begins with those that ship.
"""

import contextlib
import shutil
from functools import partial
from pathlib import Path
from typing import Final

from filelock import FileLock

from core.audio.encoder import FOLDER as ENCODERS
from core.config import PROJECT_ROOT, STORED_NAME
from core.errors import AnotherInUse
from core.files import folder_aside, sync_folder, write_atomically
from core.serving.registry import CHAMPION_FILE, Registry

SHIPPED: Final = PROJECT_ROOT / "artifacts"
RECORD: Final = ".shipped"
"""File beside the models that names all that was taken over: what somebody deletes does not return."""


def take_over(shipped: Path = SHIPPED) -> None:
    """Store the models and encoders that ship and were not taken over yet; put a model in use where none is.

    Parameters
    ----------
    shipped : path
        Folder of what ships.

    Raises
    ------
    ModelError
        If a model that ships is damaged, or cannot be stored.
    """
    theirs, own = Registry(shipped), Registry()
    encoders = [path.name for path in (shipped / ENCODERS).glob("*") if STORED_NAME.fullmatch(path.name)]
    names = {*theirs.names(), *encoders}
    record = own.root / RECORD
    if own.root.absolute() == shipped.absolute() or names <= _read(record):
        return
    own.root.mkdir(parents=True, exist_ok=True)
    with FileLock(own.root / f"{RECORD}.lock"):
        new = names - _read(record)
        for name in new - {*own.names(), *encoders}:
            own.adopt(name, partial(shutil.copytree, shipped / name, dirs_exist_ok=True))
        for name in new & {*encoders}:
            _copy(shipped / ENCODERS / name, own.root / ENCODERS / name)
        if not (own.root / CHAMPION_FILE).exists():
            with contextlib.suppress(AnotherInUse):
                own.promote(theirs.champion(), instead_of="")
        write_atomically(record, "\n".join(sorted(names | _read(record))).encode())


def _read(record: Path) -> set[str]:
    return set(record.read_text(encoding="utf-8").split()) if record.is_file() else set()


def _copy(source: Path, folder: Path) -> None:
    """Copy a folder, where it is not there yet, so that it is whole or not there."""
    if folder.exists():
        return
    with folder_aside(folder) as aside:
        shutil.copytree(source, aside, dirs_exist_ok=True)
        sync_folder(aside)
        aside.rename(folder)
