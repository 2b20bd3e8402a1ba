"""Augmentation of mel spectrograms in batches: what noise, rooms, microphones, telephones and voices change.

Power adds and filters multiply in the mel domain too, so a batch is altered in a tenth of a second, anew every time it
is read, where altering sounds would take a minute. Arrays are power, shape (batch, t, bands), without a floor.
"""

import dataclasses
from typing import Final

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from core.audio.descriptors import MEL_RANGE, mel_bank
from core.config import VoiceConfig

Batch = NDArray[np.float32]

ACTIVE_SHARE: Final = 10**-2.5
"""Power relative to the loudest frame from which a frame counts."""
EDGE_SLOPE: Final = 48.0
"""Steepness of the edges of a band, in dB an octave."""


@dataclasses.dataclass(frozen=True)
class Shares:
    """Share of the sounds that each augmentation alters."""

    room: float = 0.08
    tilt: float = 0.3
    equaliser: float = 0.15
    telephone: float = 0.04
    without_lows: float = 0.03
    without_highs: float = 0.03
    noise: float = 0.25


class MelAugmentation:
    """Draws augmentations for batches of mel spectrograms.

    Parameters
    ----------
    config : VoiceConfig
        How the spectrograms were computed.
    shares : Shares
        How often each augmentation happens.
    """

    def __init__(self, config: VoiceConfig, shares: Shares = Shares()) -> None:
        self.shares = shares
        bank = mel_bank(config)
        self._width = bank.sum(axis=1).astype(np.float32)
        self._f = (bank @ np.linspace(0, config.sr / 2, bank.shape[1]) / bank.sum(axis=1)).astype(np.float32)
        self._octaves = np.log2(self._f / 1000)
        self._frame_rate = config.sr / config.hop_length

    def __call__(self, S: Batch, rng: np.random.Generator) -> Batch:
        """Return augmented spectrograms, each at the level that it had.

        Parameters
        ----------
        S : np.ndarray [shape=(batch, t, bands), dtype=float32]
            Power.
        rng : np.random.Generator
            Draws what happens.

        Returns
        -------
        np.ndarray [shape=(batch, t, bands), dtype=float32]
        """
        level = active_power(S)
        S = self._room(S, rng)
        S = _at_level(S * from_db(self._gain(len(S), rng))[:, None, :], level)
        return _at_level(self._noise(S, level, rng), level)

    def _room(self, S: Batch, rng: np.random.Generator) -> Batch:
        """Let the sounds of some rows decay exponentially; one decay a batch, strengths of their own."""
        rows = rng.random(len(S)) < self.shares.room
        if not rows.any():
            return S
        decay = rng.uniform(0.15, 0.8) * self._frame_rate
        kept = 10 ** (-6 / decay)
        tail = scipy.signal.lfilter([0, np.float32(1 - kept)], [1, np.float32(-kept)], S[rows], axis=1)
        wet = rng.uniform(0.2, 1.0, (int(rows.sum()), 1, 1)).astype(np.float32) ** 2
        S = S.copy()
        S[rows] += wet * tail.astype(np.float32)
        return S

    def _gain(self, n: int, rng: np.random.Generator) -> Batch:
        """Return gains of (n, bands), in dB: a tilt, a smooth curve, the edges of a band."""
        shares, n_points = self.shares, 8
        tilt = rng.uniform(-4, 4, (n, 1)) * self._octaves * _some(shares.tilt, n, rng)
        points = rng.normal(0, 4, (n, n_points))
        curve = interpolate(points, np.linspace(0, n_points - 1, len(self._f))) * _some(shares.equaliser, n, rng)
        edges = np.cumsum([shares.telephone, shares.without_lows, shares.without_highs])
        kind = np.searchsorted(edges, rng.random((n, 1)), side="right")
        is_telephone, is_low_cut, is_high_cut = (kind == k for k in range(len(edges)))
        low = np.where(
            is_telephone, rng.uniform(200, 400, (n, 1)), np.where(is_low_cut, rng.uniform(100, 400, (n, 1)), 1)
        )
        high = np.where(
            is_telephone,
            rng.uniform(3_000, 4_000, (n, 1)),
            np.where(is_high_cut, rng.uniform(3_500, 8_000, (n, 1)), 4 * MEL_RANGE[1]),
        )
        beyond = np.maximum(np.log2(low / self._f), 0) + np.maximum(np.log2(self._f / high), 0)
        return np.asarray(np.clip(tilt + curve, -20, 20) - EDGE_SLOPE * beyond, dtype=np.float32)

    def _noise(self, S: Batch, level: NDArray[np.float32], rng: np.random.Generator) -> Batch:
        """Add white, pink or brown noise 4 to 44 dB below some sounds."""
        n = len(S)
        exponent = rng.integers(0, 3, (n, 1))
        shape = self._width * (self._f / 1000) ** -exponent
        shape /= shape.sum(axis=1, keepdims=True)
        power = level * from_db(-rng.uniform(4, 44, n).astype(np.float32)) * _some(self.shares.noise, n, rng)[:, 0]
        fluctuation = np.exp(0.15 * rng.standard_normal(S.shape, dtype=np.float32))
        return np.asarray(S + (power[:, None] * shape)[:, None, :].astype(np.float32) * fluctuation, dtype=np.float32)


