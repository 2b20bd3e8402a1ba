"""Whether the files of a model from elsewhere are what they say: figures, tables, network.

Figures must follow from the predictions, for promotions go by them. The network must be of plain ONNX operators, and
answer in a process of its own: it may ask for any time and memory.
"""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from core import parts
from core.config import PROJECT_ROOT, configuration_hash
from core.errors import ModelError
from core.labels import labels_of
from core.learning.evaluation import decide, evaluate, summarize_study
from core.learning.manifest import Manifest
from core.learning.recipes.base import get_recipe
from core.learning.reports.cards import STUDIES
from core.learning.runs import HISTORY_COLUMNS
from core.operations.spec import MAX_SEED
from core.serving.predictor import Predictor
from core.serving.registry import StoredModel

OPERATOR_SETS: Final = ("", "ai.onnx", "ai.onnx.ml")
"""Origins of operators that a network may use: those of ONNX itself."""
TOLERANCE: Final = 1e-4
"""How far a figure may be from that of the predictions, which are stored in seven digits."""
TRIAL_TIME: Final = 60.0
"""Longest time in which a network must have answered, in seconds, with the start of a process."""
TRIAL_MEMORY: Final = 4 * 2**30
"""Most address space of that process, in bytes; it needs about a third."""
TRIAL: Final = "import sys; from {module} import answer_once; answer_once(*sys.argv[1:])"


def check_content(model: StoredModel) -> None:
    """Refuse a model whose files do not hold up.

    Parameters
    ----------
    model : StoredModel
        Its files lie in its folder; the manifest is that of the archive, not checked yet.

    Raises
    ------
    ModelError
        If anything in it is not what it says.
    """
    _check_features(model)
    check_network((model.folder / "network.onnx").read_bytes())
    _check_figures(model)
    _check_tables(model)
    try_out(model.folder, __name__)


def answer_once(folder: str, memory: str = "0") -> None:
    """Answer for two silent sounds in this process, which may then take no more than some bytes of memory.

    Raises
    ------
    ValueError
        If the answer is not a probability for each emotion.
    """
    limit_memory(int(memory))
    manifest = Manifest.from_json(json.loads((Path(folder) / "manifest.json").read_text()))
    model = StoredModel(manifest.name, Path(folder), manifest)
    y_proba = Predictor(model).predict_features(np.zeros((2, *model.features.shape), np.float32))
    if y_proba.shape != (2, len(manifest.labels)) or not np.isfinite(y_proba).all():
        raise ValueError(f"answers of shape {y_proba.shape} are no probabilities")


def limit_memory(memory: int) -> None:
    """Let this process take no more than some bytes of memory from now on; 0 is no limit, and Windows has none."""
    if sys.platform != "win32" and memory:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _check_features(model: StoredModel) -> None:
    """Refuse features that no recipe here computes: of any size they would be computed for every sound."""
    try:
        found = configuration_hash(model.features)
        seed = model.features.seed
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError("The manifest in the archive cannot be read. Export the model again.") from error
    known = {configuration_hash(get_recipe(name).features.seeded(seed)) for name in parts.RECIPES}
    if found not in known or type(seed) is not int or not 0 <= seed <= MAX_SEED:
        raise ModelError("The model in the archive was made for other features than this version computes.")


def check_network(data: bytes) -> None:
    """Refuse a network with parts outside of itself, or with parts that are carried out again and again.

    Parameters
    ----------
    data : bytes
        The network, as ONNX.

    Raises
    ------
    ModelError
        If it is none, or has such parts.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        network = onnx.load_model_from_string(data)
        onnx.checker.check_model(network)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise ModelError("The network in the archive is not an ONNX network that can be read.") from error
    foreign = {entry.domain for entry in network.opset_import} - set(OPERATOR_SETS)
    graphs = _graphs(network.graph)
    if foreign or network.functions or any(tensor.external_data for graph in graphs for tensor in _tensors(graph)):
        raise ModelError("The network in the archive uses parts outside of itself and is not accepted.")
    if len(graphs) > 1:
        raise ModelError("The network in the archive has loops or branches, which no recipe here makes.")


def _graphs(graph: Any) -> list[Any]:
    """Return an ONNX graph and the graphs within it."""
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    inner = [one for a in attributes for one in (*([a.g] if a.HasField("g") else []), *a.graphs)]
    return [graph, *(deeper for one in inner for deeper in _graphs(one))]


def _tensors(graph: Any) -> Iterator[Any]:
    """Walk through the constants of an ONNX graph."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _check_figures(model: StoredModel) -> None:
    """Refuse figures, and a threshold, that do not follow from the model's own predictions."""
    try:
        predictions, metrics = model.predictions(), model.metrics()
        found: dict[str, Any] = dict(evaluate(predictions))
        for protocol, report in found.items():
            report["twin_share"] = float(metrics[protocol]["twin_share"])  # it follows from the split alone
        agree = _agree(metrics, found) and labels_of(predictions) == model.manifest.labels
        decision = model.manifest.decision
        found_decision = decide(predictions, model.main_protocol, float(decision.precision))
        is_decided = _agree(dataclasses.asdict(decision), dataclasses.asdict(found_decision))
    except Exception as error:  # tables and reports can be wrong in any way
        raise ModelError("The figures of the archive do not follow from its predictions.") from error
    if not agree:
        raise ModelError("The figures of the archive do not follow from its predictions. Export the model again.")
    if not is_decided:
        raise ModelError("The threshold in the archive does not follow from its predictions. Export the model again.")


def _agree(claimed: object, found: object) -> bool:
    """Tell whether two values of JSON are alike, numbers nearly."""
    if isinstance(found, Mapping):
        return (
            isinstance(claimed, Mapping)
            and claimed.keys() == found.keys()
            and all(_agree(claimed[key], found[key]) for key in found)
        )
    if isinstance(found, list):
        return isinstance(claimed, list) and len(claimed) == len(found) and all(map(_agree, claimed, found))
    if found is None or claimed is None:
        return claimed is found
    return type(claimed) in (int, float) and bool(np.isclose(claimed, found, rtol=0, atol=TOLERANCE))  # type: ignore[call-overload]


def _check_tables(model: StoredModel) -> None:
    """Refuse texts and tables that the pages could not show."""
    studies = [f"{name}.csv" for name in STUDIES if f"{name}.csv" in model.manifest.files]
    checks: dict[str, Callable[[], object]] = {"card.md": model.card}
    checks["history.csv"] = lambda: model.history()[["protocol", "seed", "fold", *HISTORY_COLUMNS, "is_chosen"]]
    for file in studies:
        name = file.removesuffix(".csv")
        checks[file] = lambda name=name: summarize_study(  # type: ignore[misc]
            model.studies()[name], STUDIES[name][0], model.predictions()
        )
    for file, check in checks.items():
        try:
            check()
        except Exception as error:  # tables can be wrong in any way
            raise ModelError(f"The file {file!r} in the archive could not be shown. Export the model again.") from error


def try_out(folder: Path, module: str) -> None:
    """Refuse a network that does not answer soon, with little memory.

    Parameters
    ----------
    folder : path
        Where it lies.
    module : str
        Module whose ``answer_once`` asks it, in a process of its own.

    Raises
    ------
    ModelError
        If there is no answer, or another one than it must give.
    """
    command = [sys.executable, "-c", TRIAL.format(module=module), str(folder.absolute()), str(TRIAL_MEMORY)]
    try:
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, timeout=TRIAL_TIME, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"The network in the archive did not answer within {TRIAL_TIME:g} s.") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
        raise ModelError(f"The network in the archive does not answer for a sound ({lines[-1][:200]}).")
