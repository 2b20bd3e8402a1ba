"""Frozen encoders that stand ready to describe a voice: ONNX networks, found by name and checked by digest.

An encoder is called ``<recipe>-<8 hex of its file's SHA-256>``; its manifest holds all of it. Those that ship lie
beside the shipped models, and go before others of their name; one's own, from ``python -m core pretrain``, lie beside
one's own models.
"""

import functools
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.audio.kernels import scale_level
from core.audio.network import open_network
from core.config import PROJECT_ROOT, STORED_NAME, artifacts_folder
from core.errors import ModelError
from core.files import sha256_of_file

FOLDER: Final = "encoders"
"""Folder of the encoders, beside the models."""
NETWORK_FILE: Final = "encoder.onnx"
MIN_FRAMES: Final = 16
"""Frames that an encoder reads at least; what is shorter is continued by its last frame."""
STRIDE: Final = 8
"""Frames, and bands, under one cell of an encoder's last map."""


def encoder_folder(name: str) -> Path:
    """Return the folder of an encoder; of what ships and another one with its name, what ships.

    Raises
    ------
    ModelError
        If there is no encoder of this name.
    """
    if STORED_NAME.fullmatch(name):
        for root in dict.fromkeys((PROJECT_ROOT / "artifacts", artifacts_folder())):
            folder = root / FOLDER / name
            if (folder / NETWORK_FILE).is_file():
                return folder
    raise ModelError(f"There is no encoder {name!r}. Copy its folder to {artifacts_folder() / FOLDER}.")


def taught_on(name: str) -> tuple[str, ...]:
    """Return the names of the corpora that an encoder was taught on.

    Raises
    ------
    ModelError
        If there is no such encoder, or its manifest does not tell.
    """
    try:
        return tuple(str(corpus["name"]) for corpus in _read_manifest(name)["corpora"])
    except (KeyError, TypeError) as error:
        raise ModelError(f"The manifest of the encoder {name!r} does not tell what it was taught on.") from error


def encode(mel: NDArray[np.floating], name: str) -> NDArray[np.float32]:
    """Describe a voice by an encoder.

    Parameters
    ----------
    mel : np.ndarray [shape=(t, 64)]
        Mel spectrogram in dB on its floor of noise, as in ``core.audio.descriptors.VoiceFrames.mel``.
    name : str
        Name of the encoder.

    Returns
    -------
    np.ndarray [shape=(d,), dtype=float32]
        Mean and deviation over time of each channel in each band of its maps, the early ones first.

    Raises
    ------
    ModelError
        If there is no such encoder, or its file was altered.
    """
    session = load_encoder(name)
    x = scale_level(mel)
    if len(x) < MIN_FRAMES:
        x = np.pad(x, ((0, MIN_FRAMES - len(x)), (0, 0)), mode="edge")
    # Whole steps alone: a last one half filled would read zeros, which no sound has.
    x = x[: len(x) // STRIDE * STRIDE]
    return np.asarray(session.run(None, {session.get_inputs()[0].name: x[None, :, :, None]})[0][0])


@functools.lru_cache(maxsize=4)
def load_encoder(name: str) -> ort.InferenceSession:
    """Return an encoder ready to answer; see ``encode``."""
    path = encoder_folder(name) / NETWORK_FILE
    digest = sha256_of_file(path)
    if digest != _read_manifest(name).get("sha256") or digest[:8] != name.rpartition("-")[2]:
        raise ModelError(f"The file of the encoder {name!r} was altered. Restore it from its source.")
    return open_network(path)


def _read_manifest(name: str) -> dict[str, Any]:
    """Return the manifest of an encoder."""
    path = encoder_folder(name) / "manifest.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"The manifest of the encoder {name!r} cannot be read. Restore it from its source.") from error
