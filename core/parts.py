"""What can be added to the package: a line here names what a module elsewhere holds.

A part is loaded when it is asked for, so that nothing is imported for parts that nobody uses, and Keras for none.
"""

import importlib
from typing import Any, Final

CORPORA: Final[dict[str, str]] = {
    "ravdess": "core.corpus.ravdess:RAVDESS",
    "crema-d": "core.corpus.crema_d:CREMA_D",
    "emo-db": "core.corpus.emo_db:EMO_DB",
    "emogator": "core.corpus.emogator:EMOGATOR",
    "emospeech": "core.corpus.emospeech:EMOSPEECH",
    "emotiontts": "core.corpus.emotiontts:EMOTIONTTS",
    "emov-db": "core.corpus.emov_db:EMOV_DB",
    "emovo": "core.corpus.emovo:EMOVO",
    "esd": "core.corpus.esd:ESD",
    "jl-corpus": "core.corpus.jl_corpus:JL_CORPUS",
    "savee": "core.corpus.savee:SAVEE",
    "tess": "core.corpus.tess:TESS",
    "turev": "core.corpus.turev:TUREV",
}
"""Instances of ``core.corpus.base.Corpus``, by name; the default one first."""

FEATURE_SETS: Final[dict[str, str]] = {
    "reference-62": "core.audio.features.reference:ReferenceFeatures",
    "voice": "core.audio.features.voice:VoiceFeatures",
    "statistics": "core.audio.features.statistics:StatisticsFeatures",
    "encoded": "core.audio.features.encoded:EncodedFeatures",
}
"""Subclasses of ``core.audio.features.base.FeatureSet``, by the name that each stores in a model's manifest."""

RECIPES: Final[dict[str, str]] = {
    "reference": "core.learning.recipes.reference:RECIPE",
    "voice": "core.learning.recipes.voice:RECIPE",
    "statistics": "core.learning.recipes.statistics:RECIPE",
    "encoded": "core.learning.recipes.encoded:RECIPE",
}
"""Instances of subclasses of ``core.learning.recipes.base.Recipe``, by name."""


def root_variable(corpus: str) -> str:
    """Return the environment variable that names the folder of a corpus.

    >>> root_variable("my-voices")
    'MY_VOICES_ROOT'
    """
    return f"{corpus.upper().replace('-', '_')}_ROOT"


def load_part(place: str) -> Any:
    """Return what a line of a registry names.

    Parameters
    ----------
    place : str
        Module and attribute, as ``module:attribute``.

    Returns
    -------
    object

    Examples
    --------
    >>> load_part("core.labels:EMOTIONS")[0]
    'angry'
    """
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
