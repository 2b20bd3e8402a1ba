"""An extension of the reference's parser: doctests that follow a summary, without a heading, are shown as code."""

import re
from typing import Any, Final

import griffe

DOCTEST: Final = re.compile(r"^>>> (?:.+\n?)+", re.MULTILINE)


class Doctests(griffe.Extension):
    """Puts fences around the doctests of all docstrings."""

    def on_instance(self, *, obj: griffe.Object, **others: Any) -> None:
        """Change the docstring of an object, if it has one."""
        del others
        if obj.docstring is not None:
            obj.docstring.value = fence(obj.docstring.value)


def fence(text: str) -> str:
    """Return a docstring with its doctests in fences."""
    return DOCTEST.sub(lambda match: f"```pycon\n{match[0].rstrip()}\n```\n", text)
