"""What can be added to the project, by name: a line a part. Nothing is loaded before it is used."""

import importlib
from collections.abc import Mapping
from typing import Any, Final

CORPORA: Final[Mapping[str, str]] = {
    "ravdess": "core.corpus.ravdess:RAVDESS",
}
"""Corpora, the default one first; each a ``core.corpus.base.Corpus``."""


def load_part(address: str) -> Any:
    """Return what an address ``module:attribute`` names."""
    module, _, attribute = address.partition(":")
    return getattr(importlib.import_module(module), attribute)
