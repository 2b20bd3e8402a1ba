import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.audio.decode import decode
from core.audio.sound import Sound
from core.corpus.samples import list_samples
from core.labels import EMOTIONS
from core.serving.predictor import Predictor
from pages.ui.shared import state
from pages.ui.shared.answer import headline
from pages.ui.shared.corpus import plain
from tests.conftest import ROOT, encode, players, tone
from tests.test_contributions import LIVELY


@pytest.fixture
def app(published, monkeypatch, tmp_path) -> AppTest:
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(published.folder.parent))
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    return AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()


def texts(app: AppTest) -> str:
    elements = [*app.title, *app.markdown, *app.caption, *app.error, *app.warning]
    return "\n".join(element.value for element in elements)


def test_first_visit_says_what_to_do(app):
    assert not app.exception
    assert "No sound yet" in texts(app)
    assert "not what a person feels" in texts(app)


def test_model_and_its_honest_figure_stand_in_the_sidebar(app, published):
    speech = published.metrics()["speaker-emobox"]["speech"]["unweighted_average_recall"]["mean"]
    assert app.sidebar.metric[0].value == f"{speech:.1%}"
    assert published.name in app.sidebar.markdown[0].value


def test_upload_is_answered_as_the_predictor_does(app, published):
    app.file_uploader(key=state.SOUND.uploads).upload("lively.flac", LIVELY).run()
    expected = Predictor(published).predict(decode(LIVELY))
    assert not app.exception
    assert f"## {headline(expected)}" in texts(app)
    assert f"**{expected.confidence:.1%}** confident" in texts(app)
    assert len(app.get("plotly_chart")) == 1


def test_several_files_give_a_table_with_what_failed(app):
    uploader = app.file_uploader(key=state.SOUND.uploads)
    uploader.upload("a.flac", LIVELY)
    uploader.upload("b.wav", b"no sound")
    app.run()
    table = app.dataframe[0].value
    assert table["file"].tolist() == ["a.flac", "b.wav"]
    assert table["answer"].tolist()[1] == "not answered"
    assert table["answer"].tolist()[0].removeprefix("unsure, perhaps ") in EMOTIONS
    assert not app.exception


def test_the_chosen_one_of_several_files_is_looked_at_on_features_too(app):
    uploader = app.file_uploader(key=state.SOUND.uploads)
    sounds = [Sound(f"{pitch}.wav", encode(tone(pitch), 48_000)) for pitch in (200, 300)]
    for sound in sounds:
        uploader.upload(sound.name, sound.data)
    app.run()
    app.session_state[state.SOUND.file] = sounds[1].sha256  # as a click on its row does
    app.switch_page("pages/features.py").run()
    assert not app.exception
    assert app.selectbox(key=state.SOUND.file).value == sounds[1].sha256


def test_the_answers_of_a_visit_stand_side_by_side(app):
    for pitch in (200, 300):
        app.file_uploader(key=state.SOUND.uploads).set_value([(f"{pitch}.wav", encode(tone(pitch), 48_000), "")]).run()
    assert not app.exception
    assert app.dataframe[-1].value["file"].tolist() == ["200.wav", "300.wav"]
    next(button for button in app.button if button.label == "Forget them").click().run()
    assert "answers of this visit" not in [expander.label for expander in app.expander]


def test_names_of_files_are_no_formulas_in_a_table_that_can_be_saved(app):
    files = [(name, encode(tone(250 + k), 48_000), "") for k, name in enumerate(("=1+1.wav", "b.wav"))]
    app.file_uploader(key=state.SOUND.uploads).set_value(files).run()
    assert app.dataframe[0].value["file"].tolist() == ["'=1+1.wav", "b.wav"]


def test_a_chosen_sample_stands_in_the_address_and_back_takes_it_back(app):
    app.segmented_control(key=state.SOUND.source).set_value("Samples").run()
    titles = [sample.title for sample in list_samples()]
    assert titles[0] in app.query_params["sample"]
    app.selectbox(key=state.SOUND.sample).set_value(titles[1]).run()
    assert titles[1] in app.query_params["sample"]
    app.query_params["sample"] = titles[0]  # as Back does
    app.run()
    assert app.selectbox(key=state.SOUND.sample).value == titles[0]
    del app.query_params["sample"]
    app.run()
    assert app.segmented_control(key=state.SOUND.source).value == "Upload"


