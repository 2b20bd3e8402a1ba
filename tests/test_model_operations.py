import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import types
import zipfile

import numpy as np
import pandas as pd
import pytest

from core.config import VoiceConfig
from core.errors import DatabaseError, ModelError, NotSignedIn
from core.labels import EMOTIONS
from core.learning.evaluation import compare
from core.operations.access import audit
from core.operations.health import describe_installation
from core.operations.models.archives import export_model, import_model
from core.operations.models.comparison import compare_models
from core.operations.models.promotion import delete, evaluate_promotion, list_models, promote, promote_by_job, roll_back
from core.serving.predictor import Predictor
from core.serving.registry import MODEL_FILES, Registry, StoredModel
from tests.conftest import ROOT, encrypted
from tests.generated import with_fields

OTHER = "reference-11111111"
VOICE = dataclasses.asdict(VoiceConfig())
DECISION = {"precision": 0.8, "answered": 1.0, "answered_precision": 1.0}
PUBLISH = """
import resource, sys
from pathlib import Path
from core.learning.manifest import Manifest
from core.serving.registry import MODEL_FILES, Registry
source, root, limit = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
import json, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def write_files(folder):
    for file in MODEL_FILES:
        (folder / file).write_bytes(Path(source, file).read_bytes())
manifest = Manifest.from_json(json.loads(Path(source, "manifest.json").read_text()))
Registry(Path(root)).publish("reference-22222222", manifest, write_files)
"""


def copy_model(registry, published, name=OTHER, **metrics):
    """Publish the small model again under another name, with other figures where given."""
    manifest = published.manifest

    def write_files(folder):
        for file in MODEL_FILES:
            (folder / file).write_bytes((published.folder / file).read_bytes())
        if metrics:
            (folder / "metrics.json").write_text(json.dumps(published.metrics() | metrics))

    return registry.publish(name, manifest, write_files)


def with_recall(published, change):
    """Return the speaker-independent figures of the small model, better or worse by some amount."""
    report = json.loads(json.dumps(published.metrics()["speaker-emobox"]))
    report["speech"]["unweighted_average_recall"]["mean"] += change
    return {"speaker-emobox": report}


def test_a_better_model_is_put_in_use_and_taken_back(registry, published, token):
    copy_model(registry, published, **with_recall(published, 0.01))
    assert promote(token, OTHER, registry=registry).used == published.name
    assert Registry(registry.root).champion() == OTHER
    assert registry.previous() == published.name
    with pytest.raises(ModelError, match="in use already"):
        promote(token, OTHER, registry=registry)
    assert roll_back(token, published.name, registry=registry) == published.name
    assert registry.champion() == published.name
    assert [entry.action for entry in audit.list_entries(token)] == ["roll back", "promote"]


@pytest.mark.parametrize("case", ["worse", "not evaluated"])
def test_the_gate_wants_the_name_typed(registry, published, token, case):
    metrics = with_recall(published, -0.01) if case == "worse" else {"speaker-emobox": {}}
    copy_model(registry, published, **metrics)
    for confirmation in (None, "", "yes", published.name):
        with pytest.raises(ModelError, match="type its name"):
            promote(token, OTHER, confirmation, registry=registry)
    assert registry.champion() == published.name
    assert promote_by_job("admin", OTHER, registry=registry).startswith("Not put in use")
    assert registry.champion() == published.name
    promote(token, OTHER, OTHER, registry=registry)
    assert registry.champion() == OTHER
    assert "confirmed although" in audit.list_entries(token)[0].detail


def test_a_model_that_was_evaluated_on_fewer_clips_needs_confirmation(registry, published, token):
    report = with_recall(published, 0.3)
    report["speaker-emobox"]["speech"]["n_clips"] = 8
    copy_model(registry, published, **report)
    with pytest.raises(ModelError, match="evaluated on 8 clips"):
        promote(token, OTHER, registry=registry)
    assert promote_by_job("admin", OTHER, registry=registry).startswith("Not put in use")


def meanwhile(monkeypatch, act):
    """Let somebody else act once, when a gate has compared and nothing is written yet."""
    record = audit.record

    def act_first(*args, **kwargs):
        monkeypatch.setattr(audit, "record", record)
        act()
        return record(*args, **kwargs)

    monkeypatch.setattr(audit, "record", act_first)


