"""The Dataset screen without a browser: with the generated corpus, without any, and while it is fetched."""

import json
import threading
import time

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.corpus import download
from core.corpus.browsing import join_answers
from core.corpus.known import default_corpus
from core.corpus.projection import Projection
from core.errors import DownloadError, NotSignedIn
from core.operations.access.sessions import open_session
from core.operations.database import close_database, writing
from core.operations.downloads import begin_download, stop_download
from core.work.progress import Progress
from pages.ui.admin import sign_in
from pages.ui.shared import cache, state
from tests.conftest import ROOT, players
from tests.test_pages import texts


@pytest.fixture(autouse=True)
def fresh_caches():
    """Leave nothing of one test's corpus to the next."""
    for cached in (cache.st_corpus, cache.st_answers):
        cached.clear()
    for place in (cache.st_corpus_sizes, cache.st_download, cache.st_map_work):
        place.cache_clear()


def open_dataset(**query: object) -> AppTest:
    app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()
    app.switch_page("pages/dataset.py")
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


@pytest.fixture
def no_corpus(published, monkeypatch, tmp_path):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(published.folder.parent))
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)


@pytest.fixture
def corpus(no_corpus, monkeypatch, generated):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))


def table(app: AppTest):
    return app.dataframe[0].value


@pytest.fixture
def signed_in(no_corpus, monkeypatch):
    """An administrator in this browser, whose page then is that of one."""
    with writing() as connection:
        token = open_session("admin", connection)
    monkeypatch.setattr(sign_in, "connection_key", lambda: "a connection")

    def open_signed_in() -> AppTest:
        app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60)
        app.session_state[state.ADMIN_SESSION] = token
        app.session_state[state.ADMIN_CONNECTION] = "a connection"
        app.run().switch_page("pages/dataset.py")
        return app.run()

    yield open_signed_in
    close_database()


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button if button.label in ("Download", "Stop")]


def test_without_a_corpus_the_page_tells_what_it_is_and_how_to_get_it(no_corpus):
    app = open_dataset()
    assert not app.exception
    assert "2,452 short recordings" in texts(app)
    assert "CC BY-NC-SA 4.0" in texts(app)
    assert next(code.value for code in app.code).endswith("core download")
    assert "RAVDESS_ROOT" in app.code[1].value
    assert any("No corpus" in caption.value for caption in app.sidebar.caption)


def test_nobody_downloads_without_signing_in(no_corpus, signed_in):
    assert labels(open_dataset()) == []
    assert labels(signed_in()) == ["Download"]
    with pytest.raises(NotSignedIn):
        begin_download(None, cache.st_download(), default_corpus(), ["speech"])
    with pytest.raises(NotSignedIn):
        stop_download("guess", cache.st_download())
    assert not cache.st_download().state.is_running


def test_download_shows_progress_refuses_a_second_and_ends_with_the_corpus(
    no_corpus, signed_in, generated, monkeypatch
):
    started, release = [], threading.Event()

    def fetch(corpus, channels, folder, *, report) -> None:
        started.append(channels)
        report(Progress(50e6, 208e6, "bytes", "Fetching speech"))
        release.wait(30)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(generated, target_is_directory=True)

    monkeypatch.setattr(download, "download_corpus", fetch)
    app = signed_in()
    app.pills(key=state.DOWNLOAD_CHANNELS).set_value(["speech"]).run()
    next(button for button in app.button if button.label == "Download").click().run()
    deadline = time.monotonic() + 10
    while "50 of 208 MB" not in str(cache.st_download().state.progress):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    app.run()
    assert labels(app) == labels(signed_in()) == ["Stop"]
    assert labels(open_dataset()) == []
    release.set()
    while cache.st_download().state.is_running:
        time.sleep(0.01)
    app.run()
    assert started == [("speech",)]
    assert not app.exception
    assert "24 actors" in texts(app) or "6 actors" in texts(app)


