import io
import struct

import av
import librosa
import numpy as np
import pytest

from core.audio.decode import decode
from core.config import SAMPLE_RATE, DecodeLimits
from core.errors import AudioError
from tests.conftest import encode, encode_av, tone


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_wav_of_every_depth_gives_the_same_tone(subtype):
    waveform = decode(encode(tone(), 48_000, subtype=subtype))
    expected = librosa.resample(tone().astype(np.float32), orig_sr=48_000, target_sr=SAMPLE_RATE)
    assert waveform.y.dtype == np.float32
    assert waveform.sr == SAMPLE_RATE
    np.testing.assert_allclose(waveform.y, expected, atol=0.01 if subtype == "PCM_U8" else 1e-4)


@pytest.mark.parametrize("options", [{"format": "FLAC"}, {"format": "OGG"}, {"format": "MP3"}, {"format": "AIFF"}])
def test_compressed_formats_keep_the_pitch(options):
    waveform = decode(encode(tone(440), 44_100, **options))
    assert pitch(waveform.y) == pytest.approx(440 * 44_100 / 48_000, rel=0.02)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("webm", "libopus"), ("adts", "aac")])
def test_browser_formats_are_decoded_without_system_tools(container, codec):
    waveform = decode(encode_av(tone(330, duration=1.5), 48_000, container, codec))
    assert waveform.file_rate == 48_000
    assert waveform.duration == pytest.approx(1.5, abs=0.1)
    assert pitch(waveform.y) == pytest.approx(330, rel=0.02)


@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 22_050, 96_000, 192_000])
def test_any_rate_becomes_22050(rate):
    waveform = decode(encode(tone(220, sr=rate), rate))
    assert (waveform.sr, waveform.file_rate) == (SAMPLE_RATE, rate)
    assert waveform.duration == pytest.approx(1.0, abs=0.001)
    assert pitch(waveform.y) == pytest.approx(220, rel=0.02)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
def test_channels_that_are_alike_are_averaged(channels):
    y = tone(sr=SAMPLE_RATE)[:, None] * (1 + 0.1 * np.arange(channels))
    waveform = decode(encode(y, SAMPLE_RATE, subtype="FLOAT"))
    assert waveform.channels == channels
    np.testing.assert_allclose(waveform.y, y.mean(axis=1), atol=1e-6)


def test_bytes_path_and_file_give_the_same(tmp_path):
    data = encode(tone(), 48_000)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    results = [decode(data), decode(path), decode(str(path)), decode(io.BytesIO(data))]
    for result in results:
        np.testing.assert_array_equal(result.y, results[0].y)


def test_opening_is_what_librosa_loads_in_four_seconds(tmp_path):
    y = np.random.default_rng(0).normal(0, 0.1, 6 * 48_000)
    path = tmp_path / "long.wav"
    path.write_bytes(encode(y, 48_000))
    expected, _ = librosa.load(path, duration=4)
    waveform = decode(path)
    assert "opening" not in vars(waveform), "computed when it is asked for"
    np.testing.assert_array_equal(waveform.opening, expected)
    assert waveform.opening is waveform.opening


def test_opening_of_a_short_sound_is_the_sound():
    waveform = decode(encode(tone(), 48_000))
    np.testing.assert_array_equal(waveform.opening, waveform.y)