@pytest.mark.parametrize("confirmation", [None, OTHER])
def test_a_model_is_not_put_in_use_instead_of_one_that_the_gate_did_not_see(
    registry, published, token, monkeypatch, confirmation
):
    better = copy_model(registry, published, "reference-22222222", **with_recall(published, 0.2)).name
    copy_model(registry, published, **with_recall(published, 0.1 if confirmation is None else -0.1))
    meanwhile(monkeypatch, lambda: registry.promote(better))
    with pytest.raises(ModelError, match=f"{better}, not {published.name}, is in use"):
        promote(token, OTHER, confirmation, registry=registry)
    assert registry.champion() == better
    assert audit.list_entries(token) == []


def test_a_job_compares_its_model_with_the_one_that_was_put_in_use_meanwhile(registry, published, token, monkeypatch):
    better = copy_model(registry, published, "reference-22222222", **with_recall(published, 0.2)).name
    copy_model(registry, published, **with_recall(published, 0.1))
    meanwhile(monkeypatch, lambda: registry.promote(better))
    said = promote_by_job("admin", OTHER, registry=registry)
    assert said.startswith("Not put in use")
    assert better in said
    assert registry.champion() == better
    assert [entry.action for entry in audit.list_entries(token)] == ["promotion by job refused"]


@pytest.mark.parametrize("used", ["none", "a damaged one"])
def test_where_no_model_answers_another_one_that_is_put_in_use_meanwhile_counts(
    registry, published, token, monkeypatch, used
):
    better = copy_model(registry, published, "reference-22222222", **with_recall(published, 0.2)).name
    copy_model(registry, published)
    if used == "none":
        (registry.root / "champion.json").unlink()
    else:
        (registry.root / published.name / "network.onnx").write_bytes(b"")
    meanwhile(monkeypatch, lambda: registry.promote(better))
    with pytest.raises(ModelError, match="was put in use meanwhile"):
        promote(token, OTHER, registry=registry)
    assert registry.champion() == better
    assert promote_by_job("admin", OTHER, registry=registry).startswith("Not put in use")


def test_a_model_that_is_damaged_is_replaced(registry, published, token):
    copy_model(registry, published)
    (registry.root / published.name / "network.onnx").write_bytes(b"")
    assert promote(token, OTHER, registry=registry).recorded == published.name
    assert registry.champion() == OTHER


def test_two_who_go_back_at_once_go_back_once(registry, published, token):
    newest = copy_model(registry, published, "reference-22222222").name
    copy_model(registry, published)
    for name in (OTHER, newest):
        promote(token, name, registry=registry)
    assert roll_back(token, OTHER, registry=registry) == OTHER
    with pytest.raises(ModelError, match=f"before it {published.name} was, not {OTHER}"):
        roll_back(token, OTHER, registry=registry)
    assert registry.champion() == OTHER
    assert [entry.action for entry in audit.list_entries(token)].count("roll back") == 1


@pytest.mark.parametrize("act", ["promote", "promote_by_job", "roll_back", "delete"])
def test_nothing_is_done_that_can_not_be_noted(registry, published, token, monkeypatch, act):
    copy_model(registry, published)
    if act == "roll_back":
        promote(token, OTHER, registry=registry)
    used = registry.champion()

    def fail(*_, **__):
        raise DatabaseError("full")

    monkeypatch.setattr(audit, "record", fail)
    acts = {
        "promote": lambda: promote(token, OTHER, registry=registry),
        "promote_by_job": lambda: promote_by_job("admin", OTHER, registry=registry),
        "roll_back": lambda: roll_back(token, published.name, registry=registry),
        "delete": lambda: delete(token, OTHER, OTHER, registry=registry),
    }
    with pytest.raises(DatabaseError):
        acts[act]()
    assert (registry.champion(), OTHER in registry.names()) == (used, True)


def test_what_was_not_done_is_not_noted(registry, published, token):
    with pytest.raises(ModelError, match="is in use"):
        delete(token, published.name, published.name, registry=registry)
    with pytest.raises(ModelError, match="No model was in use before"):
        roll_back(token, published.name, registry=registry)
    assert audit.list_entries(token) == []


