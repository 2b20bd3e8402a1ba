import hashlib
import json
import threading

import pytest
from filelock import FileLock

from core.api.routes import describe_models
from core.corpus.ravdess import RAVDESS
from core.errors import ModelError, TrainingError
from core.learning.manifest import Manifest
from core.learning.runs import TrainingResult
from core.serving import registry as module
from core.serving.publishing import publish_training
from core.serving.registry import MODEL_FILES, Registry, StoredModel


def edit_manifest(registry, model, **changes):
    path = registry.root / model.name / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_published_model_is_complete(published, training):
    assert {path.name for path in published.folder.iterdir()} == {*MODEL_FILES, "manifest.json"}
    assert set(published.metrics()) == {"reference", "speaker-emobox"}
    assert len(published.predictions()) == len(training.predictions())
    assert len(published.history()) == 2 * len(training.folds)
    assert published.metrics()["reference"]["twin_share"] > 0.5
    assert published.metrics()["speaker-emobox"]["twin_share"] == 0


def test_models_are_never_overwritten(registry, training, clips):
    with pytest.raises(ModelError, match="stored already"):
        publish_training(training, RAVDESS, clips, registry)


def test_training_without_the_deployed_protocol_can_not_be_published(registry, training, clips):
    folds = tuple(fold for fold in training.folds if fold.protocol != "reference")
    with pytest.raises(TrainingError, match="was not trained"):
        publish_training(TrainingResult(training.recipe, folds), RAVDESS, clips, registry)


@pytest.mark.parametrize("file", MODEL_FILES)
def test_altered_files_are_refused(registry, published, file):
    path = registry.root / published.name / file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelError, match=f"'{file}'.*altered"):
        registry.load(published.name)


def test_missing_files_are_refused(registry, published):
    (registry.root / published.name / "network.onnx").unlink()
    with pytest.raises(ModelError, match="missing or altered"):
        registry.load()


def test_other_label_order_is_refused(registry, published):
    edit_manifest(registry, published, labels=published.manifest.labels[::-1])
    with pytest.raises(ModelError, match="name its emotions in order"):
        registry.load()


def test_other_features_are_refused(registry, published):
    edit_manifest(registry, published, features={**published.manifest.features, "n_mfcc": 20})
    with pytest.raises(ModelError, match="other features"):
        registry.load()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 3},
        {"name": "reference-00000000"},
        {"files": {}},
        {"files": []},
        {"features": []},
        {"recipe": {}},
        {"recipe": {"name": 7}},
        {"corpus": []},
        {"created": None},
        {"decision": {"threshold": None}},
    ],
)
def test_manifests_of_other_models_are_refused(registry, published, changes):
    edit_manifest(registry, published, **changes)
    with pytest.raises(ModelError):
        registry.load()


NOWHERE = (float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), 1e300, "\ud800", "\0")
SHARES = [("decision", name) for name in ("threshold", "precision", "answered", "answered_precision")]
COUNTS = [("seed",), *(("corpus", name) for name in ("n_clips", "n_speakers", "n_feedback"))]
ODD = [
    *((place, value) for place in SHARES for value in (*NOWHERE, -0.1, 1.1, True, "0.5")),
    *((place, value) for place in COUNTS for value in (float("nan"), 10**400, -1, 0.5, True, None)),
    *((("corpus", "others"), {"emovo": value}) for value in (float("nan"), 10**400, -1, 0.5)),
    *((place, value) for place in (("recipe", "epochs"), ("features", "sr")) for value in NOWHERE),
    *((place, "\ud800") for place in (("created",), ("protocol",), ("corpus", "title"))),
    (("libraries",), {"\ud800": "1"}),
    (("decision", "precision"), None),
]
"""A place in a manifest, as a path of keys, and a number or text that cannot stand there."""


@pytest.mark.parametrize(("place", "value"), ODD)
def test_odd_numbers_and_texts_in_a_manifest_are_refused(published, place, value):
    fields = json.loads(json.dumps(published.manifest.to_json()))
    changed = fields
    for name in place[:-1]:
        changed = changed[name]
    changed[place[-1]] = value
    with pytest.raises((ValueError, TypeError)):
        Manifest.from_json(json.loads(json.dumps(fields)))


@pytest.mark.parametrize("threshold", [None, 0.0, 0.5, 1, 1.0])
def test_a_threshold_is_a_share_or_none(registry, published, threshold):
    decision = published.manifest.to_json()["decision"]
    edit_manifest(registry, published, decision=decision | {"threshold": threshold})
    assert registry.load().threshold == threshold


@pytest.mark.parametrize("threshold", [float("nan"), -float("inf"), 10**400])
def test_a_model_with_an_odd_number_hides_no_other_one(registry, published, threshold):
    other = copy_model(registry, published, "reference-11111111")
    decision = published.manifest.to_json()["decision"] | {"threshold": threshold}
    edit_manifest(registry, registry.load(other), decision=decision)
    first, second = describe_models(registry)
    assert (first["name"], second["name"]) == (published.name, other)
    assert "cannot be read" in second["error"]
    json.dumps([first, second], allow_nan=False)


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), 10**400])
def test_figures_that_are_no_numbers_are_a_sentence(registry, published, figure):
    other = copy_model(registry, published, "reference-11111111")
    path = registry.root / other / "metrics.json"
    metrics = published.metrics()
    metrics["speaker-emobox"]["speech"]["unweighted_average_recall"]["mean"] = figure
    path.write_text(json.dumps(metrics))
    model = registry.load(published.name)
    files = {**model.manifest.files, "metrics.json": hashlib.sha256(path.read_bytes()).hexdigest()}
    edit_manifest(registry, StoredModel(other, registry.root / other, model.manifest), files=files)
    with pytest.raises(ModelError, match=r"'metrics\.json'.*cannot be read"):
        registry.load(other).metrics()
    assert ["error" in model for model in describe_models(registry)] == [False, True]


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_broken_manifests_are_refused(registry, published, text):
    (registry.root / published.name / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match="cannot be read"):
        registry.load()


