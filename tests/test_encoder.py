import csv
import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from core.audio.decode import Waveform, decode
from core.audio.descriptors import describe, mel_floor, mel_power
from core.audio.encoder import FOLDER, NETWORK_FILE, encode, encoder_folder, load_encoder, taught_on
from core.audio.extraction import extract, extract_clip
from core.audio.features.encoded import EncodedFeatures
from core.audio.features.mel import SILENCE, MelFeatures
from core.audio.features.voice import VoiceFeatures
from core.audio.mel_augmentation import MelAugmentation, Shares, active_power, from_db, interpolate, warp
from core.config import SAMPLE_RATE, Augmentation, VoiceConfig
from core.corpus.catalogue import find_place
from core.corpus.samples import list_samples
from core.errors import CorpusError, JobError, ModelError
from core.learning.recipes import get_recipe
from tests.conftest import tone

KINDS = ("gasp", "hum", "whistle")
NONE = Shares(0, 0, 0, 0, 0, 0, 0)
WIDTHS = (2 * 4 * 32, 2 * 8 * 16, 2 * 8 * 8, 2 * 16 * 8)
WIDTH = sum(WIDTHS)


def small_recipe(**changes):
    from core.learning.encoders import EncoderRecipe

    small = EncoderRecipe(widths=(4, 8, 8, 16), n_frames=32, epochs=2, batch_size=8, held_out=3)
    return dataclasses.replace(small, **changes)


