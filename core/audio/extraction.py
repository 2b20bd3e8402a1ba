"""From a waveform to the features of any set."""

import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from core.audio.decode import Waveform
from core.audio.features.base import FeatureSet
from core.audio.speech import find_speech, loudest_stretch
from core.config import Augmentation
from core.work.threads import share_no_products
from core.work.turns import turns


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


def extract_each(sounds: Sequence[Waveform], features: FeatureSet) -> NDArray[np.float32]:
    """Compute the features of several sounds at once, one on each core that is free.

    Parameters
    ----------
    sounds : sequence of Waveform
        None silent.
    features : FeatureSet
        Which features.

    Returns
    -------
    np.ndarray [shape=(len(sounds), *features.shape), dtype=float32]
    """
    n_cores = os.cpu_count() or 1
    extracted: list[NDArray[np.float32]] = []
    share_no_products()
    with ThreadPoolExecutor(n_cores) as pool:
        while len(extracted) < len(sounds):
            n = min(n_cores, turns.free + 1)
            extracted += pool.map(lambda sound: extract(sound, features), sounds[len(extracted) :][:n])
            turns.give_way()
    return np.stack(extracted)


def extract_clip(
    waveform: Waveform, features: FeatureSet, augmentation: Augmentation | None, name: str
) -> NDArray[np.float32]:
    """Compute the features of a clip that a training reads, augmented or as it is.

    Parameters
    ----------
    waveform : Waveform
        As from ``decode``, not silent.
    features : FeatureSet
        Which features.
    augmentation : Augmentation or None
        What happens to the sound: a name in ``core.audio.augmentation``, and a seed.
    name : str
        Name of the clip: each draws its own strength.

    Returns
    -------
    np.ndarray [shape=features.shape, dtype=float32]
    """
    y = features.samples(waveform)
    if augmentation is not None:
        y = _augment(y, waveform.sr, augmentation, name)
    if features.trains_on_stretches:
        y = _main_stretch(y, waveform.sr, features.analysed_duration)
    return features.extract(y, waveform.sr)


def _augment(y: NDArray[np.float32], sr: int, augmentation: Augmentation, name: str) -> NDArray[np.float32]:
    from core.audio.augmentation import AUGMENTATIONS, CONDITIONS  # no answer needs it

    effect = (AUGMENTATIONS | CONDITIONS)[augmentation.name]
    rng = np.random.default_rng([augmentation.seed, zlib.crc32(augmentation.name.encode()), zlib.crc32(name.encode())])
    return effect(y, sr, rng)


def _main_stretch(y: NDArray[np.float32], sr: int, longest: float) -> NDArray[np.float32]:
    """Return the longest stretch of voice, cleaned as for an answer; the loudest part where none is found."""
    found = list(find_speech([y], sr, longest=longest)) or [loudest_stretch(y, sr, longest)]
    return max(found, key=lambda s: s.last - s.first).y
