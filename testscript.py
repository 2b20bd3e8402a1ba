"""Recognise the emotion in sound files: ``python testscript.py FILE [FILE ...] [--json]``.

The same answer, to the last digit, as the web page and ``python -m core predict`` give.
"""

import sys

from core.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["predict", *sys.argv[1:]]))