@pytest.fixture(scope="session")
def bursts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three kinds of sounds by six people, as a folder with a table."""
    root = tmp_path_factory.mktemp("corpora") / "bursts-made-up"
    rng = np.random.default_rng(0)
    root.mkdir()
    with (root / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file", "emotion", "speaker"))
        for person in range(6):
            for number, kind in enumerate(KINDS):
                for take in range(3):
                    t = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
                    pitch = (0, 130, 900)[number] * (1 + 0.02 * person)
                    y = np.sin(2 * np.pi * pitch * t) if pitch else rng.standard_normal(len(t))
                    name = f"{person}-{kind}-{take}.wav"
                    sf.write(root / name, 0.1 * y + 1e-3 * rng.standard_normal(len(t)), SAMPLE_RATE)
                    table.writerow((name, kind, person))
    return root


@pytest.fixture(scope="session")
def taught(bursts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder, stored; read it, do not change it."""
    from core.operations.pretraining import pretrain

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOUNDWEB_CORPORA", str(bursts))
        patch.setenv("SOUNDWEB_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path_factory.mktemp("artifacts")))
        return pretrain(small_recipe(), [find_place(bursts.name)], n_jobs=1)


@pytest.fixture
def stored(taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of that encoder, in a folder of models of its own."""
    shutil.copytree(taught, tmp_path / "artifacts" / FOLDER / taught.name)
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    load_encoder.cache_clear()
    return taught.name


def voice(duration: float = 1.0) -> np.ndarray:
    t = np.arange(int(duration * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * 180 * t + 4 * np.sin(2 * np.pi * 5 * t)
    return (0.1 * sum(np.sin(k * phase) / k for k in range(1, 12))).astype(np.float32)


def spectrograms(n: int = 24) -> np.ndarray:
    S = mel_power(voice(), VoiceConfig(floor_db=-300.0)).astype(np.float32)
    return np.stack([S] * n)


def test_mel_features_fill_up_with_silence_and_ignore_the_gain():
    features = MelFeatures()
    level = extract(Waveform.of_samples(voice(0.5)), features)
    louder = extract(Waveform.of_samples(4 * voice(0.5)), features)
    assert level.shape == (176, 64)
    np.testing.assert_allclose(louder, level, atol=0.01)
    frames = mel_power(voice(0.5), features)
    assert (level[len(frames) :] == SILENCE).all()
    np.testing.assert_allclose(level[: len(frames)].max(), 10 * np.log10(frames.max()), atol=0.01)
    assert (extract(Waveform.of_samples(voice(4.0)), features)[-1] > SILENCE).all()


def test_power_on_its_floor_is_what_the_voice_features_read():
    S = mel_power(voice(), VoiceConfig(floor_db=-300.0))
    on_floor = 10 * np.log10(S + mel_floor(VoiceConfig()))
    np.testing.assert_allclose(on_floor, describe(voice(), VoiceConfig()).mel, atol=1e-4)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Shares)])
def test_every_augmentation_alters_sounds_and_keeps_their_level(name):
    S = spectrograms()
    augment = MelAugmentation(VoiceConfig(), dataclasses.replace(NONE, **{name: 1.0}))
    altered = augment(S, np.random.default_rng(0))
    np.testing.assert_allclose(active_power(altered), active_power(S), rtol=0.02)
    largest = np.abs(10 * np.log10(altered + 1e-4) - 10 * np.log10(S + 1e-4)).max(axis=(1, 2))
    assert largest.min() > 0.05
    assert np.median(largest) > 1
    assert np.ptp(altered.sum(axis=1), axis=0).max() > 0
    np.testing.assert_array_equal(augment(S, np.random.default_rng(0)), altered)


def test_without_augmentations_nothing_changes():
    S = spectrograms(3)
    np.testing.assert_allclose(MelAugmentation(VoiceConfig(), NONE)(S, np.random.default_rng(0)), S, rtol=1e-5)


def test_telephones_lose_lows_and_highs_and_rooms_ring_on():
    S = spectrograms()
    S[:, 60:] = 1e-9
    telephone = MelAugmentation(VoiceConfig(), dataclasses.replace(NONE, telephone=1.0))(S, np.random.default_rng(0))
    share = telephone.sum(axis=1) / telephone.sum(axis=(1, 2))[:, None]
    assert share[:, 0].max() < 1e-4
    assert share[:, -5:].max() < 1e-4
    room = MelAugmentation(VoiceConfig(), dataclasses.replace(NONE, room=1.0))(S, np.random.default_rng(0))
    assert (room[:, 62].sum(axis=1) > 100 * S[:, 62].sum(axis=1)).all()


def test_warping_keeps_a_constant_and_interpolation_is_linear():
    constant = np.full((2, 40, 64), -20, dtype=np.float32)
    assert warp(constant, 32, np.random.default_rng(0)).shape == (2, 32, 64)
    np.testing.assert_allclose(warp(constant, 32, np.random.default_rng(0)), -20, atol=1e-4)
    np.testing.assert_allclose(interpolate(np.arange(5.0), np.array([0, 1.25, 4])), [0, 1.25, 4])
    np.testing.assert_allclose(from_db(np.array([0, 10, -20.0])), [1, 10, 0.01], rtol=1e-5)


@pytest.mark.heavy
def test_the_stored_network_computes_what_the_taught_one_does(monkeypatch):
    from core.learning import encoders

    monkeypatch.setattr(encoders, "has_bfloat16", lambda: False)
    recipe = small_recipe()
    taught = encoders.build_encoder(recipe, is_training=True)
    rng = np.random.default_rng(0)
    taught.set_weights([rng.uniform(0.1, 0.6, w.shape) for w in taught.get_weights()])
    X = rng.normal(size=(3, 40, 64, 1)).astype(np.float32)
    expected = taught(X, training=False).numpy()
    assert expected.shape == (3, WIDTHS[-1])
    described = encoders.bake(taught, recipe)(X).numpy()
    assert described.shape == (3, WIDTH)
    assert encoders.map_widths(recipe) == WIDTHS
    np.testing.assert_allclose(described[:, -WIDTHS[-1] :], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.heavy
def test_batches_follow_from_seed_and_epoch_and_hold_every_sound_once(bursts):
    from core.learning.encoders import Sounds, count_frames, cut_out

    levels = np.stack([extract(Waveform.of_samples(voice(d)), MelFeatures()) for d in np.linspace(0.2, 2, 24)])
    kinds = np.eye(24, dtype=np.float32)
    sounds = Sounds(levels, kinds, small_recipe(mixup=1e-9))
    X, y = sounds[1]
    assert X.shape == (8, 32, 64, 1)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
    first = [row for k in range(len(sounds)) for row in sounds.order[8 * k : 8 * k + 8]]
    assert sorted(first) == list(range(24))
    sounds.shuffle(1)
    assert first != sounds.order.tolist()
    sounds.shuffle(0)
    np.testing.assert_array_equal(sounds[1][0], X)
    assert count_frames(levels)[0] < count_frames(levels)[12] <= 176
    middle = cut_out(levels, count_frames(levels), 32)
    start = (count_frames(levels)[-1] - 32) // 2
    np.testing.assert_array_equal(middle[-1], levels[-1, start : start + 32])


@pytest.mark.heavy
def test_a_pretraining_stores_an_encoder_by_its_digest(taught, bursts):
    manifest = json.loads((taught / "manifest.json").read_text())
    assert taught.name == f"bursts-{manifest['sha256'][:8]}"
    [corpus] = manifest["corpora"]
    assert (corpus["name"], corpus["n_speakers"], corpus["n_clips"]) == (bursts.name, 4, 36)
    assert tuple(manifest["widths"]) == WIDTHS
    assert corpus["kinds"] == sorted(KINDS)
    history = (taught / "history.csv").read_text().splitlines()
    assert len(history) == 3
    card = (taught / "card.md").read_text()
    assert "36 sounds of 4 people" in card
    assert "licence: not stated" in card
    last = dict(zip(history[0].split(","), history[-1].split(","), strict=True))
    assert f"{float(last['val_accuracy']):.1%} are put into the right one of 3" in card


@pytest.mark.heavy
def test_a_pretraining_on_two_corpora_learns_the_kinds_of_each(bursts, tmp_path, monkeypatch):
    from core.operations.pretraining import pretrain

    other = tmp_path / "others"
    shutil.copytree(bursts, other)
    monkeypatch.setenv("SOUNDWEB_CORPORA", f"{bursts}{os.pathsep}{other}")
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    places = [find_place(bursts.name), find_place("others")]
    folder = pretrain(small_recipe(epochs=1), places, n_jobs=1)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [corpus["name"] for corpus in manifest["corpora"]] == [bursts.name, "others"]
    assert "right one of 6" in (folder / "card.md").read_text()
    assert taught_on(folder.name) == (bursts.name, "others")
    with pytest.raises(CorpusError, match="Name each corpus once"):
        pretrain(small_recipe(), [*places, places[0]], n_jobs=1)


@pytest.mark.heavy
def test_a_model_is_not_evaluated_on_what_its_encoder_was_taught_on(monkeypatch):
    from core.operations.spec import TrainingSpec, check_corpora

    heard = get_recipe("encoded").features.taught_on
    assert heard
    check_corpora(TrainingSpec(recipe="voice", tried=heard))
    with pytest.raises(JobError, match=f"was taught on {heard[0]}"):
        check_corpora(TrainingSpec(recipe="encoded", tried=heard[:1]))


@pytest.mark.heavy
def test_a_pretraining_that_was_cut_off_goes_on(bursts, tmp_path, monkeypatch):
    import keras

    from core.learning.encoders import teach

    recipe = small_recipe()
    rng = np.random.default_rng(0)
    levels = rng.normal(-20, 10, (32, 48, 64)).astype(np.float16)
    levels[:16, :, :20] += 20
    kinds, is_held_out = np.repeat([0, 1], 16), np.arange(32) % 4 == 0

    class Stopped(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002
            self.model.stop_training = True

    def losses(folder: Path) -> list[float]:
        return pd.read_csv(folder / "history.csv")["loss"].tolist()

    whole = teach(recipe, levels, kinds, is_held_out, tmp_path / "whole")
    teach(recipe, levels, kinds, is_held_out, tmp_path / "cut", (Stopped(),))
    assert len(losses(tmp_path / "cut")) == 1
    resumed = teach(recipe, levels, kinds, is_held_out, tmp_path / "cut")
    np.testing.assert_allclose(losses(tmp_path / "cut"), losses(tmp_path / "whole"), rtol=0.02)
    X = rng.normal(size=(2, 32, 64, 1)).astype(np.float32)
    np.testing.assert_allclose(resumed(X).numpy(), whole(X).numpy(), rtol=0.1, atol=0.05)


@pytest.mark.heavy
def test_an_encoder_reads_sounds_of_any_length(stored):
    values = [encode(describe(voice(d), VoiceConfig()).mel, stored) for d in (0.05, 1.0, 4.0)]
    assert {v.shape for v in values} == {(WIDTH,)}
    assert all(np.isfinite(v).all() for v in values)
    assert np.abs(values[1] - values[2]).max() > 1e-3


@pytest.mark.heavy
def test_an_encoder_that_is_missing_or_altered_is_refused_in_words(stored, tmp_path):
    with pytest.raises(ModelError, match="There is no encoder 'bursts-00000000'"):
        encode(np.zeros((20, 64)), "bursts-00000000")
    with pytest.raises(ModelError, match="There is no encoder"):
        encoder_folder("../../etc")
    path = tmp_path / "artifacts" / FOLDER / stored / NETWORK_FILE
    path.write_bytes(path.read_bytes() + b"\0")
    load_encoder.cache_clear()
    with pytest.raises(ModelError, match="was altered"):
        encode(np.zeros((20, 64)), stored)
    load_encoder.cache_clear()


@pytest.mark.heavy
@pytest.mark.parametrize("manifest", [None, "{", "[]", "{}", '{"sha256": 7}', "other"])
def test_an_encoder_is_its_whole_digest(stored, manifest):
    path = encoder_folder(stored) / "manifest.json"
    digest = json.loads(path.read_text())["sha256"]
    if manifest is None:
        path.unlink()
    else:
        path.write_text(json.dumps({"sha256": digest[:8] + "0" * 56}) if manifest == "other" else manifest)
    with pytest.raises(ModelError, match=r"was altered|cannot be read"):
        load_encoder(stored)


def test_what_ships_goes_before_another_encoder_of_its_name(tmp_path, monkeypatch):
    [name] = get_recipe("encoded").features.encoders
    shipped = encoder_folder(name)
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path))
    shutil.copytree(shipped, tmp_path / FOLDER / name)
    (tmp_path / FOLDER / name / NETWORK_FILE).write_bytes(b"another")
    assert encoder_folder(name) == shipped


@pytest.mark.heavy
def test_encoded_features_are_the_voice_features_and_the_encoder(stored):
    features = EncodedFeatures(n_kernels=30, encoders=(stored,), map_widths=WIDTHS)
    X = extract(Waveform.of_samples(voice()), features)
    assert X.shape == features.shape
    own = slice(features.views["map_1"].start, features.views["map_4"].stop)
    np.testing.assert_array_equal(X[: own.start], extract(Waveform.of_samples(voice()), VoiceFeatures(n_kernels=30)))
    np.testing.assert_array_equal(X[own], encode(describe(voice(), features).mel, stored))
    assert sorted(np.concatenate(list(features.groups.values())).tolist()) == list(range(features.shape[0]))


@pytest.mark.heavy
def test_trainings_read_clips_as_answers_do(stored):
    features = EncodedFeatures(n_kernels=30, encoders=(stored,), map_widths=WIDTHS)
    spoken = decode(next(sample.path for sample in list_samples() if sample.is_real)).y
    late = Waveform.of_samples(np.concatenate([tone(440, SAMPLE_RATE, 2.0), spoken]))
    whole = extract(late, features)
    clip = extract_clip(late, features, None, "late")
    assert clip.shape == whole.shape
    assert np.abs(clip - whole).max() > 1
    noisy = extract_clip(late, features, Augmentation("coloured noise", 0), "late")
    assert np.abs(noisy - clip).max() > 0.1
