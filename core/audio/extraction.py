"""From a waveform to the features of any configuration: the one place that knows which set is computed how."""

import zlib

import numpy as np
from numpy.typing import NDArray

from core.audio.decode import Waveform
from core.audio.degrade import CONDITIONS, DEGRADATIONS
from core.audio.features import FEATURE_NAMES, extract_features
from core.audio.voice import extract_voice, view_widths
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
    if isinstance(config, FeatureConfig):
        return extract_features(waveform.opening, waveform.sr, config)
    return extract_voice(waveform.y, waveform.sr, config)


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
    sound = waveform.y if not isinstance(config, FeatureConfig) else waveform.opening
    degraded = degrade(sound, waveform.sr, rng)
    if isinstance(config, FeatureConfig):
        return extract_features(degraded, waveform.sr, config)
    return extract_voice(degraded, waveform.sr, config)


def feature_shape(config: AnyFeatures) -> tuple[int, ...]:
    """Return the shape of one sound's features."""
    if isinstance(config, FeatureConfig):
        return (config.n_frames, len(FEATURE_NAMES))
    return (sum(view_widths(config).values()),)
