import json
import shutil
from urllib.parse import parse_qs

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.corpus.ravdess import RAVDESS, parse_name
from core.labels import EMOTIONS
from core.learning.reports.tables import rank_cells, select, tabulate_confusion
from core.serving.registry import MODEL_FILES, PREDICTIONS_FILE, Registry
from pages.ui.shared import state
from tests.conftest import ROOT, players
from tests.test_model_operations import OTHER

PAGE = "pages/metrics.py"
NAMES = list(EMOTIONS)


def start(folder, monkeypatch, **parameters: str) -> AppTest:
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(folder))
    app = AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run().switch_page(PAGE)
    for name, value in parameters.items():
        app.query_params[name] = value
    return app.run()


@pytest.fixture
def app(published, monkeypatch) -> AppTest:
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    return start(published.folder.parent, monkeypatch)


@pytest.fixture
def evaluated(published) -> pd.DataFrame:
    """The rows that the page starts with, and what was answered."""
    rows = select(published.predictions(), "speaker-emobox", "speech")
    return rows.assign(answered=rows[NAMES].idxmax(axis=1))


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption, *app.info, *app.error])


def open_tab(app: AppTest, name: str) -> AppTest:
    app.session_state[state.METRICS_TAB] = name
    app.run()
    assert not app.exception
    return app


def listed(app: AppTest) -> pd.DataFrame:
    """The table of the clips of the chosen cell."""
    return next(table.value for table in app.dataframe if "statement" in table.value)


def test_headline_is_that_of_the_files(app, published):
    assert not app.exception
    figures = published.metrics()["speaker-emobox"]["speech"]
    shown = {metric.label: metric.value for metric in app.main.metric}
    assert shown["Right, averaged over emotions"] == f"{figures['unweighted_average_recall']['mean']:.1%}"
    assert shown["Calibration error"] == f"{figures['expected_calibration_error']:.1%}"
    assert shown["Chance"] == "12.5%"


def test_a_chosen_cell_lists_the_clips_of_the_file(app, evaluated):
    for true, answered in evaluated.groupby(["y_true", "answered"]).size().nlargest(2).index:
        app.selectbox(key=state.METRICS_CELL).set_value(f"{true} as {answered}")
        app.run()
        expected = evaluated[(evaluated["y_true"] == true) & (evaluated["answered"] == answered)]
        assert sorted(listed(app)["clip"]) == sorted(expected["clip"].unique())
        assert f"{expected['clip'].nunique()} clips" in texts(app)


def test_the_most_frequent_mistake_is_listed_first(app, evaluated):
    true, answered = rank_cells(tabulate_confusion(evaluated.drop(columns="answered")))[0]
    assert f"**{true} taken for {answered}**" in texts(app)
    wrong = evaluated[(evaluated["y_true"] == true) & (evaluated["answered"] == answered)]
    assert len(listed(app)) == wrong["clip"].nunique()


def test_an_empty_cell_says_so(app, evaluated):
    counts = tabulate_confusion(evaluated.drop(columns="answered")).stack()
    true, answered = counts[counts == 0].index[0]
    app.selectbox(key=state.METRICS_CELL).set_value(f"{true} as {answered}")
    app.run()
    assert "No clip was answered so" in texts(app)


def test_without_a_corpus_clips_are_listed_and_the_way_to_hear_them_told(app):
    assert len(listed(app))
    assert "the corpus must be here" in texts(app)
    assert not players(app)


