"""The installed app: what an installation adds to the folders of the checkout, which lie in ``app`` beside this file.

``core`` and ``pages`` are names that other packages have too. So none of them stands in the environment: a process that
calls ``set_up`` can import them, and no other one.
"""

import os
import sys
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

APP: Final = Path(__file__).parent / "app"
"""Folder of the program, as the root of the checkout."""


def set_up() -> None:
    """Let this process import ``core``, and keep what it writes out of the program's folder.

    Data go to the user's folder for data, models into it, unless ``SOUNDWEB_DATA`` and ``SOUNDWEB_ARTIFACTS`` name
    others.
    """
    if str(APP) not in sys.path:
        sys.path.insert(0, str(APP))
    data = os.environ.get("SOUNDWEB_DATA") or str(user_data_path("soundweb", appauthor=False))
    artifacts = os.environ.get("SOUNDWEB_ARTIFACTS") or str(Path(data).absolute() / "artifacts")
    os.environ |= {"SOUNDWEB_DATA": data, "SOUNDWEB_ARTIFACTS": artifacts, "SOUNDWEB_PROGRAM": "soundweb"}
