"""What a backup holds: models and which is in use, encoders, the database, sounds of feedback.

It is a zip archive of the files of the models as they are, and of each table as lines of JSON, so that what SQLite kept
can go into PostgreSQL and back. Index, features and unfinished trainings are left out, as are sign-ins that are open;
secrets and settings are not the program's to copy.
"""

import dataclasses
import re
from typing import Final

from core.audio.encoder import NETWORK_FILE
from core.config import STORED_NAME
from core.operations.feedback.entries import CONTAINERS
from core.operations.models.archives import MANIFEST
from core.operations.tables import metadata, sessions, throttle
from core.serving.registry import CHAMPION_FILE, MODEL_FILES, STUDY_FILES

HEAD: Final = "backup.json"
FORMAT: Final = 1
ENCODER_FILES: Final = ("manifest.json", NETWORK_FILE, "history.csv", "card.md")
TABLES: Final = tuple(table for table in metadata.sorted_tables if table not in (sessions, throttle))
"""Tables that are kept: who is signed in, and who waits, is of the moment."""
MAX_TABLE: Final = 2**30
"""Size of a table, in bytes."""
MAX_ROW: Final = 2**20
"""Size of a row, in bytes."""
CONSOLE: Final = "console"
"""Who does it, in the audit."""
NAMES: Final = re.compile(
    rf"{HEAD}|models/{CHAMPION_FILE}"
    rf"|models/(?P<model>{STORED_NAME.pattern})/(?P<model_file>{'|'.join((MANIFEST, *MODEL_FILES, *STUDY_FILES))})"
    rf"|encoders/(?P<encoder>{STORED_NAME.pattern})/(?P<encoder_file>{'|'.join(ENCODER_FILES)})"
    rf"|feedback/(?P<sound>[0-9a-f]{{64}}\.(?:{'|'.join(CONTAINERS)}))"
    rf"|database/(?P<table>{'|'.join(table.name for table in TABLES)})\.jsonl"
)
"""Names that an archive may hold."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a backup holds, or what of it was restored."""

    models: int
    """Models and encoders."""
    rows: int
    """Rows of the database."""
    sounds: int
    """Sounds of feedback."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""