def test_failed_download_is_a_sentence_and_can_be_started_again(no_corpus, signed_in, monkeypatch):
    def fail(*arguments: object, **options: object) -> None:
        raise DownloadError("The server cannot be reached.")

    monkeypatch.setattr(download, "download_corpus", fail)
    app = signed_in()
    next(button for button in app.button if button.label == "Download").click().run()
    while cache.st_download().state.is_running:
        time.sleep(0.01)
    app.run()
    assert app.error[0].value == "The server cannot be reached."
    assert labels(app) == ["Download"]


def test_totals_table_and_answers_are_those_of_the_tables(corpus, clips, published):
    app = open_dataset()
    assert not app.exception
    assert any("RAVDESS" in caption.value for caption in app.sidebar.caption)
    joined = join_answers(clips, published.predictions(), published.main_protocol)
    assert f"**{len(clips):,} of {len(clips):,} clips** · model wrong in {joined['is_wrong'].mean():.1%}" in texts(app)
    listed = joined.sort_values("clip")
    assert table(app)["clip"].tolist() == listed["clip"].tolist()
    expected = [f"{'✗' if wrong else '✓'} {a}" for wrong, a in listed[["is_wrong", "answer"]].itertuples(index=False)]
    assert table(app)["answer"].tolist() == expected


def test_filters_come_from_the_link(corpus, clips):
    app = open_dataset(emotion=["sad", "calm"], speaker="15", channel="song")
    wanted = clips[clips["emotion"].isin(["sad", "calm"]) & (clips["speaker"] == "15") & (clips["channel"] == "song")]
    assert f"{len(wanted):,} of {len(clips):,} clips" in texts(app)
    assert table(app)["clip"].tolist() == sorted(wanted["clip"])


def test_the_models_answers_words_and_orders_come_from_the_link(corpus, clips, published):
    joined = join_answers(clips, published.predictions(), published.main_protocol, published.threshold)
    answer = joined["answer"].mode()[0]
    app = open_dataset(model="wrong", answer=answer, search="kids", order="surest")
    wanted = joined[joined["is_wrong"] & (joined["answer"] == answer) & joined["statement"].str.startswith("Kids")]
    assert not app.exception
    assert set(table(app)["clip"]) == set(wanted["clip"])
    assert table(app)["confidence"].tolist() == sorted(wanted["confidence"], reverse=True)
    app = open_dataset(model="unsure")
    assert set(table(app)["clip"]) == set(joined[joined["is_unsure"]]["clip"])


@pytest.mark.parametrize(("verdict", "says_share"), [("right", False), ("wrong", False), ("unsure", True)])
def test_how_often_the_model_is_wrong_is_left_out_where_the_filter_says_it(corpus, verdict, says_share):
    counted = next(line for line in texts(open_dataset(model=verdict)).splitlines() if "clips** ·" in line)
    assert f"model {verdict}" in counted
    assert ("model wrong in" in counted) == says_share


def test_what_is_chosen_stands_in_the_address_and_can_be_taken_back(corpus, clips):
    app = open_dataset()
    app.pills(key="emotion").set_value(["calm", "sad"]).run()
    app.text_input(key=state.FILTER_WORDS).set_value("door").run()
    assert app.query_params["emotion"] == ["calm", "sad"]
    assert app.query_params["search"] == "door"
    app.query_params["emotion"] = ["sad"]  # as Back does
    app.run()
    assert app.pills(key="emotion").value == ["sad"]
    assert set(table(app)["emotion"]) == {"sad"}
    next(button for button in app.button if button.label == "Clear filters").click().run()
    assert not app.exception
    assert "emotion" not in app.query_params
    assert len(table(app)) == len(clips)


def test_hostile_links_are_ignored(corpus, clips):
    app = open_dataset(
        emotion="<b>", speaker="99", model="<i>", clip="../../etc/passwd", seconds="x", fold="-1", order="x"
    )
    assert not app.exception
    assert f"{len(clips):,} of {len(clips):,} clips" in texts(app)
    assert "not in the corpus" in app.warning[0].value


