"""From a waveform to the features of any configuration: the one place that knows which set is computed how."""

import zlib

import numpy as np
from numpy.typing import NDArray

from core.audio.decode import Waveform
from core.audio.degrade import CONDITIONS, DEGRADATIONS
from core.audio.features import FEATURE_GROUPS, FEATURE_NAMES, extract_features
from core.audio.voice import extract_voice, view_widths, voice_groups
from core.config import AnyFeatures, Copy, FeatureConfig


def extract(waveform: Waveform, config: AnyFeatures) -> NDArray[np.float32]:
    """Compute the features of a sound.

    Parameters
    ----------
    waveform : Waveform
        As from ``decode``, not silent.
    config : FeatureConfig or VoiceConfig
        Which features.

    Returns
    -------
    np.ndarray [shape=feature_shape(config), dtype=float32]
    """
    return _compute(_analysed(waveform, config), waveform.sr, config)


def extract_copy(waveform: Waveform, config: AnyFeatures, copy: Copy, name: str) -> NDArray[np.float32]:
    """Compute the features of a degraded copy of a sound.

    Parameters
    ----------
    waveform : Waveform
        As from ``decode``, not silent.
    config : FeatureConfig or VoiceConfig
        Which features.
    copy : Copy
        What happens to the sound: a name in ``core.audio.degrade``, and a seed.
    name : str
        Name of the clip: each draws its own copy.

    Returns
    -------
    np.ndarray [shape=feature_shape(config), dtype=float32]
    """
    degrade = (DEGRADATIONS | CONDITIONS)[copy.name]
    rng = np.random.default_rng([copy.seed, zlib.crc32(copy.name.encode()), zlib.crc32(name.encode())])
    return _compute(degrade(_analysed(waveform, config), waveform.sr, rng), waveform.sr, config)


def feature_shape(config: AnyFeatures) -> tuple[int, ...]:
    """Return the shape of one sound's features."""
    if isinstance(config, FeatureConfig):
        return (config.n_frames, len(FEATURE_NAMES))
    return (sum(view_widths(config).values()),)


def feature_groups(config: AnyFeatures) -> dict[str, NDArray[np.intp]]:
    """Return the columns of each group of features, in words for people."""
    if isinstance(config, FeatureConfig):
        return {name: np.arange(columns.start, columns.stop) for name, columns in FEATURE_GROUPS.items()}
    return voice_groups(config)


def _analysed(waveform: Waveform, config: AnyFeatures) -> NDArray[np.float32]:
    """Return the samples that the features are computed from."""
    return waveform.opening if isinstance(config, FeatureConfig) else waveform.y


def _compute(y: NDArray[np.float32], sr: int, config: AnyFeatures) -> NDArray[np.float32]:
    if isinstance(config, FeatureConfig):
        return extract_features(y, sr, config)
    return extract_voice(y, sr, config)
