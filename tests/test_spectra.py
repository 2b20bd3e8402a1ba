import librosa
import numpy as np
import pytest
import scipy.signal

from core.audio.spectra import framed, hann, magnitudes, mel_weights, overlap_add, overlapping


def test_the_window_is_hann_s_of_one_period():
    np.testing.assert_allclose(hann(256), scipy.signal.get_window("hann", 256), atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [300, 4_000, 40_095])
def test_spectra_are_those_of_librosa(n, dtype):
    y = np.random.default_rng(n).normal(size=n).astype(np.float32)
    expected = np.abs(librosa.stft(y, n_fft=256, hop_length=64, pad_mode="constant")).T
    found = magnitudes(framed(y, n_fft=256, hop_length=64), dtype=dtype)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_longer_transform_reads_the_same_frames_more_finely():
    frames = framed(np.random.default_rng(0).normal(size=2_000).astype(np.float32), n_fft=256, hop_length=64)
    np.testing.assert_allclose(magnitudes(frames, size=512)[:, ::2], magnitudes(frames), atol=1e-4)


@pytest.mark.parametrize(("n_mels", "fmin", "fmax"), [(40, 60.0, 9_000.0), (24, 300.0, 3_400.0), (64, 0.0, 800.0)])
def test_weights_of_mel_bands_are_those_of_librosa(n_mels, fmin, fmax):
    expected = librosa.filters.mel(sr=22_050, n_fft=4_096, n_mels=n_mels, fmin=fmin, fmax=fmax, norm=None)
    np.testing.assert_allclose(mel_weights(22_050, 4_096, n_mels, fmin, fmax), expected, atol=1e-6)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 1_024, 20_000])
def test_overlapping_frames_are_those_of_scipy_and_add_up_to_the_sound(n):
    y = np.random.default_rng(n).normal(size=n).astype(np.float32)
    transform = scipy.signal.ShortTimeFFT(scipy.signal.get_window("hann", 1_024), 256, 22_050)
    frames = overlapping(y, 1_024)
    if n >= 1_024:  # SciPy takes no less than half a window
        np.testing.assert_allclose(magnitudes(frames), np.abs(transform.stft(y)).T, atol=1e-4)
    window = hann(1_024).astype(np.float32)
    np.testing.assert_allclose(overlap_add(frames * window * window / 1.5, n), y, atol=1e-5)
