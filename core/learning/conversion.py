"""Trained weights to files: Keras, ONNX for answers without TensorFlow, and the reference project's own pair.

Nothing here reads a pickle; ``scaler.pkl`` is written for people who run the reference's scripts.
"""

import json
import logging
from pathlib import Path
from typing import Final

import joblib
import keras
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from core.errors import ModelError
from core.learning.recipes.base import Recipe
from core.learning.runs import Fold

logger = logging.getLogger(__name__)

MAX_DIFFERENCE: Final = 1e-3
"""Largest difference between outputs of Keras and ONNX that is taken for rounding: scores can be large."""


def convert_fold(recipe: Recipe, fold: Fold, folder: Path) -> None:
    """Write the network of a trained fold as ``network.keras`` and ``network.onnx``, and its ``scaler.json``.

    Parameters
    ----------
    recipe : Recipe
        What was trained.
    fold : Fold
        A fold that is done.
    folder : path
        Where to write.

    Raises
    ------
    ModelError
        If the two networks do not give the same probabilities.
    """
    scaler = fold.scaler_path.read_bytes()
    network = recipe.network(fold.task)
    network.load_weights(fold.weights_path)
    X = np.random.default_rng(0).normal(size=(8, *recipe.features.shape)).astype(np.float32)
    network.save(folder / "network.keras")
    _export(network, folder / "network.onnx", X)
    (folder / "scaler.json").write_bytes(scaler)


def write_encoder(encoder: keras.Model, path: Path) -> None:
    """Write an encoder as ONNX.

    Parameters
    ----------
    encoder : keras.Model
        As from ``core.learning.encoders.bake``.
    path : path
        File to write.

    Raises
    ------
    ModelError
        If the file does not compute what the encoder does.
    """
    X = np.random.default_rng(0).normal(size=(2, 64, *encoder.input_shape[2:])).astype(np.float32)
    _export(encoder, path, X)


def _export(network: keras.Model, path: Path, X: NDArray[np.float32]) -> None:
    """Write a network as ONNX, if that gives the same for ``X``."""
    expected = network(X, training=False).numpy()
    network.export(path, format="onnx", verbose=False)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    difference = np.abs(session.run(None, {session.get_inputs()[0].name: X})[0] - expected).max()
    if not difference <= MAX_DIFFERENCE:
        raise ModelError(f"The exported network differs from the trained one by {difference:.1e} in its output.")
    logger.info("ONNX and Keras agree within %.1e", difference)


def write_reference_files(model_folder: Path, target: Path) -> tuple[Path, Path]:
    """Write ``model.h5`` and ``scaler.pkl``, which the reference project's scripts load.

    Parameters
    ----------
    model_folder : path
        Folder of a stored model whose files have been verified.
    target : path
        Folder to write into; made where it is missing.

    Returns
    -------
    tuple of path
        The network as legacy HDF5 and the fitted ``StandardScaler`` as a joblib pickle.
    """
    target.mkdir(parents=True, exist_ok=True)
    network = keras.models.load_model(model_folder / "network.keras", safe_mode=True)
    network.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    numbers = json.loads((model_folder / "scaler.json").read_text())
    scaler = StandardScaler()
    scaler.mean_ = np.asarray(numbers["mean"])
    scaler.scale_ = np.asarray(numbers["scale"])
    scaler.var_ = scaler.scale_**2
    scaler.n_features_in_ = len(scaler.mean_)
    scaler.n_samples_seen_ = 0
    network.save(target / "model.h5")
    joblib.dump(scaler, target / "scaler.pkl")
    return target / "model.h5", target / "scaler.pkl"
