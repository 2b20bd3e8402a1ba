"""``python -m core COMMAND``."""

import sys

from core.command_line.application import main

if __name__ == "__main__":
    sys.exit(main())
