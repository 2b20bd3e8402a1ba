import librosa
import numpy as np
import pytest
import scipy.signal

from core.audio.spectra import hann, mel_weights, stft


def test_the_window_is_hann_s_of_one_period():
    np.testing.assert_allclose(hann(256), scipy.signal.get_window("hann", 256), atol=1e-7)


@pytest.mark.parametrize("n", [300, 4_000, 4_095])
def test_spectra_are_those_of_librosa(n):
    y = np.random.default_rng(n).normal(size=n).astype(np.float32)
    expected = librosa.stft(y, n_fft=256, hop_length=64, pad_mode="constant").T
    found = stft(y, n_fft=256, hop_length=64)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_longer_transform_reads_the_same_frames_more_finely():
    y = np.random.default_rng(0).normal(size=2_000).astype(np.float32)
    fine = stft(y, n_fft=256, hop_length=64, size=512)
    np.testing.assert_allclose(fine[:, ::2], stft(y, n_fft=256, hop_length=64), atol=1e-4)


@pytest.mark.parametrize(("n_mels", "fmin", "fmax"), [(40, 60.0, 9_000.0), (24, 300.0, 3_400.0), (64, 0.0, 800.0)])
def test_weights_of_mel_bands_are_those_of_librosa(n_mels, fmin, fmax):
    expected = librosa.filters.mel(sr=22_050, n_fft=4_096, n_mels=n_mels, fmin=fmin, fmax=fmax, norm=None)
    np.testing.assert_allclose(mel_weights(22_050, 4_096, n_mels, fmin, fmax), expected, atol=1e-6)
