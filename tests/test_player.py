"""The player and the links without a browser: what the server sends, and what it takes from a browser."""

import hashlib
import json
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.audio.decode import decode
from core.audio.sound import Sound
from core.config import SAMPLE_RATE
from core.errors import AudioError
from core.serving.exports import cut
from core.serving.prediction import Piece
from core.serving.segments import Segment
from pages.ui.shared import links, player
from tests.conftest import encode, tone


def test_shipped_files_are_those_of_the_note_and_name_no_other_place():
    note = (player.FOLDER / "README.md").read_text()
    files = sorted(player.FOLDER.glob("*.esm.js"))
    assert len(files) == 4
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() in note
    for path in player.FOLDER.glob("*.js"):
        assert set(re.findall(r"https?://[\w.]+", path.read_text())) <= {"http://www.w3.org"}
    assert "BSD 3-Clause" in (player.FOLDER / "LICENSE").read_text()


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        "0",
        {},
        {"start": 1},
        {"start": 2, "end": 1},
        {"start": float("nan"), "end": 1},
        {"start": 5, "end": 9},
    ],
)
def test_what_is_no_stretch_of_the_sound_is_none(told):
    assert player.read_stretch(told, 3.0) is None


def test_a_stretch_is_kept_within_the_sound():
    assert player.read_stretch({"start": -1, "end": 99}, 3.0) == (0.0, 3.0)


def test_regions_are_the_answers_and_leave_silence_out():
    sad = {"sad": 0.9, "calm": 0.1}
    regions = player.regions_of([Piece(0, 1, "sad", sad, ()), Segment(1, 2, "no speech", None, 0.0)])
    assert [(region.start, region.end, region.label) for region in regions] == [(0, 1, "sad")]


def test_a_stretch_is_a_sound_of_the_samples_between_its_ends():
    y = np.concatenate([tone(200, SAMPLE_RATE, 1.0), tone(900, SAMPLE_RATE, 1.0)])
    whole = Sound("talk.flac", encode(y, SAMPLE_RATE, format="FLAC"))
    part = decode(cut(whole, 0.75, 1.25).data)
    np.testing.assert_allclose(
        part.y, decode(whole.data).y[round(0.75 * SAMPLE_RATE) : round(1.25 * SAMPLE_RATE)], atol=1e-4
    )
    with pytest.raises(AudioError, match="no sound from"):
        cut(whole, 5.0, 6.0)


def show(sound: Sound, stretch: str = "") -> AppTest:
    def page(sound):
        from pages.ui.shared.player import show_player

        show_player(sound, key="test")

    app = AppTest.from_function(page, kwargs={"sound": sound}, default_timeout=60)
    if stretch:
        app.query_params["stretch"] = stretch
    return app.run()


def test_the_stretch_of_the_address_is_answered_where_it_is_of_this_sound():
    sound = Sound("x.wav", encode(tone(duration=2.0), 48_000))
    own = sound.sha256[:12]
    app = show(sound, f"{own}:0.25-1.750")
    assert not app.exception
    assert "**0:00.2 to 0:01.8, answered by itself**" in [text.value for text in app.markdown]
    (component,) = app.get("bidi_component")
    assert json.loads(component.proto.json)["stretch"] == {"start": 0.25, "end": 1.75}
    of_this = [f"{own}:{ends}" for ends in ("1-0", "nan-1", "", "<b>-1", "0-1-2")]
    for told in (*of_this, f"{'0' * 12}:0.25-1.75", own, ":"):
        app = show(sound, told)
        assert not app.exception
        assert not [text.value for text in app.markdown if "answered by itself" in text.value], told


@pytest.mark.parametrize(("channels", "ending"), [(1, ".flac"), (2, ".wav")])
def test_one_channel_is_served_as_it_is_and_several_as_the_voice_in_them(channels, ending):
    y = np.stack([tone()] * channels, axis=1)
    app = show(Sound("x", encode(y, 48_000, format="FLAC")))
    assert not app.exception
    (component,) = app.get("bidi_component")
    assert ending in component.proto.json
    assert '"spectrogram"' in component.proto.json


def test_a_file_name_is_no_more_than_text():
    name = "<img src=x onerror=alert(1)>.wav"
    (component,) = show(Sound(name, encode(tone(), 48_000))).get("bidi_component")
    assert name in component.proto.json
    assert "innerHTML" not in (player.FOLDER / "player.js").read_text()


@pytest.mark.parametrize(
    ("read", "told", "value"),
    [
        (links.one_of([1, 2]), ["2"], 2),
        (links.one_of(["a", "b"], "a"), ["<b>"], "a"),
        (links.some_of([1, 2, 3]), ["3", "x", "1"], [1, 3]),
        (links.some_of([1]), [], []),
        (links.words(3), ["abcdef"], "abc"),
        (links.switch(), ["true"], True),
        (links.switch(), ["1"], False),
        (links.number(1.0, 5.0), ["9"], 5.0),
        (links.number(1.0, 5.0), ["x"], 1.0),
        (links.number(1.0, 5.0), [], 1.0),
        (links.span(1.0, 5.0), ["0", "3.5"], (1.0, 3.5)),
        (links.span(1.0, 5.0), ["4", "2"], (1.0, 5.0)),
        (links.span(1.0, 5.0), ["nan", "2"], (1.0, 5.0)),
        (links.span(1.0, 5.0), ["1", "2", "3"], (1.0, 5.0)),
        (links.span(1.0, 5.0), [], (1.0, 5.0)),
    ],
)
def test_links_give_values_that_widgets_offer(read, told, value):
    assert read(told) == value
