"""Parts that are registered by a line: feature sets and recipes."""

import dataclasses
import json
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

from core import parts
from core.audio.decode import decode
from core.audio.extraction import extract
from core.audio.features import FeatureSet, Picture, get_features
from core.config import SAMPLE_RATE, Augmentation
from core.corpus.known import default_corpus
from core.errors import TrainingError
from core.learning.recipes import Recipe, get_recipe
from core.learning.recipes.base import describe_sound
from core.learning.runs import write_scaler, write_solved_history
from core.operations.pipeline import retrain
from core.operations.spec import TrainingSpec
from core.serving.explanation import explain, picture
from core.serving.predictor import Predictor
from core.serving.registry import Registry
from tests.conftest import ROOT

SHIPPED = Registry(ROOT / "artifacts")


@dataclasses.dataclass(frozen=True)
class TinyFeatures(FeatureSet):
    """Level of a sound in eight equal stretches, in dB."""

    name: str = "tiny"
    sr: int = SAMPLE_RATE
    version: int = 1
    analysed_duration: ClassVar[float] = 4.0

    @property
    def shape(self):
        return (8,)

    @property
    def groups(self):
        return {"Level": np.arange(8)}

    def extract(self, y, sr):
        power = [np.mean(part**2) for part in np.array_split(y[: int(self.analysed_duration * sr)], 8)]
        return (10 * np.log10(np.array(power) + 1e-9)).astype(np.float32)

    def picture(self, y, sr, scale):
        return Picture(scale(self.extract(y, sr))[:, None], tuple("12345678"), np.zeros(1), "dB", "Levels.")


@dataclasses.dataclass(frozen=True)
class TinyRecipe(Recipe):
    """Nearest mean, on clips and on clips with noise."""

    name: str = "tiny"
    summary: str = "A tiny one."
    features: TinyFeatures = TinyFeatures()
    epochs: int = 1
    deployed_protocol: str = "random"

    def augmentations(self, seed):
        return (Augmentation("coloured noise", seed),)

    def network(self, task):
        import keras

        return keras.Sequential([keras.Input((8,)), keras.layers.Dense(len(task.labels), "softmax")])

    def fit(self, X, index, fold):
        rows = fold.known_rows
        emotion = np.tile(fold.task.encode(index["emotion"].iloc[rows]), 2)
        together = np.concatenate([X[rows, 0], X[rows, 1]])
        mean, scale = together.mean(axis=0), together.std(axis=0)
        write_scaler(fold, mean, scale)
        Z = (together - mean) / scale
        centres = np.stack([Z[emotion == k].mean(axis=0) for k in range(len(fold.task.labels))])
        network = self.network(fold.task)
        network.set_weights([centres.T, -0.5 * (centres**2).sum(axis=1)])
        network.save_weights(fold.weights_path)
        y_proba = network.predict(Z, verbose=0)
        write_solved_history(fold, emotion, y_proba, y_proba)
        return network

    def describe(self, manifest):
        return f"- Input: levels of {describe_sound({**manifest.features, 'duration': 4.0})}."


TINY = TinyRecipe()

LOAD = """
import sys
from core import parts
for registry in (parts.FEATURE_SETS, parts.RECIPES):
    for place in registry.values():
        parts.load_part(place)
print([name for name in ("keras", "tensorflow", "streamlit") if name in sys.modules])
"""


@pytest.mark.heavy
def test_parts_are_loaded_without_keras():
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", parts.RECIPES)
def test_recipes_are_called_as_they_are_registered(name):
    recipe = get_recipe(name)
    assert recipe.name == name
    assert recipe.features == get_features(recipe.features.name)


def test_registries_alone_load_nothing():
    check = "import sys; from core import parts; print([m for m in sys.modules if m.startswith('core.audio')])"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("model", SHIPPED.names())
def test_recipes_describe_the_models_that_are_shipped(model):
    stored = SHIPPED.load(model)
    manifest = stored.manifest
    recipe = get_recipe(manifest.recipe["name"])
    described = recipe.describe(manifest)
    card = (stored.folder / "card.md").read_text().split()
    assert " ".join(described.splitlines()[0].split()) in " ".join(card)
    assert f"seed {manifest.seed}" in described
    fields = dataclasses.asdict(recipe)
    del fields["features"]
    recorded = dict(manifest.recipe)
    if recorded.get("channels"):  # version 0.1.0 named all channels, where now none is named
        assert sorted(recorded["channels"]) == sorted(manifest.corpus.channels)
        recorded["channels"] = []
    assert json.loads(json.dumps(fields)) == recorded


def test_notes_stand_beside_the_module():
    assert get_recipe("voice").notes.startswith("Tried while the recipe was made")
    assert get_recipe("reference").notes == ""


@pytest.mark.heavy
def test_a_part_of_ones_own_goes_the_whole_way(generated, clips, tmp_path, monkeypatch):
    """From the registry's line to training, predictions, a stored model and its answer."""
    monkeypatch.setitem(parts.FEATURE_SETS, "tiny", "tests.test_parts:TinyFeatures")
    monkeypatch.setitem(parts.RECIPES, "tiny", "tests.test_parts:TINY")
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    stored = retrain(TrainingSpec("tiny", protocols=(default_corpus().main_protocol, "random"), studies=True), n_jobs=1)

    predictions = stored.predictions()
    unseen = predictions[predictions["protocol"] == stored.main_protocol]
    assert sorted(unseen["clip"]) == sorted(clips["clip"])
    assert stored.studies().keys() == {"robustness", "baseline"}
    assert "levels of the first 4 s" in (stored.folder / "card.md").read_text()
    predictor = Predictor.load(stored.name, registry=Registry(tmp_path / "artifacts"))
    assert predictor.model.features == TinyFeatures()
    rows = predictions[predictions["protocol"] == "random"].set_index("clip")
    row = clips[clips["clip"].isin(rows.index)].iloc[0]
    waveform = decode(generated / row["path"])
    answer = predictor.predict(waveform)
    assert list(answer.probabilities.values()) == pytest.approx(
        rows.loc[row["clip"], list(stored.manifest.labels)].tolist(), abs=1e-5
    )
    assert explain(predictor, waveform, predictor.predict(waveform)).fall_by_group.keys() == {"Level"}
    np.testing.assert_allclose(
        picture(predictor, waveform, predictor.predict(waveform)).values[:, 0],
        predictor.scale(extract(waveform, TinyFeatures())),
        atol=1e-6,
    )
    with pytest.raises(TrainingError, match="no epochs"):
        get_recipe("tiny", epochs=3)
