"""Whether the files of an encoder from elsewhere are what they say: manifest, history, card, network."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd

from core.audio.descriptors import N_MEL_FINE
from core.audio.encoder import MIN_FRAMES, NETWORK_FILE
from core.audio.network import open_network
from core.errors import ModelError
from core.learning.reports.encoders import encoder_card
from core.operations.models.inspection import check_network, limit_memory, try_out
from core.operations.spec import PLAIN_NAME
from core.values import check_values


def check_encoder(name: str, folder: Path) -> None:
    """Refuse an encoder whose files do not hold up.

    Parameters
    ----------
    name : str
        What it is called where it comes from.
    folder : path
        Where its files are.

    Raises
    ------
    ModelError
        If anything in it is not what it says.
    """
    network = (folder / NETWORK_FILE).read_bytes()
    digest = hashlib.sha256(network).hexdigest()
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        check_values(manifest)
        encoder_card(manifest, pd.read_csv(io.BytesIO((folder / "history.csv").read_bytes())))
        (folder / "card.md").read_text(encoding="utf-8")
        is_itself = (manifest["name"], manifest["sha256"], digest[:8]) == (name, digest, name.rpartition("-")[2])
        is_plain = all(PLAIN_NAME.fullmatch(corpus["name"]) for corpus in manifest["corpora"])
    except Exception as error:  # manifests and tables can be wrong in any way
        raise ModelError(f"The manifest of the encoder {name!r} cannot be read. Take another copy of it.") from error
    if not is_itself or not is_plain:
        raise ModelError(f"The manifest of the encoder {name!r} is of another one. Take another copy of it.")
    check_network(network)
    try_out(folder, __name__)


def answer_once(folder: str, memory: str = "0") -> None:
    """Describe a silent sound in this process, which may then take no more than some bytes of memory.

    Raises
    ------
    ValueError
        If the description is not as many numbers as the manifest says.
    """
    limit_memory(int(memory))
    widths = json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))["widths"]
    session = open_network(Path(folder) / NETWORK_FILE)
    X = np.zeros((1, MIN_FRAMES, N_MEL_FINE, 1), np.float32)
    values = np.asarray(session.run(None, {session.get_inputs()[0].name: X})[0])
    if values.shape != (1, sum(widths)) or not np.isfinite(values).all():
        raise ValueError(f"values of shape {values.shape} are no description")