def test_a_model_that_is_as_good_needs_no_confirmation(registry, published, token):
    copy_model(registry, published)
    assert evaluate_promotion(OTHER, registry).objection == ""
    assert promote_by_job("admin", OTHER, registry=registry) == f"{OTHER} is in use."


def test_the_first_model_passes_only_if_evaluated(registry, published, token):
    (registry.root / "champion.json").unlink()
    gate = evaluate_promotion(published.name, registry)
    assert (gate.used, gate.objection) == (None, "")


def test_the_table_of_models_shows_honest_figures_and_what_is_broken(registry, published):
    copy_model(registry, published)
    used, other = list_models(registry)
    assert (used.name, used.is_used, other.name, other.is_used) == (published.name, True, OTHER, False)
    report = published.metrics()["speaker-emobox"]
    assert used.recalls["speaker-emobox, speech"] == report["speech"]["unweighted_average_recall"]["mean"]
    assert used.recipe == "reference"
    assert used.channels == ("speech", "song")
    (registry.root / OTHER / "card.md").write_text("other")
    assert "altered" in list_models(registry)[1].problem


def test_settings_are_shown_to_administrators_with_what_is_wrong(registry, token, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "index.csv").write_text("12345")
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(registry.root))
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    found = describe_installation(token)
    assert {check.name: bool(check.problem) for check in found.checks} == {
        "database": False,
        "model in use": False,
        "corpus": True,
        "disk": False,
    }
    assert found.data_size >= 5
    assert 0 < found.memory_process < found.memory_total
    assert found.versions["numpy"] == np.__version__
    with pytest.raises(NotSignedIn):
        describe_installation("guess")


def test_the_model_in_use_is_never_deleted(registry, published, token):
    copy_model(registry, published)
    with pytest.raises(ModelError, match="is in use"):
        delete(token, published.name, published.name, registry=registry)
    with pytest.raises(ModelError, match="Type the name"):
        delete(token, OTHER, "", registry=registry)
    promote(token, OTHER, registry=registry)
    delete(token, published.name, published.name, registry=registry)
    assert registry.names() == [OTHER]
    assert sorted(path.name for path in registry.root.iterdir() if path.is_dir()) == [OTHER]
    with pytest.raises(ModelError, match="No model was in use before"):
        roll_back(token, published.name, registry=registry)
    for name in ("../artifacts", "reference-00000000", ""):
        with pytest.raises(ModelError, match="There is no model"):
            delete(token, name, name, registry=registry)


def test_nobody_acts_on_models_without_signing_in(registry, published, database):
    name = published.name
    for act in (
        lambda: promote("guess", name, registry=registry),
        lambda: roll_back("", name, registry=registry),
        lambda: delete("guess", name, name, registry=registry),
        lambda: export_model("guess", name, registry=registry),
        lambda: import_model("guess", b"", registry=registry),
    ):
        with pytest.raises(NotSignedIn):
            act()


def answers(rights, seeds=(0,)):
    """Return predictions of clips that are answered right or not; ``rights`` has a row a seed."""
    rows = []
    for seed, row in zip(seeds, rights, strict=True):
        for actor, right in enumerate(row, start=1):
            y_true = "angry" if actor % 2 else "sad"
            answer = y_true if right else "calm"
            clip = f"03-01-{'05' if y_true == 'angry' else '04'}-01-01-01-{actor:02d}"
            rows.append(["speaker-emobox", seed, 0, clip, y_true, *(float(answer == e) for e in EMOTIONS)])
    return with_fields(pd.DataFrame(rows, columns=["protocol", "seed", "fold", "clip", "y_true", *EMOTIONS]))


@dataclasses.dataclass
class Evaluated:
    table: pd.DataFrame
    manifest: types.SimpleNamespace = dataclasses.field(
        default_factory=lambda: types.SimpleNamespace(labels=tuple(EMOTIONS))
    )

    def predictions(self):
        return self.table


def test_comparison_of_two_models_is_that_of_the_evaluation():
    first, second = [1] * 9 + [0], [1, 1] + [0] * 7 + [1]
    tables = answers([first]), answers([second])
    [found] = compare_models(*map(Evaluated, tables))
    assert (found.protocol, found.channel, found.n_clips, found.n_speakers) == ("speaker-emobox", "speech", 10, 10)
    expected = compare(*tables)
    assert (found.difference, found.p_value) == (expected["difference"], expected["p_value"])
    assert list(found.interval) == expected["interval"]
    assert found.difference == pytest.approx((0.8 + 0.4) / 2)
    rows = found.per_class.set_index("emotion")
    assert rows.index.tolist() == ["angry", "sad"]
    assert rows.loc["angry"].tolist() == pytest.approx([5, 1.0, 0.2, 0.8])
    assert rows.loc["sad", "difference"] == pytest.approx(0.8 - 0.4)


