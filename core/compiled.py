"""Where a process may keep what it makes for itself: compiled kernels, and files of the moment.

Numba keeps its kernels beside the library that they are of, and else in the user's home; where it finds neither,
importing librosa fails. A server may have none of both: a system that cannot be written, a user without a home. What is
left is the data folder.
"""

import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Final

from core.config import data_folder

KERNELS: Final = "NUMBA_CACHE_DIR"


def place_kernels() -> None:
    """Keep compiled kernels in the data folder, where the folder of librosa cannot be written.

    To be called before librosa is imported. A newer Numba gets a folder of its own: it can crash on older kernels.
    """
    library = importlib.util.find_spec("librosa")
    if KERNELS in os.environ or library is None or library.origin is None:
        return
    if not os.access(Path(library.origin).parent, os.W_OK):
        from importlib.metadata import version

        os.environ[KERNELS] = str(data_folder().absolute() / f"compiled-{version('numba')}")


def place_temporary_files() -> None:
    """Keep temporary files in the data folder, where the system has no place for them."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        folder = data_folder().absolute() / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
