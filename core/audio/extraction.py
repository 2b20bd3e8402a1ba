"""From a waveform to the features of any set."""

import zlib

import numpy as np
from numpy.typing import NDArray

from core.audio.decode import Waveform
from core.audio.degrade import CONDITIONS, DEGRADATIONS
from core.audio.features.base import FeatureSet
from core.config import Copy


def extract(waveform: Waveform, features: FeatureSet) -> NDArray[np.float32]:
    """Compute the features of a sound.

    Parameters
    ----------
    waveform : Waveform
        As from ``decode``, not silent.
    features : FeatureSet
        Which features.

    Returns
    -------
    np.ndarray [shape=features.shape, dtype=float32]
    """
    return features.extract(features.samples(waveform), waveform.sr)


def extract_copy(waveform: Waveform, features: FeatureSet, copy: Copy, name: str) -> NDArray[np.float32]:
    """Compute the features of a degraded copy of a sound.

    Parameters
    ----------
    waveform : Waveform
        As from ``decode``, not silent.
    features : FeatureSet
        Which features.
    copy : Copy
        What happens to the sound: a name in ``core.audio.degrade``, and a seed.
    name : str
        Name of the clip: each draws its own copy.

    Returns
    -------
    np.ndarray [shape=features.shape, dtype=float32]
    """
    degrade = (DEGRADATIONS | CONDITIONS)[copy.name]
    rng = np.random.default_rng([copy.seed, zlib.crc32(copy.name.encode()), zlib.crc32(name.encode())])
    return features.extract(degrade(features.samples(waveform), waveform.sr, rng), waveform.sr)