def test_comparison_takes_the_mean_over_seeds_and_common_clips_alone():
    twice = answers([[1, 1, 0, 0], [1, 1, 0, 1]], seeds=(0, 1))
    [found] = compare_models(Evaluated(twice), Evaluated(answers([[0, 1, 0]])))
    assert found.n_clips == 3
    assert found.difference == pytest.approx((0.5 + 1.0) / 2 - (0 + 1.0) / 2)
    [both] = compare_models(Evaluated(twice), Evaluated(twice))
    assert both.n_clips == 4
    assert both.difference == 0
    assert both.per_class["first"].mean() == pytest.approx((0.5 + 0.75) / 2)


def test_an_exported_model_comes_back_the_same(registry, published, token, tmp_path):
    data = export_model(token, published.name, registry=registry)
    other = Registry(tmp_path / "elsewhere")
    model = import_model(token, data, registry=other)
    assert other.names() == [published.name]
    assert not other.has_champion()
    X = np.random.default_rng(0).normal(size=(3, 130, 62)).astype(np.float32)
    expected = Predictor(published).predict_features(X)
    np.testing.assert_array_equal(Predictor(model).predict_features(X), expected)
    with pytest.raises(ModelError, match="stored already"):
        import_model(token, data, registry=other)


def test_a_model_from_before_zip_files_is_exported(registry, published, token, tmp_path):
    os.utime(registry.root / published.name / "card.md", (0, 0))
    data = export_model(token, published.name, registry=registry)
    assert import_model(token, data, registry=Registry(tmp_path / "elsewhere")).card() == published.card()


def edit(data, **changes):
    """Return an archive with files replaced (bytes), removed (None) or added, manifest untouched unless given."""
    source, buffer = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    files = {entry.filename: source.read(entry) for entry in source.infolist()}
    files |= {name.replace("__", "."): content for name, content in changes.items()}
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            if content is not None:
                archive.writestr(name, content)
    return buffer.getvalue()


def with_manifest(data, **changes):
    manifest = json.loads(zipfile.ZipFile(io.BytesIO(data)).read("manifest.json"))
    return edit(data, manifest__json=json.dumps(manifest | changes))


def vouched(data, name, content):
    """Return an archive with another file that its manifest vouches for."""
    manifest = json.loads(zipfile.ZipFile(io.BytesIO(data)).read("manifest.json"))
    files = manifest["files"] | {name: hashlib.sha256(content).hexdigest()}
    return edit(with_manifest(data, files=files), **{name: content})


def boast(data):
    metrics = json.loads(zipfile.ZipFile(io.BytesIO(data)).read("metrics.json"))
    metrics["speaker-emobox"]["speech"]["unweighted_average_recall"]["mean"] = 0.99
    return vouched(data, "metrics.json", json.dumps(metrics).encode())


def claim(data, change):
    """Return an archive whose figures are changed by a function, and vouched for."""
    metrics = json.loads(zipfile.ZipFile(io.BytesIO(data)).read("metrics.json"))
    change(metrics)
    return vouched(data, "metrics.json", json.dumps(metrics).encode())


def boast_of(figure):
    def change(metrics):
        metrics["speaker-emobox"]["speech"][figure]["interval"] = [0.98, 0.99]

    return change


def link(data):
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive:
        entry = zipfile.ZipInfo("robustness.csv")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return buffer.getvalue()


def external(data):
    import onnx

    network = onnx.load_model_from_string(zipfile.ZipFile(io.BytesIO(data)).read("network.onnx"))
    tensor = network.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return vouched(data, "network.onnx", network.SerializeToString())


def endless(data):
    """Return an archive whose network counts for ever."""
    import onnx
    from onnx import TensorProto, helper

    network = onnx.load_model_from_string(zipfile.ZipFile(io.BytesIO(data)).read("network.onnx"))
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["i"], ["count"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
        ],
    )
    network.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    network.graph.node.append(helper.make_node("Loop", ["", "yes"], ["counts"], body=body))
    return vouched(data, "network.onnx", network.SerializeToString())


