"""ONNX networks ready to answer about one sound at a time."""

from pathlib import Path

import onnxruntime as ort


def open_network(path: Path) -> ort.InferenceSession:
    """Return a network ready to answer, on one thread: one sound is too little work to share.

    Parameters
    ----------
    path : path
        The network, as ONNX.

    Returns
    -------
    onnxruntime.InferenceSession
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
