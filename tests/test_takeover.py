import json
import shutil

import pytest

from core.audio.encoder import FOLDER as ENCODERS
from core.errors import ModelError
from core.serving.registry import CHAMPION_FILE, Registry
from core.serving.takeover import take_over

ENCODER = "bursts-00000000"


@pytest.fixture
def shipped(registry):
    """A folder of what ships: the small model, in use, and an encoder."""
    folder = registry.root / ENCODERS / ENCODER
    folder.mkdir(parents=True)
    (folder / "encoder.onnx").write_bytes(b"an encoder")
    return registry.root


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder of an installation's models, which is not there yet."""
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "own"))
    return Registry()


def ship_another(shipped, name="reference-00000000"):
    """Ship the small model under another name too."""
    shutil.copytree(shipped / Registry(shipped).names()[0], shipped / name)
    manifest = json.loads((shipped / name / "manifest.json").read_text())
    (shipped / name / "manifest.json").write_text(json.dumps(manifest | {"name": name}))
    return name


def test_what_ships_is_whole_and_in_use(shipped, own, published):
    take_over(shipped)
    assert own.load().name == published.name
    assert (own.root / ENCODERS / ENCODER / "encoder.onnx").read_bytes() == b"an encoder"
    assert list(own.root.rglob("*.partial")) == []


def test_a_newer_version_brings_its_models_and_changes_neither_what_is_in_use_nor_what_is_there(shipped, own):
    take_over(shipped)
    used, before = (own.root / CHAMPION_FILE).read_bytes(), own.stamp(own.champion())
    newer = ship_another(shipped)
    Registry(shipped).promote(newer)
    take_over(shipped)
    assert newer in own.names()
    assert (own.root / CHAMPION_FILE).read_bytes() == used
    assert own.stamp(own.champion()) == before


def test_what_was_deleted_does_not_return(shipped, own):
    other = ship_another(shipped)
    take_over(shipped)
    own.delete(other)
    shutil.rmtree(own.root / ENCODERS / ENCODER)
    take_over(shipped)
    assert other not in own.names()
    newer = ship_another(shipped, "reference-11111111")
    take_over(shipped)
    assert newer in own.names()
    assert other not in own.names()
    assert not (own.root / ENCODERS / ENCODER).exists()


def test_what_is_there_already_stays(shipped, own, published):
    shutil.copytree(shipped / published.name, own.root / published.name)
    before = own.stamp(published.name)
    take_over(shipped)
    assert own.stamp(published.name) == before
    assert own.champion() == published.name


def test_what_was_cut_off_goes_on(shipped, own, published):
    (shipped / published.name / "network.onnx").write_bytes(b"half of it")
    with pytest.raises(ModelError, match=r"network\.onnx"):
        take_over(shipped)
    assert own.names() == []
    shutil.copy(published.folder / "network.onnx", shipped / published.name)
    take_over(shipped)
    assert own.load().name == published.name


def test_a_checkout_keeps_its_own_folder(shipped, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(shipped))
    before = sorted(path.name for path in shipped.iterdir())
    take_over(shipped)
    assert sorted(path.name for path in shipped.iterdir()) == before
