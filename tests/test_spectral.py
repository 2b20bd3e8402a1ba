import librosa
import numpy as np
import pytest

from core.audio import spectral
from core.audio.decode import decode
from core.audio.spectra import framed, magnitudes
from core.config import SAMPLE_RATE
from core.corpus.samples import list_samples
from tests.conftest import tone

FRAME = {"n_fft": 2_048, "hop_length": 512}


def noise(duration=2.0):
    return np.random.default_rng(0).normal(0, 0.1, int(duration * SAMPLE_RATE))


SOUNDS = {
    "voice": decode(list_samples()[0].path).y,
    "noise": noise(),
    "tone": tone(441.7, SAMPLE_RATE, 2.0),
    "silence": np.zeros(SAMPLE_RATE),
    "silence, then a tone": np.concatenate([np.zeros(SAMPLE_RATE), tone(300, SAMPLE_RATE, 1.0)]),
    "whisper": 1e-6 * noise(),
    "blink": noise(0.1),
}


@pytest.fixture(params=SOUNDS)
def y(request):
    return SOUNDS[request.param].astype(np.float32)


@pytest.fixture
def spectrogram(y):
    return magnitudes(framed(y, **FRAME), dtype=np.float64)


def test_magnitudes_are_those_of_librosa_to_the_last_digit(y, spectrogram):
    np.testing.assert_allclose(spectrogram, np.abs(librosa.stft(y)).T, rtol=2e-7, atol=1e-11)


def test_mfcc(y, spectrogram):
    np.testing.assert_allclose(
        spectral.mfcc(spectrogram**2, SAMPLE_RATE, 13), librosa.feature.mfcc(y=y, n_mfcc=13).T, atol=1e-4
    )


def test_slopes_are_those_of_a_line_and_a_parabola():
    X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    for order, found in enumerate(spectral.slopes(X), start=1):
        np.testing.assert_allclose(found, librosa.feature.delta(X.T, order=order).T, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Trying to estimate tuning")
def test_chroma_and_its_tuning(spectrogram):
    tuning = librosa.estimate_tuning(S=spectrogram.T**2, sr=SAMPLE_RATE)
    assert spectral.estimate_tuning(spectrogram**2, SAMPLE_RATE) == pytest.approx(tuning, abs=1e-9)
    np.testing.assert_allclose(
        spectral.chroma(spectrogram**2, SAMPLE_RATE), librosa.feature.chroma_stft(S=spectrogram.T**2).T, atol=1e-5
    )


def test_contrast(spectrogram):
    np.testing.assert_allclose(
        spectral.contrast(spectrogram, SAMPLE_RATE), librosa.feature.spectral_contrast(S=spectrogram.T).T, atol=1e-4
    )


def test_bandwidth(spectrogram):
    np.testing.assert_allclose(
        spectral.bandwidth(spectrogram, SAMPLE_RATE), librosa.feature.spectral_bandwidth(S=spectrogram.T)[0], atol=1e-4
    )


def test_pitch(spectrogram):
    found = spectral.pitch(spectrogram, SAMPLE_RATE)
    np.testing.assert_allclose(found, librosa.piptrack(S=spectrogram.T)[0].mean(axis=0), rtol=1e-5, atol=1e-5)


def test_zero_crossing_rate_and_rms(y):
    crossing = spectral.zero_crossing_rate(y, **FRAME)
    np.testing.assert_array_equal(crossing, librosa.feature.zero_crossing_rate(y)[0])
    np.testing.assert_allclose(spectral.rms(framed(y, **FRAME)), librosa.feature.rms(y=y)[0], rtol=1e-5, atol=1e-12)
