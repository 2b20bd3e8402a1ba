"""Parts that are registered by a line: feature sets and recipes."""

import dataclasses
import json
import subprocess
import sys

import pytest

from core import parts
from core.audio.features import get_features
from core.learning.recipes import get_recipe
from core.serving.registry import Registry
from tests.conftest import ROOT

SHIPPED = Registry(ROOT / "artifacts")

LOAD = """
import sys
from core import parts
for registry in (parts.FEATURE_SETS, parts.RECIPES):
    for place in registry.values():
        parts.load_part(place)
print([name for name in ("keras", "tensorflow", "streamlit") if name in sys.modules])
"""


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
    if "channels" in recorded:  # version 0.1.0 named all channels, where now none is named
        assert sorted(recorded.pop("channels")) == sorted(manifest.corpus.channels)
        assert not fields.pop("channels")
    assert json.loads(json.dumps(fields)) == recorded


def test_notes_stand_beside_the_module():
    assert get_recipe("voice").notes.startswith("Tried while the recipe was made")
    assert get_recipe("reference").notes == ""
