import tracemalloc

import numpy as np
import pytest

from core.audio.decode import decode
from core.audio.mixdown import choose_mix
from core.audio.stream import Stream
from core.config import DecodeLimits
from core.corpus.samples import list_synthesized
from tests.conftest import encode, encode_av

SR = 22_050


@pytest.fixture(scope="module")
def voices() -> list[np.ndarray]:
    """Two voices of one length."""
    found = [decode(sample.path).y for sample in list_synthesized()[:2]]
    n = min(map(len, found))
    return [y[:n] for y in found]


def noise(n: int, level: float) -> np.ndarray:
    return level * np.random.default_rng(0).standard_normal(n)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    n = min(len(one), len(other))
    return abs(float(np.corrcoef(one[:n], other[:n])[0, 1]))


def test_an_inverted_side_does_not_cancel_the_voice(voices):
    waveform = decode(encode(np.stack([voices[0], -0.97 * voices[0]], axis=1), SR))
    assert likeness(waveform.y, voices[0]) > 0.99
    assert np.std(waveform.y) > 0.9 * np.std(voices[0])
    assert (waveform.notes, waveform.parts) == ((), ())


@pytest.mark.parametrize("side", [0, 1])
def test_a_dead_or_noisy_side_is_left_out(voices, side):
    for other in (np.zeros(len(voices[0])), noise(len(voices[0]), 0.05)):
        sides = [other, other]
        sides[side] = voices[0]
        waveform = decode(encode(np.stack(sides, axis=1), SR))
        np.testing.assert_allclose(waveform.y, voices[0], atol=1e-3)
        assert waveform.parts == ()


def test_different_voices_on_the_sides_are_said_and_can_be_chosen(voices):
    data = encode(np.stack(voices, axis=1), SR)
    first = decode(data)
    assert first.parts == ("left side", "right side")
    assert "different voices" in first.notes[0]
    for name, voice in zip(first.parts, voices, strict=True):
        chosen = decode(data, part=name)
        assert (chosen.part, likeness(chosen.y, voice) > 0.99) == (name, True)
        followed = np.concatenate(list(Stream(data, part=name)))
        assert likeness(followed, voice) > 0.99
    assert decode(data, part="no such part").part == first.part


@pytest.mark.parametrize("container", ["sides", "tracks"])
def test_a_voice_is_found_however_late_it_begins(voices, container):
    y = np.stack([noise(200 * SR, 0.003), np.zeros(200 * SR)])
    y[1, 190 * SR : 190 * SR + len(voices[1])] = voices[1]
    data = encode(y.T, SR) if container == "sides" else encode_av(y, SR, "matroska", "flac")
    waveform = decode(data)
    assert likeness(waveform.y[190 * SR :], y[1, 190 * SR :]) > 0.99
    assert waveform.parts == ()


def test_a_second_voice_that_begins_late_is_said(voices):
    y = np.zeros((2, 200 * SR))
    y[0, : len(voices[0])] = voices[0]
    y[1, 190 * SR : 190 * SR + len(voices[1])] = voices[1]
    assert decode(encode(y.T, SR)).parts == ("left side", "right side")


def test_channels_of_a_long_sound_are_listened_to_with_flat_memory():
    data = encode(np.stack([noise(600 * 8_000, 0.1), np.zeros(600 * 8_000)], axis=1), 8_000, format="FLAC")
    tracemalloc.start()
    choose_mix(data, DecodeLimits())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_the_track_with_the_voice_is_found(voices):
    tracks = np.stack([noise(len(voices[0]), 0.01), voices[0]])
    waveform = decode(encode_av(tracks, SR, "matroska", "flac"))
    assert likeness(waveform.y, voices[0]) > 0.99


def test_different_voices_on_tracks_can_be_chosen(voices):
    data = encode_av(np.stack(voices), SR, "matroska", "flac")
    assert decode(data).parts == ("track 1", "track 2")
    assert likeness(decode(data, part="track 2").y, voices[1]) > 0.99


def test_the_same_voice_some_milliseconds_later_is_one_voice(voices):
    later = np.concatenate([np.zeros(200), 0.5 * voices[0][:-200]])
    waveform = decode(encode(np.stack([voices[0], later], axis=1), SR))
    assert waveform.parts == ()
    assert likeness(waveform.y, voices[0]) > 0.99
