import numpy as np
import onnx
import pytest

from core.audio.decode import decode
from core.audio.network import open_network
from core.audio.resampling import resample
from core.audio.silero.__main__ import build_parts, network_path
from core.audio.silero.network import CONTEXT, PARTS, RATE, WINDOW, read_windows, run_memory
from core.corpus.samples import list_samples, list_synthesized

N_WINDOWS = 60


@pytest.fixture(scope="module")
def network():
    return open_network(network_path())


def run(network, sound):
    """Return the probabilities of the package's network, window by window."""
    state, found = np.zeros((2, 1, 128), np.float32), []
    for start in range(0, len(sound) - CONTEXT, WINDOW):
        heard = sound[None, start : start + CONTEXT + WINDOW]
        probability, state = network.run(None, {"input": heard, "state": state, "sr": np.array(RATE)})
        found.append(probability.item())
    return np.array(found)


def speech(path):
    waveform = decode(path)
    return resample(waveform.y, waveform.sr, RATE)


def sounds():
    n, rng = CONTEXT + N_WINDOWS * WINDOW, np.random.default_rng(0)
    t = np.arange(n) / RATE
    yield 0.1 * rng.normal(size=n)
    yield 0.5 * np.sin(2 * np.pi * 220 * t)
    yield np.zeros(n)
    yield np.where(t % 1 < 0.5, rng.normal(size=n), 0)
    for sample in (*list_samples()[:3], *list_synthesized()):
        yield np.resize(speech(sample.path), n)


def test_probabilities_are_those_of_the_network_of_the_package(network):
    together = np.stack(list(sounds())).astype(np.float32)
    found = run_memory(np.stack([read_windows(sound) for sound in together]))
    np.testing.assert_allclose(found, [run(network, sound) for sound in together], atol=1e-4)
    assert found.min() < 0.01
    assert found.max() > 0.99


def test_the_stored_networks_are_made_of_that_of_the_package():
    built = build_parts(network_path())
    assert set(built) == set(PARTS)
    for name, expected in built.items():
        assert onnx.load(PARTS[name]).graph == expected.graph