def test_nothing_found_says_so(corpus):
    app = open_dataset(emotion="disgust", channel="song")
    assert not app.exception
    assert "No clip fits" in app.info[0].value


def test_a_linked_clip_is_shown_in_words(corpus):
    app = open_dataset(clip="03-01-05-02-01-02-15")
    assert not app.exception
    for words in ("Intensity: **strong**", "Kids are talking by the door", "Actor: **15**", "The model hears"):
        assert words in texts(app)
    assert "Not among the listed" not in texts(app)
    app.pills(key="emotion").set_value(["disgust"]).run()
    assert "Not among the listed" in texts(app)
    assert "Actor: **15**" in texts(app)


def test_comparisons_hold_all_emotions_and_all_actors(corpus, clips):
    app = open_dataset(view="Compare")
    assert not app.exception
    assert len(players(app)) == 8
    app.segmented_control(key=state.COMPARISON).set_value("One emotion, all actors").run()
    assert len(players(app)) == clips["speaker"].nunique()


def test_integrity_lists_what_is_missing_and_computes_the_twins(corpus, clips, published):
    app = open_dataset(view="Integrity")
    assert not app.exception
    assert f"{2452 - len(clips):,} clips of the corpus are missing" in app.warning[0].value
    recall = published.metrics()["reference"]["all"]["unweighted_average_recall"]["mean"]
    assert f"**{recall:.1%}** right in the doubled split" in texts(app)


def test_map_is_drawn_when_it_is_looked_at_once_a_visit(corpus, monkeypatch):
    asked = []
    monkeypatch.setattr("pages.ui.dataset.map.compute_map", lambda *arguments: asked.append(arguments))
    app = open_dataset(view="Map")
    while cache.st_map_work().state.is_running:
        time.sleep(0.01)
    app.run()
    assert not app.exception
    assert len(asked) == 1
    next(button for button in app.button if button.label == "Draw the map").click().run()
    while cache.st_map_work().state.is_running:
        time.sleep(0.01)
    assert len(asked) == 2


@pytest.fixture
def drawn(clips, monkeypatch) -> None:
    """A map that is drawn already."""
    places = np.random.default_rng(0).normal(size=(len(clips), 2)).astype("float32")
    projection = Projection(clips["clip"].to_numpy(dtype=str), places, places, np.array([0.5, 0.25], "float32"))
    monkeypatch.setattr("pages.ui.dataset.map.read_map", lambda *_: projection)


def n_ringed(app: AppTest) -> int:
    """How many points of the map are ringed."""
    traces = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
    return sum(len(trace["x"]) for trace in traces if trace["marker"].get("symbol") == "circle-open")


def test_the_clip_of_the_address_is_shown_beside_the_map_and_ringed(corpus, drawn):
    app = open_dataset(view="Map")
    assert not app.exception
    assert "Click a point" in app.info[0].value
    assert not players(app)
    assert n_ringed(app) == 0
    app.query_params["clip"] = "03-01-05-02-01-02-15"
    app.run()
    assert not app.exception
    assert "Actor: **15**" in texts(app)
    assert len(players(app)) == 1
    assert n_ringed(app) == 1
    del app.query_params["clip"]  # as Back does
    app.run()
    assert n_ringed(app) == 0
    app.query_params["clip"] = "../../etc/passwd"
    app.run()
    assert "not in the corpus" in app.warning[0].value


def test_without_a_model_the_corpus_can_still_be_browsed(corpus, clips, monkeypatch, tmp_path):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "none"))
    app = open_dataset()
    assert not app.exception
    assert table(app)["clip"].tolist() == sorted(clips["clip"])
    assert "Model" not in [control.label for control in app.segmented_control]
    app = open_dataset(view="Map")
    assert "No model is in use" in app.error[0].value


def test_missing_folder_is_one_sentence(corpus, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVDESS_ROOT", str(tmp_path / "gone"))
    app = open_dataset()
    assert not app.exception
    assert "does not exist" in app.error[0].value
