"""Recognise the emotion in sound files: ``python testscript.py FILE [FILE ...] [--json]``.

The same answer, to the last digit, as the web page and ``python -m core predict`` give. It reads its few words itself:
what reads all commands takes a tenth of the time of an answer to load.
"""

import signal
import sys
from typing import Any


def main() -> int:
    """Answer for the files that the command line names, and return the exit status."""
    from core.command_line.endings import status_of

    return status_of(answer)


def answer() -> None:
    """Print the answers for the files that the command line names."""
    import argparse

    from core.command_line.answers import print_answers

    class Parser(argparse.ArgumentParser):
        """Prints its help as answers are printed: its own way is silent where the output takes nothing."""

        def print_help(self, file: Any = None) -> None:
            print(self.format_help(), end="", file=file)

    parser = Parser(
        description="Recognise the emotion in sound files.", epilog="example: python testscript.py talk.wav --json"
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="sound file")
    parser.add_argument("--model", help="name of the model (default: the one in use)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file")
    parser.add_argument("--part", default="", help="channel or track, where a file holds several voices")
    options = parser.parse_args()
    print_answers(options.files, model=options.model, as_json=options.json, part=options.part)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while this loads, Ctrl-C leaves no trace
    sys.exit(main())