@pytest.mark.parametrize("name", ["../artifacts", "reference", "reference-zzzzzzzz", "/etc-00000000", ""])
def test_odd_names_are_refused(registry, name):
    if name:
        with pytest.raises(ModelError, match="no model"):
            registry.load(name)
    with pytest.raises(ModelError, match="not a model name"):
        registry.publish(name, {}, print)


def test_failed_publishing_leaves_nothing_behind(registry):
    def fail(folder):
        (folder / "network.keras").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match="No space left"):
        registry.publish("reference-00000000", {}, fail)
    assert [path.name for path in registry.root.iterdir() if "00000000" in path.name] == []
    assert "reference-00000000" not in registry.names()


def test_promotion_and_roll_back(registry, published):
    second = copy_model(registry, published, "reference-11111111")
    registry.promote(second)
    assert registry.champion() == second
    assert registry.roll_back() == published.name
    assert registry.champion() == published.name
    with pytest.raises(ModelError, match="No model was in use before"):
        registry.roll_back()


def test_broken_models_are_not_promoted(registry, published):
    second = copy_model(registry, published, "reference-11111111")
    (registry.root / second / "network.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="altered"):
        registry.promote(second)
    assert registry.champion() == published.name


def test_broken_record_of_use_is_mended_by_a_promotion(registry, published):
    (registry.root / "champion.json").write_text("half a rec")
    with pytest.raises(ModelError, match="Promote a model again"):
        registry.champion()
    registry.promote(published.name)
    assert registry.champion() == published.name


def test_empty_registry_says_what_to_do(tmp_path):
    registry = Registry(tmp_path / "nothing")
    assert registry.names() == []
    with pytest.raises(ModelError, match="warm-up"):
        registry.load()


def copy_model(registry, published, name):
    manifest = published.manifest

    def write_files(folder):
        for file in MODEL_FILES:
            (folder / file).write_bytes((published.folder / file).read_bytes())

    return registry.publish(name, manifest, write_files).name


def test_a_model_that_is_deleted_while_it_is_put_in_use_is_not_in_use(registry, published, monkeypatch):
    other = _copy(registry, published, "reference-11111111")
    checked = Registry.load

    def delete_after_the_check(self, name=None):
        model = checked(self, name)
        if name == other:
            monkeypatch.undo()
            Registry(self.root).delete(name)
        return model

    monkeypatch.setattr(Registry, "load", delete_after_the_check)
    with pytest.raises(ModelError, match="no model"):
        registry.promote(other)
    assert registry.load().name == published.name


def test_of_two_that_store_one_model_at_once_one_does(registry, published):
    begun, ended = threading.Event(), threading.Event()
    failures = []

    def write_first(folder):
        _copy_files(published, folder)
        thread.start()
        begun.wait(20)

    def write_second(folder):
        begun.set()
        ended.wait(20)
        _copy_files(published, folder)

    def store(write_files):
        try:
            _copy(registry, published, "reference-11111111", write_files)
        except ModelError as error:
            failures.append(error)

    thread = threading.Thread(target=store, args=(write_second,))
    store(write_first)
    ended.set()
    thread.join()
    assert len(failures) == 1
    assert registry.load("reference-11111111").folder.is_dir()
    assert not list(registry.root.glob(".*.partial"))


def test_a_folder_that_is_locked_or_full_is_a_sentence(registry, published, monkeypatch):
    other = _copy(registry, published, "reference-11111111")
    monkeypatch.setattr(module, "LOCK_TIMEOUT", 0.1)
    for act in (lambda: registry.promote(other), lambda: registry.delete(other), registry.roll_back):
        with FileLock(registry.root / ".lock"), pytest.raises(ModelError, match="Try again"):
            act()

    def fill(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_atomically", fill)
    with pytest.raises(ModelError, match="cannot be written: No space left"):
        registry.promote(other)
    assert registry.champion() == published.name


def _copy(registry, published, name, write_files=None):
    """Publish the small model again under another name, which is returned."""
    manifest = published.manifest
    return registry.publish(name, manifest, write_files or (lambda folder: _copy_files(published, folder))).name


def _copy_files(published, folder):
    for file in MODEL_FILES:
        (folder / file).write_bytes((published.folder / file).read_bytes())


@pytest.mark.parametrize("recipe", ["reference", "voice"])
def test_the_predictions_of_a_clip_are_those_of_the_table(recipe):
    """The shipped models: the reference's table is of the first format, which names no speaker."""
    registry = Registry()
    model = registry.load(registry.names_of(recipe)[0])
    table = model.predictions()
    clip = table["clip"].iloc[0]
    rows = table[table["clip"] == clip]
    found = model.predictions_of(clip)
    assert len(found) == len(rows) > 1
    for field in ("protocol", "y_true", "speaker", "intensity"):
        assert [row[field] for row in found] == rows[field].tolist()
    label = model.manifest.labels[0]
    assert [float(row[label]) for row in found] == pytest.approx(rows[label].tolist())
    assert model.predictions_of(clip[:-1]) == []
