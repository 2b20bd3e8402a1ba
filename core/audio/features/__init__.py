"""Feature sets: what models read of a sound. One module a set, each with a line in ``core.parts.FEATURE_SETS``."""

from core.audio.features.base import FeatureSet, Picture, get_features, read_features
from core.audio.features.reference import FEATURE_GROUPS, FEATURE_NAMES, PITCH_CLASSES, extract_features

__all__ = [
    "FEATURE_GROUPS",
    "FEATURE_NAMES",
    "PITCH_CLASSES",
    "FeatureSet",
    "Picture",
    "extract_features",
    "get_features",
    "read_features",
]