def hungry(data):
    """Return an archive whose network wants 400 GB, in a few bytes."""
    import onnx
    from onnx import TensorProto, helper

    network = onnx.load_model_from_string(zipfile.ZipFile(io.BytesIO(data)).read("network.onnx"))
    (output,) = network.graph.output
    shape = helper.make_tensor("huge", TensorProto.INT64, [3], [100_000, 1_000, 1_000])
    network.graph.initializer.append(shape)
    network.graph.node.append(helper.make_node("ConstantOfShape", ["huge"], ["much"]))
    network.graph.node.append(helper.make_node("ReduceMax", ["much"], ["little"], keepdims=0))
    network.graph.node.append(helper.make_node("Add", [output.name, "little"], ["sum"]))
    output.name = "sum"
    return vouched(data, "network.onnx", network.SerializeToString())


def foreign(data):
    import onnx

    network = onnx.load_model_from_string(zipfile.ZipFile(io.BytesIO(data)).read("network.onnx"))
    network.opset_import.add(domain="evil", version=1)
    return vouched(data, "network.onnx", network.SerializeToString())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:0], "not a zip"),
        (lambda data: data[: len(data) // 2], "not a zip"),
        (encrypted, "which is not a file of a model"),
        (lambda data: edit(data, setup__py=b"print(1)"), "'setup.py', which is not a file of a model"),
        (lambda data: edit(data, scaler__pkl=b"cos"), "'scaler.pkl', which is not"),
        (lambda data: edit(data, **{"../card.md": b"x"}), "'../card.md', which is not"),
        (lambda data: edit(data, **{"/card.md": b"x"}), "'/card.md', which is not"),
        (link, "'robustness.csv', which is not"),
        (lambda data: edit(data, scaler__json=None), "lacks scaler.json"),
        (lambda data: edit(data, robustness__csv=b"x"), "does not list"),
        (lambda data: edit(data, card__md=b"other"), r"'card.md'.*altered"),
        (lambda data: edit(data, manifest__json=b"[]"), "cannot be read"),
        (lambda data: edit(data, manifest__json=b"[" * 100_000), "cannot be read"),
        (lambda data: with_manifest(data, name="../evil-00000000"), "not a model name"),
        (lambda data: with_manifest(data, name=7), "cannot be read"),
        (lambda data: with_manifest(data, protocol="[here](x)"), "which cannot be"),
        (lambda data: with_manifest(data, format=3), "cannot be read"),
        (lambda data: with_manifest(data, labels=list(EMOTIONS[::-1])), "do not follow from its predictions"),
        (lambda data: vouched(data, "network.onnx", b"no network"), "not an ONNX network"),
        (external, r"parts outside of itself|not an ONNX network"),
        (foreign, "parts outside of itself"),
        (endless, "loops or branches"),
        (hungry, "does not answer for a sound"),
        (lambda data: with_manifest(data, features=VOICE | {"n_kernels": 10**9}), "made for other features"),
        (lambda data: with_manifest(data, features=[]), "cannot be read"),
        (lambda data: with_manifest(data, features=1), "cannot be read"),
        (boast, "do not follow from its predictions"),
        (lambda data: claim(data, boast_of("accuracy")), "do not follow from its predictions"),
        (lambda data: claim(data, boast_of("unweighted_average_recall")), "do not follow from its predictions"),
        (lambda data: claim(data, lambda metrics: metrics.update(other={})), "do not follow from its predictions"),
        (lambda data: claim(data, lambda metrics: metrics["reference"].pop("twin_share")), "do not follow"),
        (lambda data: vouched(data, "predictions.csv", b"a,b"), "do not follow from its predictions"),
        (lambda data: vouched(data, "card.md", b"\xff"), "'card.md'.*not be shown"),
        (lambda data: vouched(data, "history.csv", b"epoch\n1"), "'history.csv'.*not be shown"),
        (lambda data: vouched(data, "robustness.csv", b"a,b\n1,2"), "'robustness.csv'.*not be shown"),
        (lambda data: with_manifest(data, recipe={}), "manifest.*cannot be read"),
        (lambda data: with_manifest(data, corpus={"channels": 7}), "manifest.*cannot be read"),
        (lambda data: with_manifest(data, created=None), "manifest.*cannot be read"),
        (lambda data: with_manifest(data, decision={"threshold": 0.5}), "manifest.*cannot be read"),
        (lambda data: with_manifest(data, decision=DECISION | {"threshold": 0.0}), "threshold.*does not follow"),
        (lambda data: vouched(data, "scaler.json", b"{}"), "does not answer"),
        (lambda data: edit(data, manifest__json=b" " * (2**20 + 1)), "more than 1,048,576 bytes"),
    ],
)
def test_odd_archives_leave_nothing_behind(registry, published, token, tmp_path, change, message):
    data = change(export_model(token, published.name, registry=registry))
    other = Registry(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=message):
        import_model(token, data, registry=other)
    assert not other.root.exists() or list(other.root.iterdir()) == []


