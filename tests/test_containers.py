import io
import struct

import av
import numpy as np
import pytest

from core.audio.containers import DEMUXERS, duration_of
from core.audio.decode import decode
from core.audio.sound import ENDINGS
from core.errors import AudioError
from tests.conftest import encode, encode_av, tone

SR = 48_000
SOUND = tone(330, duration=1.5)
ID3 = b"ID3\x04\x00\x00\x00\x00\x07\x76" + b"\x00" * 1_014
"""A tag of 1,014 bytes of padding."""
CODECS = [
    *((c, "aac", SR) for c in ("adts", "ipod", "mp4", "mov", "3gp", "matroska", "flv", "mpegts", "avi", "wav")),
    *((c, "libopus", SR) for c in ("webm", "ogg", "matroska", "mp4")),
    *((c, "flac", SR) for c in ("ogg", "matroska", "caf")),
    *((c, "alac", SR) for c in ("caf", "ipod", "mov")),
    *((c, "libmp3lame", SR) for c in ("mp3", "wav", "mp4", "matroska", "avi")),
    *((c, "mp2", SR) for c in ("mp2", "wav", "mpegts", "mpeg")),
    *((c, "ac3", SR) for c in ("ac3", "wav", "mp4", "matroska")),
    *((c, "wmav2", SR) for c in ("asf", "wav", "avi")),
    *((c, "pcm_s16le", SR) for c in ("w64", "mov", "matroska", "nut")),
    ("caf", "adpcm_ima_qt", SR),
    ("wav", "adpcm_ima_wav", SR),
    ("wav", "adpcm_ms", SR),
    ("wav", "g722", 16_000),
    ("wav", "pcm_alaw", 8_000),
    ("au", "pcm_mulaw", 8_000),
    ("aiff", "pcm_s16be", SR),
    ("tta", "tta", SR),
    ("wv", "wavpack", SR),
    ("eac3", "eac3", SR),
]  # fmt: skip
"""Container, codec and rate of what people have; FFmpeg writes each."""


def frequency(y: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)), 2**17))
    return float(np.fft.rfftfreq(2**17, 1 / 22_050)[spectrum.argmax()])


def assert_is_the_sound(data: bytes, duration: float = 1.5, *, note: str = "") -> None:
    waveform = decode(data)
    assert waveform.duration == pytest.approx(duration, abs=0.12)
    assert frequency(waveform.y) == pytest.approx(330, rel=0.02)
    assert np.sqrt(np.mean(np.square(waveform.y))) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    assert "".join(waveform.notes).find(note) >= 0
    assert bool(waveform.notes) == bool(note)
    assert duration_of(data) == pytest.approx(duration, abs=0.15)


@pytest.mark.parametrize(("container", "codec", "sr"), CODECS)
def test_every_codec_is_read_whole_in_every_usual_container(container, codec, sr):
    assert_is_the_sound(encode_av(tone(330, sr=sr, duration=1.5), sr, container, codec))


@pytest.mark.parametrize("ratio", ["32000", "128000"])
def test_mp3_is_read_by_its_frames_without_a_xing_header(ratio):
    assert_is_the_sound(encode_av(SOUND, SR, "mp3", "libmp3lame", write_xing="0", b=ratio))


@pytest.mark.parametrize("layout", ["stereo", "5.1", "7.1"])
@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "libopus"), ("ogg", "flac")])
def test_channels_up_to_eight_are_read(container, codec, layout):
    waveform = decode(encode_av(SOUND, SR, container, codec, layout))
    assert waveform.duration == pytest.approx(1.5, abs=0.12)
    assert frequency(waveform.y) == pytest.approx(330, rel=0.02)


