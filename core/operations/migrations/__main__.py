"""Write a new revision: ``python -m core.operations.migrations "What changes"``."""

import os
import sys
import tempfile
from pathlib import Path

from core.operations.database import close_database, writing
from core.operations.schema import write_revision


def main() -> None:
    """Compare the tables in code with those of an empty database, which has all revisions so far."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATABASE_URL"] = f"sqlite:///{Path(folder) / 'empty.db'}"
        with writing() as connection:
            write_revision(connection, " ".join(sys.argv[1:]))
        close_database()


if __name__ == "__main__":
    main()
