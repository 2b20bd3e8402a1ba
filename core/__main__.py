"""``python -m core COMMAND``."""

import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while this loads, Ctrl-C leaves no trace
    from core.command_line.application import main

    sys.exit(main())
