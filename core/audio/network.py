"""ONNX networks ready to answer about one sound at a time."""

from pathlib import Path

import onnxruntime as ort

from core.errors import ModelError
from core.work.threads import share_no_products


def open_network(path: Path) -> ort.InferenceSession:
    """Return a network ready to answer, on one thread, as from now on all of this process: a sound is little work.

    Parameters
    ----------
    path : path
        The network, as ONNX.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    ModelError
        If the file holds no network.
    """
    share_no_products()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library has a dozen kinds, none of them public
        raise ModelError(f"The network {path.name!r} cannot be read. Restore or retrain its model.") from error