def test_large_archives_are_refused(registry, token, monkeypatch):
    from core.operations.models import archives

    monkeypatch.setattr(archives, "MAX_ARCHIVE", 100)
    with pytest.raises(ModelError, match="limit for a model"):
        import_model(token, b"x" * 101, registry=registry)


@pytest.mark.parametrize("limit", [1_000, 500_000, 1_700_000])
def test_a_full_disk_while_publishing_leaves_nothing_listed(registry, published, limit):
    command = [sys.executable, "-c", PUBLISH, str(published.folder), str(registry.root), str(limit)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "ModelError" in result.stderr
    assert "cannot be written" in result.stderr
    assert {path.name for path in registry.root.iterdir()} - {".lock"} == {"champion.json", published.name}
    assert registry.load().name == published.name


def answer_while(stop, registry, X, wrong, expected, counts):
    """Answer again and again as the pages do: which model is in use, then that model, then its answer."""
    loaded = {}
    while not stop.is_set():
        try:
            name = registry.champion()
            if name not in loaded:
                loaded[name] = Predictor.load(name, registry=registry)
            y_proba = loaded[name].predict_features(X)
            counts.append(name)
            if loaded[name].model.name != name or not np.array_equal(y_proba, expected[name]):
                wrong.append(f"{name}: another model's answer")
        except Exception as error:
            wrong.append(repr(error))
        time.sleep(0.1)


def promote_under_load(registry, published, token, n_promotions):
    """Promote to and fro while five threads answer about 50 times a second; return failures and answers."""
    second = copy_model(registry, published)
    (registry.root / OTHER / "scaler.json").chmod(0o644)
    models: list[StoredModel] = [published, second]
    X = np.random.default_rng(0).normal(size=(1, 130, 62)).astype(np.float32)
    expected = {model.name: Predictor(model).predict_features(X) for model in models}
    stop, wrong, counts = threading.Event(), [], []
    arguments = (stop, registry, X, wrong, expected, counts)
    threads = [threading.Thread(target=answer_while, args=arguments) for _ in range(5)]
    for thread in threads:
        thread.start()
    for k in range(n_promotions):
        promote(token, [OTHER, published.name][k % 2], registry=registry)
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    return wrong, counts


def test_promotions_under_load_disturb_no_answer(registry, published, token):
    wrong, counts = promote_under_load(registry, published, token, 6)
    assert wrong == []
    assert len(set(counts)) == 2


@pytest.mark.slow
def test_many_promotions_under_load_disturb_no_answer(registry, published, token):
    wrong, counts = promote_under_load(registry, published, token, 300)
    assert wrong == []
    assert len(counts) > 500


def test_promotions_by_several_processes_keep_the_record_whole(registry, published):
    copy_model(registry, published)
    code = (
        "import sys; from pathlib import Path; from core.serving.registry import Registry\n"
        "for _ in range(15): Registry(Path(sys.argv[1])).promote(sys.argv[2])"
    )
    promoters = [
        subprocess.Popen([sys.executable, "-c", code, str(registry.root), name], cwd=ROOT)
        for name in (OTHER, published.name)
    ]
    while any(promoter.poll() is None for promoter in promoters):
        assert registry.champion() in (OTHER, published.name)
    assert [promoter.returncode for promoter in promoters] == [0, 0]
    assert {registry.champion(), registry.previous()} == {OTHER, published.name}
