"""From a waveform to the features of any set."""

import zlib

import numpy as np
from numpy.typing import NDArray

from core.audio.augmentation import AUGMENTATIONS, CONDITIONS
from core.audio.decode import Waveform
from core.audio.features.base import FeatureSet
from core.config import Augmentation


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


def extract_augmented(
    waveform: Waveform, features: FeatureSet, augmentation: Augmentation, name: str
) -> NDArray[np.float32]:
    """Compute the features of an augmented sound.

    Parameters
    ----------
    waveform : Waveform
        As from ``decode``, not silent.
    features : FeatureSet
        Which features.
    augmentation : Augmentation
        What happens to the sound: a name in ``core.audio.augmentation``, and a seed.
    name : str
        Name of the clip: each draws its own strength.

    Returns
    -------
    np.ndarray [shape=features.shape, dtype=float32]
    """
    effect = (AUGMENTATIONS | CONDITIONS)[augmentation.name]
    rng = np.random.default_rng([augmentation.seed, zlib.crc32(augmentation.name.encode()), zlib.crc32(name.encode())])
    return features.extract(effect(features.samples(waveform), waveform.sr, rng), waveform.sr)