def test_recording_is_answered(app, published):
    app.segmented_control(key=state.SOUND.source).set_value("Record").run()
    data = encode(tone(300), 48_000)
    app.audio_input(key=state.SOUND.recording).upload("x.wav", data)
    app.run()
    assert not app.exception
    assert f"## {headline(Predictor(published).predict(decode(data)))}" in texts(app)


def test_samples_are_answered_and_synthesized_ones_said_to_be_so(app):
    app.segmented_control(key=state.SOUND.source).set_value("Samples").run()
    assert not app.exception
    assert "acted by RAVDESS actor" in app.selectbox(key=state.SOUND.sample).value
    assert "speech synthesizer" not in texts(app)
    assert "confident" in texts(app)
    app.selectbox(key=state.SOUND.sample).set_value("Synthesized voice, plain").run()
    assert not app.exception
    assert "speech synthesizer" in texts(app)
    assert "confident" in texts(app)


@pytest.mark.heavy
def test_of_a_recording_that_the_model_was_trained_on_the_honest_answer_leads():
    app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()
    app.segmented_control(key=state.SOUND.source).set_value("Samples").run()
    known = Predictor.load().predict(decode(list_samples()[0].path)).known
    assert known is not None
    told = texts(app)
    assert not app.exception
    assert f"**{known.confidence:.1%}** confident, by models that never heard this speaker" in told
    assert told.index("never heard this speaker") < told.index("which remembers this recording")


@pytest.mark.parametrize(
    ("data", "message"), [(b"no sound", "not a sound"), (b"", "empty"), (encode(tone() * 0, 48_000), "silent")]
)
def test_bad_sound_is_refused_with_a_sentence(app, data, message):
    app.file_uploader(key=state.SOUND.uploads).upload("bad.wav", data).run()
    assert not app.exception
    assert message in app.error[0].value


def test_file_names_are_not_rendered(app):
    name = "![x](http://127.0.0.1/x.png)<b>.wav"
    app.file_uploader(key=state.SOUND.uploads).upload(name, encode(tone(), 48_000)).run()
    assert name not in texts(app)


def test_without_a_model_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()
    assert not app.exception
    assert "No model is in use" in app.error[0].value


@pytest.fixture
def features_page(app) -> AppTest:
    return app.switch_page("pages/features.py").run()


def test_features_without_a_sound_say_what_will_be_there(features_page):
    assert not features_page.exception
    assert "No sound yet" in texts(features_page)


def test_features_of_an_upload_are_drawn_and_only_the_open_tab(features_page):
    features_page.file_uploader(key=state.SOUND.uploads).upload("tone.wav", encode(tone(250), 48_000)).run()
    assert not features_page.exception
    assert len(features_page.get("plotly_chart")) == 1


@pytest.mark.heavy
def test_what_moved_an_answer_comes_with_the_honest_one_for_a_recording_of_the_training():
    app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()
    app.switch_page("pages/features.py").run()
    app.segmented_control(key=state.SOUND.source).set_value("Samples").run()
    app.session_state[state.FEATURES_TAB] = "Model"
    app.run()
    assert not app.exception
    assert plain(f"that this model was trained on ({list_samples()[0].path.stem}") in texts(app)


def noise() -> bytes:
    return encode(np.random.default_rng(0).normal(0, 0.1, 96_000), 48_000)


def regions(app: AppTest) -> list[str]:
    """What the player marks."""
    return [region["label"] for region in json.loads(players(app)[0].proto.json)["regions"]]


def test_what_is_no_voice_has_no_emotion_anywhere(app):
    app.file_uploader(key=state.SOUND.uploads).set_value(
        [("noise.wav", noise(), ""), ("lively.flac", LIVELY, "")]
    ).run()
    assert not app.exception
    table = app.dataframe[0].value
    assert table["answer"].tolist()[0] == "no speech"
    assert table["confidence"].isna().tolist() == [True, False]
    assert regions(app) == ["no speech"]
    assert "## No speech" in [element.value for element in app.markdown]
    told = texts(app)
    assert "No speech or song was found in it" in told
    assert not any(words in told for words in ("confident", "What moved it", "What speaks for"))
    assert not app.get("plotly_chart")
    assert "Why this answer" not in [link.proto.label for link in app.get("page_link")]
    assert not app.selectbox
    visit = app.dataframe[-1].value
    assert visit.loc[visit["file"] == "noise.wav", list(EMOTIONS)].isna().all(axis=None)


