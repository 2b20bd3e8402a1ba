"""Frozen configurations, their hashes, and the folders that the environment names.

A configuration is a frozen dataclass of plain values; its hash names everything computed from it.
"""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from core.errors import SettingsError
from core.parts import CORPORA, root_variable
from core.settings import Address, check_folder, read_address, read_choice, read_count, read_folder

PROJECT_ROOT: Final = Path(__file__).resolve().parent.parent

STORED_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,40}-[0-9a-f]{8}")
"""Names of stored models and encoders: recipe, and eight hex digits of what decides them."""

SAMPLE_RATE: Final = 22_050
"""Rate of every waveform inside the package, in Hz."""

LOG_FORMS: Final = ("text", "json")
"""Forms of the log; the first is the default."""

OPENING_DURATION: Final = 4.0
"""Length of the beginning of a sound that the reference features read, in seconds."""


@dataclasses.dataclass(frozen=True)
class DecodeLimits:
    """What ``decode`` accepts; anything beyond is refused before it costs memory."""

    max_bytes: int = 25 * 2**20
    """Size of the encoded file, in bytes."""
    max_duration: float = 600.0
    """Length of the sound, in seconds, counted while decoding: headers lie."""
    max_samples: int = 30_000_000
    """Samples of one channel before resampling: bounds the memory at high rates."""
    max_channels: int = 8
    """Channels, averaged to one."""
    min_rate: int = 4_000
    """Lowest sampling rate, in Hz."""
    max_rate: int = 192_000
    """Highest sampling rate, in Hz."""


@dataclasses.dataclass(frozen=True)
class UploadLimits:
    """What visitors may upload; all of it lies in memory."""

    in_all: int
    """All visitors together, in bytes."""
    per_session: int = 256 * 2**20
    """One visit, in bytes."""
    per_file: int = 26 * 2**20
    """One file with what HTTP puts around it, in bytes: a file of ``DecodeLimits.max_bytes`` passes."""

    @classmethod
    def read(cls) -> "UploadLimits":
        """Return the limits of this installation: ``SOUNDWEB_UPLOADS``, in MiB, or 1,024.

        Raises
        ------
        SettingsError
            If the variable holds no whole number from 1.
        """
        return cls(in_all=read_count("SOUNDWEB_UPLOADS", 1_024) * 2**20)


@dataclasses.dataclass(frozen=True)
class FeatureConfig:
    """Parameters of the reference feature set; its hash names feature stores and stands in every model."""

    name: str = "reference-62"
    """Name of the feature set."""
    sr: int = SAMPLE_RATE
    """Sampling rate, in Hz."""
    duration: float = OPENING_DURATION
    """Length of the analysed beginning of the sound, in seconds."""
    n_frames: int = 130
    """Frames kept: 130 frames at a hop of 512 samples are 3.02 s."""
    n_fft: int = 2048
    """Length of the analysis window, in samples."""
    hop_length: int = 512
    """Distance between frames, in samples."""
    n_mfcc: int = 13
    """Cepstral coefficients a frame."""
    version: int = 1
    """Raised whenever the computation changes."""

    @property
    def analysed_duration(self) -> float:
        """Length of the sound that the kept frames cover, in seconds."""
        return self.n_frames * self.hop_length / self.sr


@dataclasses.dataclass(frozen=True)
class VoiceConfig:
    """Parameters of the voice feature set; its hash names feature stores and stands in every model.

    The analysed part is set to a level of its own and lies on a floor of noise, so that neither the gain nor what lies
    below the floor, the recording chain, reaches the features.
    """

    name: str = "voice"
    """Name of the feature set."""
    sr: int = SAMPLE_RATE
    """Sampling rate, in Hz."""
    duration: float = 6.5
    """Length of the analysed beginning of the sound, in seconds; most utterances of the field's corpora are shorter."""
    n_fft: int = 1024
    """Length of the analysis window, in samples."""
    hop_length: int = 256
    """Distance between frames, in samples."""
    floor_db: float = -46.0
    """Power of the noise floor in every bin, in dB relative to that of a level spectrum over 200 bins."""
    n_kernels: int = 800
    """Random convolution kernels."""
    kernel_seed: int = 0
    """Seed of the kernels."""
    version: int = 1
    """Raised whenever the computation changes."""

    @property
    def analysed_duration(self) -> float:
        """Longest stretch of voice that is read at once, in seconds."""
        return self.duration


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What every clip of a corpus is altered by."""

    name: str
    """What happens to the sound; a name in ``core.audio.augmentation``."""
    seed: int
    """Seed of what is drawn."""


def configuration_hash(*configurations: Any) -> str:
    """Return the SHA-256, in hex, of configurations as canonical JSON.

    Parameters
    ----------
    *configurations : dataclass instance or JSON value
        Dataclasses are taken as dictionaries of their fields.

    Returns
    -------
    str
        64 hex digits; callers shorten it for names.

    Examples
    --------
    >>> configuration_hash(FeatureConfig()) == configuration_hash(FeatureConfig())
    True
    >>> configuration_hash(FeatureConfig()) == configuration_hash(FeatureConfig(n_mfcc=20))
    False
    """
    plain = [dataclasses.asdict(c) if dataclasses.is_dataclass(c) else c for c in configurations]  # type: ignore[arg-type]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def data_folder() -> Path:
    """Return the folder for stores and running trainings: ``SOUNDWEB_DATA``, or ``data`` in the project."""
    return read_folder("SOUNDWEB_DATA") or PROJECT_ROOT / "data"


def artifacts_folder() -> Path:
    """Return the folder of the stored models: ``SOUNDWEB_ARTIFACTS``, or ``artifacts`` in the project."""
    return read_folder("SOUNDWEB_ARTIFACTS") or PROJECT_ROOT / "artifacts"


def live_users() -> int:
    """Return how many people may stream live at once: ``SOUNDWEB_LIVE_USERS``, or 4.

    Raises
    ------
    SettingsError
        If the variable holds no whole number from 1.
    """
    return read_count("SOUNDWEB_LIVE_USERS", 4)


def log_form() -> str:
    """Return in which of ``LOG_FORMS`` a server writes its log: ``SOUNDWEB_LOG``.

    Raises
    ------
    SettingsError
        If the variable holds another word.
    """
    return read_choice("SOUNDWEB_LOG", LOG_FORMS)


def metrics_address() -> Address | None:
    """Return where a server serves what it counts: ``SOUNDWEB_METRICS``, or nowhere.

    Raises
    ------
    SettingsError
        If the variable holds neither a port nor a host with a port.
    """
    return read_address("SOUNDWEB_METRICS")


def check_settings() -> None:
    """Refuse settings that cannot be used, before anything rests on them.

    ``DATABASE_URL`` and the administrator's hash are checked by those who read them.

    Raises
    ------
    SettingsError
        If a variable holds what it does not take; the message tells all that do.
    """
    problems = []
    folders = (*map(root_variable, CORPORA), "SOUNDWEB_DATA", "SOUNDWEB_ARTIFACTS")
    checks: list[Callable[[], object]] = [functools.partial(check_folder, name) for name in folders]
    for check in (*checks, live_users, UploadLimits.read, log_form, metrics_address):
        try:
            check()
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError(" ".join(problems))