def test_with_a_corpus_the_chosen_clip_plays(published, generated, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    app = start(published.folder.parent, monkeypatch)
    assert not app.exception
    assert len(players(app)) == 1
    links = {link.proto.label: link.proto for link in app.get("page_link")}
    assert {"Explain", "Open in Dataset"} <= set(links)
    clip = listed(app)["clip"].iloc[0]
    assert clip in links["Explain"].query_string
    named = parse_name(clip)
    told = parse_qs(links["Open in Dataset"].query_string)
    assert told == {name: [named[name]] for name in ("emotion", "speaker", "channel")} | {"clip": [clip]}


def test_a_corpus_that_is_gone_costs_the_player_alone(published, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVDESS_ROOT", str(tmp_path / "gone"))
    app = start(published.folder.parent, monkeypatch)
    assert not app.exception
    assert len(listed(app))
    assert "does not exist" in texts(app)


def test_links_choose_what_is_evaluated(published, monkeypatch):
    chosen = {state.METRICS_PROTOCOL: "reference", state.METRICS_SUBSET: "song", state.METRICS_SEED: "0"}
    app = start(published.folder.parent, monkeypatch, **chosen)
    assert {key: app.selectbox(key=key).value for key in chosen} == chosen
    assert {parse_name(clip)["channel"] for clip in listed(app)["clip"]} == {"song"}


def test_chance_is_that_of_the_emotions_that_the_clips_have(published, monkeypatch):
    app = start(published.folder.parent, monkeypatch, **{state.METRICS_SUBSET: "song"})
    rows = select(published.predictions(), "speaker-emobox", "song")
    chance = next(metric for metric in app.main.metric if metric.label == "Chance")
    assert rows["y_true"].nunique() == 6
    assert (chance.value, chance.delta) == ("16.7%", "one of 6")


def test_that_a_cell_of_the_address_has_no_clips_is_said(published, monkeypatch):
    told = {state.METRICS_CELL: "disgust as sad"}
    assert "no clips here" not in texts(start(published.folder.parent, monkeypatch, **told))
    app = start(published.folder.parent, monkeypatch, **told, **{state.METRICS_SUBSET: "song"})
    assert "disgust as sad: no clips here" in texts(app)
    app.selectbox(key=state.METRICS_CELL).set_value("sad as sad").run()
    assert "no clips here" not in texts(app)


@pytest.mark.parametrize(
    "parameter", [state.METRICS_MODEL, state.METRICS_PROTOCOL, state.METRICS_SUBSET, state.METRICS_SEED]
)
def test_that_what_the_address_names_is_not_here_is_said(published, monkeypatch, parameter):
    assert "is not here" not in texts(start(published.folder.parent, monkeypatch))
    assert "is not here" in texts(start(published.folder.parent, monkeypatch, **{parameter: "gone"}))


def test_what_finds_a_clip_stands_first_and_sentences_are_short(app):
    table = listed(app)
    assert table.columns[:2].tolist() == ["clip", "speaker"]
    assert set(table["statement"]) <= {"kids", "dogs"}


@pytest.mark.parametrize("value", ["../../etc/passwd", "<script>alert(1)</script>", "9" * 999])
def test_hostile_parameters_change_nothing(published, monkeypatch, value):
    pickers = (
        state.METRICS_MODEL, state.METRICS_PROTOCOL, state.METRICS_SUBSET, state.METRICS_SEED,
        state.METRICS_CELL, state.METRICS_TAB, state.METRICS_GROUP,
    )  # fmt: skip
    app = start(published.folder.parent, monkeypatch, **dict.fromkeys(pickers, value))
    assert not app.exception
    assert not app.error
    assert app.selectbox(key=state.METRICS_MODEL).value == published.name
    assert app.selectbox(key=state.METRICS_PROTOCOL).value == "speaker-emobox"
    assert len(listed(app))
    assert value not in texts(app)


def test_a_protocol_that_the_files_lack_is_named(published, monkeypatch):
    app = start(published.folder.parent, monkeypatch, **{state.METRICS_PROTOCOL: "random"})
    assert not app.exception
    assert "hold no answers for speech in the protocol random" in app.info[0].value
    assert "reference, speaker-emobox" in app.info[0].value
    for name in ("Groups", "Calibration", "Models", "Card and files"):
        open_tab(app, name)


def test_the_page_opens_on_a_protocol_that_the_model_was_evaluated_by(registry, published, monkeypatch):
    def write_files(folder):
        for file in MODEL_FILES:
            shutil.copy(published.folder / file, folder / file)
        (folder / "metrics.json").write_text(json.dumps({"reference": published.metrics()["reference"]}))
        predictions = published.predictions()
        predictions[predictions["protocol"] == "reference"].to_csv(folder / PREDICTIONS_FILE, index=False)

    registry.publish(OTHER, published.manifest, write_files)
    registry.promote(OTHER)
    app = start(registry.root, monkeypatch)
    assert not app.exception
    assert app.selectbox(key=state.METRICS_PROTOCOL).value == "reference"
    assert len(listed(app))
    assert not app.info
    app.selectbox(key=state.METRICS_PROTOCOL).set_value("speaker-emobox").run()
    assert len(app.info) == 1


@pytest.mark.parametrize("protocol", ["random", "speaker-emobox"])
def test_that_there_are_no_answers_is_said_once(published, monkeypatch, protocol):
    app = start(published.folder.parent, monkeypatch, **{state.METRICS_PROTOCOL: protocol})
    for name in ("Groups", "Calibration"):
        assert len(open_tab(app, name).info) == (protocol == "random")


def test_the_open_tab_alone_is_drawn(app):
    charts = {"Curves": 1, "Groups": 1, "Calibration": 2, "Protocols": 1, "Models": 1, "Card and files": 0}
    assert {tab: len(open_tab(app, tab).get("plotly_chart")) - 2 for tab in charts} == charts


def test_protocols_without_answers_are_named(app):
    assert "no answers for: random, speaker-luna" in texts(open_tab(app, "Protocols"))


def test_without_studies_the_tab_says_how_to_get_them(app):
    assert "hold no studies" in texts(open_tab(app, "Robustness and parts"))


def test_studies_are_drawn(training, clips, tmp_path, monkeypatch):
    from core.serving.publishing import publish_training

    rows = select(training.predictions(), RAVDESS.main_protocol)
    studies = {"robustness": rows.assign(condition="telephone"), "ablations": rows.assign(variant="no augmentation")}
    registry = Registry(tmp_path)
    registry.promote(publish_training(training, RAVDESS, clips, registry, studies=studies).name)
    app = open_tab(start(tmp_path, monkeypatch), "Robustness and parts")
    assert [table.value["case"].tolist() for table in app.dataframe if "case" in table.value] == [
        ["as recorded", "telephone"],
        ["the recipe", "no augmentation"],
    ]
    assert len(app.get("plotly_chart")) == 4


def test_a_broken_model_is_told_and_the_others_compared(registry, published, monkeypatch):
    other = "other-0a1b2c3d"
    (registry.root / published.name).rename(registry.root / other)
    manifest = registry.root / other / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "name": other}))
    registry.promote(other)
    broken = registry.root / "broken-0a1b2c3d"
    broken.mkdir()
    (broken / "manifest.json").write_text("{}")
    app = open_tab(start(registry.root, monkeypatch), "Models")
    assert "'broken-0a1b2c3d' cannot be read" in texts(app)
    assert app.dataframe[-1].value["model"].tolist() == [other]
    app.selectbox(key=state.METRICS_MODEL).set_value(broken.name).run()
    assert not app.exception
    assert "cannot be read" in app.error[0].value


@pytest.mark.heavy
def test_without_models_the_page_says_what_to_do(tmp_path, monkeypatch):
    app = start(tmp_path, monkeypatch)
    assert not app.exception
    assert "No model is stored" in texts(app)