def test_a_stretch_without_a_voice_has_no_emotion(app):
    data = np.concatenate([np.random.default_rng(0).normal(0, 0.1, 96_000), tone(250, duration=2)])
    sound = Sound("both.wav", encode(data, 48_000))
    app.query_params[state.STRETCH] = f"{sound.sha256[:12]}:0.000-1.900"
    app.file_uploader(key=state.SOUND.uploads).upload(sound.name, sound.data).run()
    assert not app.exception
    assert "**No speech**" in [element.value for element in app.markdown]


def test_a_silent_sound_is_explained_by_a_sentence(features_page):
    features_page.file_uploader(key=state.SOUND.uploads).upload("none.wav", encode(np.zeros(96_000), 48_000)).run()
    features_page.session_state[state.FEATURES_TAB] = "Model"
    features_page.run()
    assert not features_page.exception
    assert "is silent" in features_page.error[0].value


def test_a_sound_survives_a_change_of_page(app):
    app.file_uploader(key=state.SOUND.uploads).upload("tone.wav", encode(tone(250), 48_000)).run()
    features_page = app.switch_page("pages/features.py").run()
    assert not features_page.exception
    assert len(features_page.get("plotly_chart")) == 1
    assert "Still here: tone.wav" in [text.value for text in features_page.text]
    features_page.button[0].click().run()
    assert "No sound yet" in texts(features_page)


def test_of_many_sounds_that_are_still_here_the_one_that_is_looked_at_is_named(app):
    sounds = [Sound(f"{pitch}.wav", encode(tone(pitch), 48_000)) for pitch in (200, 250, 300, 350, 400)]
    app.file_uploader(key=state.SOUND.uploads).set_value([(sound.name, sound.data, "") for sound in sounds]).run()
    features_page = app.switch_page("pages/features.py").run()
    assert "Still here: 200.wav, 250.wav, 300.wav and 2 more" in [text.value for text in features_page.text]
    features_page.selectbox(key=state.SOUND.file).set_value(sounds[4].sha256).run()
    assert "Still here: 200.wav, 250.wav, 400.wav and 2 more" in [text.value for text in features_page.text]
    next(button for button in features_page.button if button.label == "Remove all 5").click().run()
    assert "No sound yet" in texts(features_page)


def test_two_sounds_are_compared(features_page):
    features_page.file_uploader(key=state.SOUND.uploads).upload("tone.wav", encode(tone(250), 48_000)).run()
    features_page.toggle(key=state.FEATURES_COMPARE).set_value(True).run()
    assert not features_page.exception
    assert len(features_page.get("plotly_chart")) == 2


def test_a_clip_of_the_corpus_is_opened_by_its_address(published, generated, tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(published.folder.parent))
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()
    app.query_params["clip"] = "03-01-05-02-01-01-02"
    app.switch_page("pages/features.py").run()
    assert not app.exception
    assert app.selectbox(key=state.SOUND.clip).value == "03-01-05-02-01-01-02"
    assert len(app.get("plotly_chart")) == 1
    app.query_params["clip"] = "../../etc/passwd"
    app.run()
    assert not app.exception


@pytest.mark.parametrize("text", ["![x](http://h/x)", "<b>", "[x]: //h", "[x](//h)", "www.h.org", "a@h.org"])
def test_a_card_that_could_do_more_than_be_read_is_plain_text(text):
    def script(text):
        from pages.ui.shared.card import show_card

        show_card(f"# Card\n\n{text}")

    app = AppTest.from_function(script, args=(text,)).run()
    assert (len(app.text), len(app.markdown)) == (1, 0)


def test_our_cards_are_pages(published):

    def script(text):
        from pages.ui.shared.card import show_card

        show_card(text)

    app = AppTest.from_function(script, args=((published.folder / "card.md").read_text(),)).run()
    assert (len(app.text), len(app.markdown)) == (0, 1)