def warp(S_db: Batch, n_frames: int, rng: np.random.Generator, *, stretch: float = 0.02, shift: float = 0.5) -> Batch:
    """Resample levels in time and frequency: another speed and another size of the speaker, drawn for the batch.

    Parameters
    ----------
    S_db : np.ndarray [shape=(batch, t, bands), dtype=float32]
        Levels in dB; t tells the speed.
    n_frames : int
        Frames wanted.
    rng : np.random.Generator
        Draws stretch and shift of the frequencies.
    stretch, shift : float
        Standard deviations of the logarithm by which frequencies are stretched, and of the bands that they are shifted
        by.

    Returns
    -------
    np.ndarray [shape=(batch, n_frames, bands), dtype=float32]
    """
    n_bands = S_db.shape[2]
    source = np.clip(np.arange(n_bands) * np.exp(rng.normal(0, stretch)) + rng.normal(0, shift), 0, n_bands - 1)
    S_db = interpolate(S_db, source)
    if S_db.shape[1] != n_frames:
        S_db = interpolate(S_db.swapaxes(1, 2), np.linspace(0, S_db.shape[1] - 1, n_frames)).swapaxes(1, 2)
    return S_db


def interpolate(values: NDArray[np.floating], places: NDArray[np.float64]) -> Batch:
    """Return values at fractional places of the last axis, linearly, shape (..., places)."""
    first = np.minimum(places.astype(int), values.shape[-1] - 2)
    weight = (places - first).astype(np.float32)
    return np.asarray(values[..., first] * (1 - weight) + values[..., first + 1] * weight, dtype=np.float32)


def active_power(S: Batch) -> NDArray[np.float32]:
    """Return the mean power of the frames of each sound that are not far below the loudest, shape (batch,)."""
    total = S.sum(axis=2)
    is_active = total > ACTIVE_SHARE * total.max(axis=1, keepdims=True)
    return np.asarray((total * is_active).sum(axis=1) / np.maximum(is_active.sum(axis=1), 1), dtype=np.float32)


def from_db(level: NDArray[np.floating]) -> Batch:
    """Return power of levels in dB."""
    return np.asarray(np.exp(level * np.float32(np.log(10) / 10)), dtype=np.float32)


def _at_level(S: Batch, level: NDArray[np.float32]) -> Batch:
    return np.asarray(S * (level / np.maximum(active_power(S), 1e-20))[:, None, None], dtype=np.float32)


def _some(share: float, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which rows an augmentation alters, shape (n, 1)."""
    return np.asarray(rng.random((n, 1)) < share)