def test_a_track_that_begins_midway_is_passed_over():
    data = bytearray(encode_av(SOUND[: SR // 3], SR, "mpegts", "aac"))
    beginnings = [start for start in range(0, len(data), 188) if data[start + 1 : start + 3] == b"\x41\x00"]
    data[beginnings[len(beginnings) // 2] + 1] ^= 4  # the number of a track that nothing announced
    assert decode(bytes(data)).duration > 0.2


def id3(title: str) -> bytes:
    """Return a tag with a title."""
    frame = b"TIT2" + struct.pack(">I", len(title) + 1) + bytes(3) + title.encode()
    return b"ID3\x03" + bytes(5) + bytes([len(frame)]) + frame


MP3 = encode_av(SOUND, SR, "mp3", "libmp3lame", write_xing="0", id3v2_version="0")
AAC = encode_av(SOUND, SR, "adts", "aac")


@pytest.mark.parametrize(
    "data",
    [
        ID3 + MP3,
        ID3 + AAC,
        ID3 + bytes(4_096) + MP3,
        b"HTTP/1.1 200 OK\r\n\r\n" * 20 + MP3,
        MP3 + b"LYRICSBEGININD0000210LYR00005words000031LYRICS200TAG" + bytes(125),
        MP3 + bytes(2_000),
    ],
    ids=["tag", "tag and AAC", "tag and padding", "junk before", "lyrics and old tag", "padding behind"],
)
def test_tags_padding_and_junk_around_the_sound_are_passed_over(data):
    assert_is_the_sound(data)


@pytest.mark.parametrize(
    ("container", "codec"), [("mp3", "libmp3lame"), ("ogg", "libopus"), ("ogg", "flac"), ("adts", "aac")]
)
def test_of_joined_recordings_all_are_read(container, codec):
    data = encode_av(SOUND, SR, container, codec)
    assert_is_the_sound(data + data, 3.0)


@pytest.mark.parametrize("codec", ["libopus", "flac", "libvorbis"])
@pytest.mark.parametrize(("rate", "channels"), [(SR, 1), (24_000, 1), (SR, 2), (24_000, 2)])
def test_links_of_a_chained_ogg_may_differ(codec, rate, channels):
    def link(rate: int, channels: int) -> bytes:
        y = tone(330, sr=rate, duration=1.5)
        if codec == "libvorbis":
            return encode(np.stack([y] * channels, axis=1), rate, format="OGG", subtype="VORBIS")
        return encode_av(y, rate, "ogg", codec, "mono" if channels == 1 else "stereo")

    assert_is_the_sound(link(SR, 1) + link(rate, channels) + link(SR, 1), 4.5)


@pytest.mark.parametrize("form", ["FLAC", "WAV"])
@pytest.mark.parametrize(("rate", "channels"), [(SR, 1), (16_000, 2)])
def test_of_joined_files_with_a_length_in_their_header_all_are_read(form, rate, channels):
    other = encode(np.stack([tone(330, sr=rate, duration=1.5)] * channels, axis=1), rate, format=form)
    assert_is_the_sound(encode(SOUND, SR, format=form) + other, 3.0)


def test_what_is_joined_and_cannot_be_read_is_said():
    data = encode(SOUND, SR, format="FLAC")
    assert_is_the_sound(data + b"fLaC\x00\x00\x00\x22" + bytes(5_000), note="another recording")


def test_sound_in_several_chunks_of_a_wav_is_read_whole():
    data = encode(SOUND, SR)
    second = b"LIST" + struct.pack("<I", 4) + b"INFO" + data[36:]
    assert_is_the_sound(data[:4] + struct.pack("<I", len(data + second) - 8) + data[8:] + second, 3.0)


def test_packets_that_cannot_be_decoded_are_said():
    data = bytearray(encode_av(tone(330, duration=4.0), SR, "mp4", "aac"))
    with av.open(io.BytesIO(data)) as file:
        for packet in list(file.demux(audio=0))[30:60]:
            data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    assert "the file is damaged: some of its sound cannot be read" in decode(bytes(data)).notes


def test_flac_of_unknown_length_is_read():
    data = bytearray(encode(SOUND, SR, format="FLAC"))
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])
    data[26:42] = bytes(16)
    assert_is_the_sound(bytes(data))


def wav_with_sizes(riff: int, size: int, form: str = "WAV") -> bytes:
    data = bytearray(encode(SOUND, SR, format=form))
    position = data.index(b"data")
    struct.pack_into("<I", data, 4, riff)
    struct.pack_into("<I", data, position + 4, size)
    return bytes(data)


@pytest.mark.parametrize("size", [0, 20_000, 2 * SR, 96_001])
def test_a_recorder_that_died_is_read_to_the_end_with_a_note(size):
    assert_is_the_sound(wav_with_sizes(size and size + 36, size), note="never finished")


@pytest.mark.parametrize("size", [0x7FFFF000, 0xFFFFFFFF])
def test_a_recorder_that_streams_knows_no_size_and_needs_no_note(size):
    assert_is_the_sound(wav_with_sizes(size, size))


@pytest.mark.parametrize(
    "behind",
    [
        b"LIST" + struct.pack("<I", 4) + b"INFO",
        b"id3 " + struct.pack("<I", 6) + bytes(6),
        bytes(64),
        ID3,
        b"TAG" + bytes(range(125)),
    ],
    ids=["list", "chunk", "padding", "new tag", "old tag"],
)
def test_what_stands_behind_the_sound_is_no_sound(behind):
    assert_is_the_sound(encode(SOUND, SR) + behind)


def test_other_headers_of_dead_recorders_are_repaired():
    aiff = bytearray(encode(SOUND, SR, format="AIFF"))
    common, sound = aiff.index(b"COMM"), aiff.index(b"SSND")
    struct.pack_into(">I", aiff, common + 10, 0)
    struct.pack_into(">I", aiff, sound + 4, 8)
    assert_is_the_sound(bytes(aiff), note="never finished")
    au = bytearray(encode(SOUND, SR, format="AU"))
    struct.pack_into(">I", au, 8, 0)
    assert_is_the_sound(bytes(au), note="never finished")


def with_numbers(data: bytes, *numbers: tuple[int, str, int]) -> bytes:
    """Return a file with numbers written over its own: position, form, number."""
    changed = bytearray(data)
    for position, form, number in numbers:
        struct.pack_into(form, changed, position, number)
    return bytes(changed)


@pytest.mark.parametrize(
    ("form", "name", "distance", "order"),
    [("RF64", b"ds64", 16, "<Q"), ("W64", b"data", 16, "<Q"), ("CAF", b"data", 4, ">Q")],
)
def test_large_formats_of_dead_recorders_are_read_with_a_note(form, name, distance, order):
    data = encode(SOUND, SR, format=form, subtype="PCM_16")
    position = data.index(name) + distance
    for size in (0, 2**63) if form == "CAF" else (0, 2**64 - 1):
        assert_is_the_sound(with_numbers(data, (position, order, size)), note="never finished")


@pytest.mark.parametrize("form", ["RF64", "W64", "CAF"])
def test_large_formats_that_are_cut_off_are_called_so(form):
    data = encode(SOUND, SR, format=form, subtype="PCM_16")
    assert_is_the_sound(data)
    assert_is_the_sound(data[: len(data) - 48_000], 1.0, note="cut off")


TITLES = {name: id3(name) for name in ("Infos der Woche", "InfoWars", "Xing", "Information")}


@pytest.mark.parametrize("title", TITLES)
def test_the_words_of_a_tag_promise_nothing_and_hide_nothing(title):
    assert_is_the_sound(TITLES[title] + MP3)
    counted = encode_av(SOUND, SR, "mp3", "libmp3lame", id3v2_version="0")
    assert_is_the_sound(TITLES[title] + counted)
    assert_is_the_sound(TITLES[title] + counted[: len(counted) // 2], 0.75, note="cut off: it promises 1.5 s")


@pytest.mark.parametrize("frames", [0, 20, 200, 2**32 - 1])
def test_a_count_of_frames_that_the_bytes_belie_is_no_promise(frames):
    data = encode_av(SOUND, SR, "mp3", "libmp3lame", id3v2_version="0")
    assert_is_the_sound(with_numbers(data, (data.index(b"Info") + 8, ">I", frames)))


def test_a_flac_that_is_damaged_in_the_middle_is_not_called_cut_off():
    y = np.random.default_rng(0).normal(0, 0.1, 4 * SR)
    data = encode(y, SR, format="FLAC")
    middle = len(data) // 2
    notes = decode(data[:middle] + bytes(20_000) + data[middle + 20_000 :]).notes
    assert len(notes) == 1
    assert "damaged: of 4.0 s" in notes[0]


@pytest.mark.parametrize(("form", "subtype"), [("AIFF", "DWVW_16"), ("AIFF", "DWVW_24")])
def test_what_no_library_can_decode_is_refused_in_words(form, subtype):
    data = encode(SOUND, SR, format=form, subtype=subtype)
    with pytest.raises(AudioError, match="nothing of its sound can be decoded"):
        decode(data)


def test_what_breaks_in_a_format_of_one_library_alone_is_read_so_far():
    data = encode(tone(330, duration=4.0), SR, format="SDS", subtype="PCM_16")
    assert "cut off" in decode(data[: len(data) // 2]).notes[0]


@pytest.mark.parametrize("container", ["mp4", "ipod", "3gp"])
def test_a_recording_without_its_index_is_named_as_such(container):
    data = encode_av(SOUND, SR, container, "aac")
    with pytest.raises(AudioError, match="never finished"):
        decode(data[: data.index(b"moov") - 4])


@pytest.mark.parametrize(
    "text",
    [
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
        b"ID3\x04\x00\x00\x00\x00\x00\x00#EXTM3U\nhttp://127.0.0.1:9/a.ts\n",
    ],
)
def test_texts_that_name_other_places_are_no_sound(text):
    with pytest.raises(AudioError, match=r"not a sound|no audio track|nothing of its sound"):
        decode(text)


def test_no_container_that_opens_others_may_be_opened():
    assert not {"concat", "hls", "dash", "sdp", "rtsp", "image2", "applehttp", "webm_dash_manifest"} & set(DEMUXERS)
    assert {"wav", "mp3", "m4a", "caf", "wma", "amr", "3gp", "mov", "mkv"} <= set(ENDINGS)
