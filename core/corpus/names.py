"""Names of sound files, for corpora whose file names tell what a clip is."""

import re
from pathlib import PurePath
from typing import Final

SUFFIXES: Final = (".wav", ".flac")
"""Endings of sounds that lose nothing."""


def match_name(
    pattern: re.Pattern[str], path: PurePath, suffixes: tuple[str, ...] = SUFFIXES
) -> tuple[str, ...] | None:
    r"""Return what the groups of a pattern find in the name of a sound; empty texts for groups that take no part.

    Parameters
    ----------
    pattern : re.Pattern
        Of the whole name without its ending.
    path : path
        File whose name is looked at.
    suffixes : tuple of str
        Endings that a sound may have, in small letters.

    Returns
    -------
    tuple of str or None
        None where the name is another one.

    Examples
    --------
    >>> match_name(re.compile(r"([a-z]+)_(\d+)"), PurePath("anna/sad_02.WAV"))
    ('sad', '02')
    >>> match_name(re.compile(r"([a-z]+)_(\d+)"), PurePath("anna/sad_02.txt"))
    """
    match = pattern.fullmatch(path.stem) if path.suffix.lower() in suffixes else None
    return match.groups(default="") if match else None
