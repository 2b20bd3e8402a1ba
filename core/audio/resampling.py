"""From one sampling rate to another, as ``librosa.resample`` does it, without what librosa imports for that."""

import numpy as np
import soxr
from numpy.typing import NDArray


def resample(y: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Return a sound at another rate.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Waveform.
    from_rate, to_rate : int
        Its rate and the wanted one, in Hz.

    Returns
    -------
    np.ndarray [shape=(ceil(n * to_rate / from_rate),), dtype=float32]
        The same array where the rates are the same.

    Examples
    --------
    >>> resample(np.zeros(48_001, np.float32), 48_000, 22_050).shape
    (22051,)
    """
    if from_rate == to_rate:
        return y
    n = int(np.ceil(len(y) * (to_rate / from_rate)))
    resampled = soxr.resample(y, from_rate, to_rate)[:n]
    return np.pad(resampled, (0, n - len(resampled)))