def test_whole_sound_is_what_librosa_loads(tmp_path):
    path = tmp_path / "stereo.wav"
    y = np.random.default_rng(0).normal(0, 0.1, (50_000, 1))
    path.write_bytes(encode(np.concatenate([y, 0.9 * y], axis=1), 48_000))
    expected, _ = librosa.load(path)
    np.testing.assert_array_equal(decode(path).y, expected)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"this is no sound, but long enough to be looked at" * 20, "not a sound"),
        (b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "not a sound"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "not a sound"),
        (encode(np.zeros(0), 48_000), "no sound"),
        (encode(np.full(1_000, np.nan), 48_000, subtype="FLOAT"), "NaN"),
        (encode(np.full(1_000, np.inf), 48_000, subtype="FLOAT"), "NaN"),
        (encode(tone(), 48_000, format="FLAC")[:40], "damaged"),
        (encode(np.full(1_000, 1e37), 48_000, subtype="FLOAT"), "numbers that are no sound"),
        (encode(np.zeros((100, 9)), 48_000), "9 channels"),
        (encode(np.zeros(1_000), 3_999), "3,999 Hz"),
        (encode(np.zeros(1_000), 192_001), "192,001 Hz"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(data, message):
    with pytest.raises(AudioError, match=message):
        decode(data)


def test_an_m4a_whose_index_is_missing_is_refused():
    data = encode_av(tone(), 48_000, "mp4", "aac")
    with pytest.raises(AudioError, match=r"damaged|cut off"):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("form", ["WAV", "FLAC", "MP3", "AIFF", "AU", "OGG"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_of_cut_off_files_all_that_is_there_is_read_and_said(form, share):
    data = encode(np.random.default_rng(0).normal(0, 0.1, 4 * 48_000), 48_000, format=form)
    waveform = decode(data[: int(len(data) * share)])
    assert waveform.duration == pytest.approx(4 * share, abs=0.5)
    # Ogg says nothing of its length: a cut one is a shorter recording.
    assert any("cut off" in note for note in waveform.notes) == (form != "OGG")


@pytest.mark.parametrize("form", ["WAV", "FLAC", "MP3", "AIFF", "AU", "OGG"])
def test_whole_files_are_not_called_cut_off(form):
    assert decode(encode(tone(), 48_000, format=form)).notes == ()


def test_a_short_stream_never_shows_what_lay_in_memory():
    decode(encode(np.full(4 * 48_000, 0.777), 48_000))
    data = encode(tone(duration=4.0, amplitude=0.1), 48_000, format="MP3")
    try:
        y = decode(data[: int(len(data) * 0.3)]).y
    except AudioError:
        return
    assert np.abs(y).max() < 0.2


def test_unreadable_tags_and_codecs_do_not_crash():
    data = encode_av(tone(), 48_000, "webm", "libopus")
    with pytest.raises(AudioError):
        decode(data.replace(b"A_OPUS", b"A_OPUX"))


def test_a_change_of_rate_midway_is_followed():
    parts = [encode_av(tone(330, sr=rate), rate, "adts", "aac") for rate in (48_000, 24_000)]
    waveform = decode(b"".join(parts))
    assert waveform.duration == pytest.approx(2, abs=0.15)
    for half in np.array_split(waveform.y, 2):
        assert pitch(half) == pytest.approx(330, rel=0.02)


def test_samples_above_full_scale_clip_nothing_in_floating_point():
    y = np.tile([0.0, 3.0, -3.0], 8_000)
    assert decode(encode(y, 48_000, subtype="FLOAT")).clipped_share == 0
    assert decode(encode(np.clip(y, -1, 1), 48_000)).clipped_share == pytest.approx(2 / 3, abs=0.01)


def test_numbers_of_another_scale_are_scaled_down_and_said():
    waveform = decode(encode(32_767 * tone(), 48_000, subtype="FLOAT"))
    assert np.abs(waveform.y).max() == pytest.approx(1, abs=0.01)
    assert "scaled down" in waveform.notes[0]


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("webm", "libopus"), ("adts", "aac")])
def test_damaged_recordings_never_crash(container, codec):
    rng = np.random.default_rng(0)
    clean = encode_av(tone(duration=0.3), 48_000, container, codec)
    for _ in range(60):
        data = bytearray(clean)
        for position in rng.integers(8, len(data), size=12):
            data[position] = rng.integers(256)
        try:
            waveform = decode(bytes(data))
        except AudioError:
            continue
        assert np.isfinite(waveform.y).all()


def test_what_breaks_while_it_is_read_is_a_sentence(monkeypatch):
    class Broken:
        def __init__(self, **_: object) -> None:
            """Take what a resampler takes."""

        def resample(self, _: object) -> None:
            raise av.error.ArgumentError(22, "Invalid argument")

    data = encode_av(tone(), 48_000, "adts", "aac")
    monkeypatch.setattr(av, "AudioResampler", Broken)
    with pytest.raises(AudioError, match="damaged"):
        decode(data)


def test_high_rates_are_bounded_in_samples():
    with pytest.raises(AudioError, match="longer than"):
        decode(encode(np.zeros(2_000), 192_000), limits=DecodeLimits(max_samples=1_999))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(AudioError, match="No such file"):
        decode(tmp_path / "nothing.wav")


def test_too_long_is_refused_while_decoding():
    limits = DecodeLimits(max_duration=0.5)
    with pytest.raises(AudioError, match="longer than"):
        decode(encode(tone(duration=0.6), 48_000), limits=limits)
    assert decode(encode(tone(duration=0.4), 48_000), limits=limits).duration == pytest.approx(0.4)


def test_too_large_is_refused_for_bytes_files_and_paths(tmp_path):
    data = encode(tone(), 48_000)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    for source in (data, path, io.BytesIO(data)):
        with pytest.raises(AudioError, match="larger than"):
            decode(source, limits=DecodeLimits(max_bytes=len(data) - 1))


@pytest.mark.parametrize("size", [0x7FFFF000, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF])
def test_unknown_length_in_the_header_is_accepted(size):
    data = bytearray(encode(tone(), 48_000))
    position = data.index(b"data") + 4
    data[position : position + 4] = struct.pack("<I", size)
    assert decode(bytes(data)).duration == pytest.approx(1.0, abs=0.01)


def test_small_file_that_grows_large_is_refused():
    silence = encode(np.zeros(48_000 * 700, np.int16), 48_000, format="FLAC")
    assert len(silence) < 200_000
    with pytest.raises(AudioError, match="longer than 10 minutes"):
        decode(silence)


def test_coding_is_named():
    assert decode(encode(tone(), 48_000)).container == "WAV PCM_16"


def pitch(y: np.ndarray) -> float:
    """Return the frequency of the strongest spectral line, in Hz."""
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)), 2**17))
    return float(np.fft.rfftfreq(2**17, 1 / SAMPLE_RATE)[spectrum.argmax()])
