"""Corpora besides the default one: a folder with a table, an audformat database, one whose file names tell."""

import csv
import dataclasses
import re
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePath

import audformat
import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from streamlit.testing.v1 import AppTest

from core.audio.decode import decode
from core.corpus import catalogue
from core.corpus.base import Clip, Corpus, Field, describe
from core.corpus.catalogue import find_corpus, find_place, list_places, open_folder
from core.corpus.index import distinct_clips, scan
from core.corpus.integrity import check_integrity
from core.corpus.known import default_corpus
from core.corpus.splits import protocols_of, split_clips
from core.errors import CorpusError, JobError
from core.labels import EMOTIONS, EVALUATION_FIELDS, labels_of
from core.learning.evaluation import evaluate
from core.operations.pipeline import retrain
from core.operations.spec import TrainingSpec, check_spec
from core.serving.predictor import Predictor
from core.serving.registry import Registry, StoredModel
from pages.ui.shared import cache, state
from tests.conftest import ROOT
from tests.test_contributions import LIVELY
from tests.test_pages import texts

FIVE = ("angry", "bored", "happy", "neutral", "sad")
NINE = (*EMOTIONS[:1], "bored", *EMOTIONS[1:])
SPEAKERS = {"1001": "female", "1002": "male", "1003": "female", "1004": "male"}
RATE = 16_000


def write_sound(path: Path, emotion: str, speaker: str, take: int) -> None:
    """Write half a second of a tone whose pitch tells the emotion and a little of the speaker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([zlib.crc32(emotion.encode()), int(speaker), take])
    pitch = 120 + zlib.crc32(emotion.encode()) % 300 + 3 * (int(speaker) % 7)
    t = np.arange(RATE // 2) / RATE
    y = 0.2 * sum(np.sin(2 * np.pi * k * pitch * t + rng.uniform(0, 6)) / k for k in range(1, 6))
    sf.write(path, y + rng.normal(0, 1e-3, t.shape), RATE)


def write_table(root: Path, rows: list[dict[str, str]]) -> None:
    with (root / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


@pytest.fixture(scope="session")
def table_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five emotions of four speakers, with a table that says so and tells of a room."""
    root = tmp_path_factory.mktemp("other") / "Five Voices"
    rows = []
    for speaker, gender in SPEAKERS.items():
        for emotion in FIVE:
            for take in range(3):
                file = f"clips/{speaker}/{emotion} {take}.wav"
                write_sound(root / file, emotion, speaker, take)
                fields = {"gender": gender, "statement": f"Sentence {take} *", "room": "hall" if take else "studio"}
                rows.append({"file": file, "emotion": emotion, "speaker": speaker, **fields})
    write_table(root, rows)
    return root


@pytest.fixture(scope="session")
def database_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine emotions of four speakers as an audformat database."""
    root = tmp_path_factory.mktemp("database") / "nine"
    rows = []
    for speaker in SPEAKERS:
        for emotion in NINE:
            for take in range(2):
                file = f"audio/{speaker}-{emotion}-{take}.wav"
                write_sound(root / file, emotion, speaker, take)
                rows.append((file, emotion, speaker))
    database = audformat.Database("nine", description="Nine made-up emotions.", license="CC0-1.0")
    database.schemes["emotion"] = audformat.Scheme(labels=list(NINE))
    people = {speaker: {"gender": gender} for speaker, gender in SPEAKERS.items()}
    database.schemes["speaker"] = audformat.Scheme(labels=people)
    index = audformat.filewise_index([file for file, _, _ in rows])
    database["files"] = audformat.Table(index)
    for k, column in enumerate(("emotion", "speaker"), start=1):
        database["files"][column] = audformat.Column(scheme_id=column)
        database["files"][column].set([row[k] for row in rows])
    database.save(str(root), storage_format="csv")
    return root


@pytest.fixture
def both(
    table_folder: Path, database_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, Path]]:
    """An installation without the default corpus and with the two others."""
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SOUNDWEB_CORPORA", f"{table_folder}:{database_folder}")
    yield table_folder, database_folder
    for cached in (cache.st_corpus, cache.st_answers, cache.samples):
        cached.clear()
    cache.st_corpus_sizes.cache_clear()


def train(corpus: str, tmp_path_factory: pytest.TempPathFactory, folder: Path) -> StoredModel:
    """Train on a corpus, from index to stored model, which is put in use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAVDESS_ROOT", raising=False)
        patch.setenv("SOUNDWEB_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path_factory.mktemp("artifacts")))
        patch.setenv("SOUNDWEB_CORPORA", str(folder))
        model = retrain(TrainingSpec(recipe="statistics", corpus=corpus), n_jobs=1)
        Registry().promote(model.name)
    return model


@pytest.fixture(scope="session")
def five(table_folder, tmp_path_factory) -> StoredModel:
    return train("five-voices", tmp_path_factory, table_folder)


@pytest.fixture(scope="session")
def nine(database_folder, tmp_path_factory) -> StoredModel:
    return train("nine", tmp_path_factory, database_folder)


def test_places_are_listed_by_their_folders_names(both):
    assert [place.corpus.name for place in list_places()] == ["five-voices", "nine"]
    assert find_place().corpus.name == "five-voices"
    assert find_place("nine").root == both[1]
    assert find_corpus("ravdess") is default_corpus()
    with pytest.raises(CorpusError, match=r"no corpus 'ten'; known are ravdess, .*turev, five-voices, nine\."):
        find_place("ten")


def test_a_table_says_what_its_files_are(table_folder, tmp_path):
    corpus = open_folder(table_folder).corpus
    assert corpus.labels == FIVE
    clips = distinct_clips(scan(table_folder, corpus, cache=tmp_path / "index.csv", n_jobs=1))
    assert len(clips) == 60
    first = clips.iloc[0]
    assert first[["clip", "emotion", "speaker", "gender", "channel", "room"]].tolist() == [
        "clips/1001/angry 0",
        "angry",
        "1001",
        "female",
        "speech",
        "studio",
    ]
    assert describe(first, corpus) == 'Speaker 1001, angry, speech, "Sentence 0 *"'
    assert check_integrity(clips, corpus).is_complete
    again = scan(table_folder, corpus, cache=tmp_path / "index.csv", n_jobs=1)
    assert again["speaker"].tolist() == clips.sort_values(["clip", "path"])["speaker"].tolist()


def test_a_database_says_what_its_files_are(database_folder):
    corpus = open_folder(database_folder).corpus
    assert (corpus.labels, corpus.title, corpus.licence) == (NINE, "nine", "CC0-1.0")
    clips = distinct_clips(scan(database_folder, corpus, n_jobs=1))
    assert len(clips) == 4 * 9 * 2
    assert clips.groupby("speaker")["gender"].first().to_dict() == SPEAKERS


def test_missing_files_of_a_table_are_found(table_folder, tmp_path):
    (tmp_path / "kept").mkdir()
    for folder in ("1001", "1002"):
        (tmp_path / "kept" / "clips" / folder).mkdir(parents=True)
        for path in (table_folder / "clips" / folder).iterdir():
            (tmp_path / "kept" / "clips" / folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "kept" / "manifest.csv").write_bytes((table_folder / "manifest.csv").read_bytes())
    place = open_folder(tmp_path / "kept")
    found = check_integrity(scan(place.root, place.corpus, n_jobs=1), place.corpus)
    assert len(found.missing) == 30
    assert not found.is_complete


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"emotion": ""}, "row 2 has no emotion"),
        ({"speaker": " "}, "row 2 has no speaker"),
        ({"file": "b.wav"}, "'b.wav' stands twice"),
        ({"file": "b.flac"}, "'b.flac' and 'b.wav' have one name but for their endings"),
        ({"emotion": "y_true"}, "its labels must be two or more words"),
        ({"emotion": "<b>happy</b>"}, "its labels must be two or more words"),
    ],
)
def test_tables_that_cannot_be_right_are_refused(tmp_path, change, message):
    rows = [{"file": f"{name}.wav", "emotion": name, "speaker": name} for name in "ab"]
    write_table(tmp_path, [rows[0] | change, rows[1]])
    with pytest.raises(CorpusError, match=re.escape(message)):
        open_folder(tmp_path)


def test_folders_that_are_no_corpus_are_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("file,emotion\na.wav,sad\n")
    with pytest.raises(CorpusError, match="lacks the column 'speaker'"):
        open_folder(tmp_path)
    (tmp_path / "manifest.csv").unlink()
    with pytest.raises(CorpusError, match="is no corpus"):
        open_folder(tmp_path)
    (tmp_path / "db.yaml").write_text("name: x\nsource: y\nusage: research\n")
    with pytest.raises(CorpusError, match="no file-wise table with a column of emotions"):
        open_folder(tmp_path)
    (tmp_path / "db.files.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(CorpusError, match="is a pickle"):
        open_folder(tmp_path)


def test_two_folders_of_one_name_are_refused(table_folder, tmp_path, monkeypatch):
    other = tmp_path / "five voices"
    other.mkdir()
    write_table(other, [{"file": f"{name}.wav", "emotion": name, "speaker": name} for name in "ab"])
    monkeypatch.setenv("SOUNDWEB_CORPORA", f"{table_folder}:{other}")
    with pytest.raises(CorpusError, match="two corpora are called 'five-voices'"):
        list_places()


def test_speakers_are_dealt_into_folds_and_stand_on_one_side(table_folder):
    corpus = open_folder(table_folder).corpus
    clips = distinct_clips(scan(table_folder, corpus, n_jobs=1))
    assert list(protocols_of(corpus)) == ["reference", "random", "speaker"]
    assert corpus.main_protocol == "speaker"
    splits = split_clips(corpus, "speaker", clips, 0)
    evaluated = np.concatenate([split.test for split in splits])
    assert sorted(evaluated) == list(range(len(clips)))
    for split in splits:
        sides = [set(clips["speaker"].iloc[rows]) for rows in (split.train, split.validation, split.test)]
        assert sides[0].isdisjoint(sides[1] | sides[2])
        assert sides[1].isdisjoint(sides[2])


@pytest.mark.heavy
@pytest.mark.parametrize(("fixture", "labels", "name"), [("five", FIVE, "five-voices"), ("nine", NINE, "nine")])
def test_a_model_of_another_corpus_goes_from_index_to_answer(request, both, fixture, labels, name):
    model = request.getfixturevalue(fixture)
    assert model.manifest.labels == labels
    assert (model.manifest.corpus.name, model.main_protocol) == (name, "speaker")
    predictions = model.predictions()
    assert labels_of(predictions) == labels
    assert set(predictions["corpus"]) == {name}
    assert list(predictions.columns[-len(EVALUATION_FIELDS) :]) == list(EVALUATION_FIELDS)
    assert set(evaluate(predictions)["speaker"]["all"]["per_class"]) == set(labels)
    assert len(evaluate(predictions)["speaker"]["all"]["confusion"]) == len(labels)
    place = find_place(name)
    answer = Predictor(model).predict(decode(next(iter(sorted(place.root.rglob("*.wav"))))))
    assert tuple(answer.probabilities) == labels
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    card = (model.folder / "card.md").read_text()
    assert f"{model.manifest.corpus.title}, {model.manifest.corpus.n_clips:,} clips of 4 speakers" in card
    assert f"chance is {1 / len(labels):.1%}" in card


def test_wishes_are_checked_by_the_corpus(both):
    check_spec(TrainingSpec(corpus="nine", protocols=("reference", "speaker")))
    with pytest.raises(Exception, match="protocol of reference, random, speaker"):
        check_spec(TrainingSpec(corpus="nine", protocols=("speaker-emobox",)))
    with pytest.raises(Exception, match="no corpus 'ten'"):
        check_spec(TrainingSpec(corpus="ten"))


@pytest.fixture
def app(five, both, monkeypatch) -> AppTest:
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(five.folder.parent))
    return AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60).run()


def test_predict_answers_with_the_labels_of_the_model(app, five):
    app.file_uploader(key=state.SOUND.uploads).upload("lively.flac", LIVELY).run()
    assert not app.exception
    expected = Predictor(five).predict(decode(LIVELY))
    assert f"**{expected.confidence:.1%}** confident" in texts(app)


def test_dataset_shows_each_corpus_with_its_own_fields(app):
    app.switch_page("pages/dataset.py").run()
    assert not app.exception
    assert "60 clips · 60 speech · 4 speakers" in texts(app)
    assert "60 of 60 clips" in texts(app)
    app.selectbox(key=state.CORPUS).set_value("nine").run()
    assert not app.exception
    assert "72 of 72 clips" in texts(app)
    for view in ("Compare", "Integrity", "Map"):
        app.session_state[state.DATASET_VIEW] = view
        app.run()
        assert not app.exception


def test_fields_of_a_table_filter_its_clips(app):
    app.switch_page("pages/dataset.py").run()
    app.pills(key="five-voices-room").set_value(["studio"]).run()
    assert not app.exception
    assert "20 of 60 clips" in texts(app)
    assert set(app.dataframe[0].value["emotion"]) <= set(FIVE)


def test_metrics_and_features_show_a_model_of_five_emotions(app, five):
    app.switch_page("pages/metrics.py").run()
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.main.metric}
    assert shown["Chance"] == "20.0%"
    assert "People" not in shown
    assert list(app.selectbox(key=state.METRICS_PROTOCOL).options) == ["speaker", "random", "reference"]
    for tab in ("Groups", "Protocols", "Models", "Card and files"):
        app.session_state[state.METRICS_TAB] = tab
        app.run()
        assert not app.exception
    app.switch_page("pages/features.py").run()
    app.segmented_control(key=state.SOUND.source).set_value("Corpus").run()
    assert not app.exception
    assert "Speaker 1001" in app.selectbox(key=f"five-voices-{state.SOUND.clip}").options[0]


def crema_name(path: PurePath) -> Clip | None:
    """Read names like ``1001_DFA_ANG_XX.wav``."""
    match = re.fullmatch(r"(1\d{3})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX)", path.stem)
    if match is None:
        return None
    speaker, statement, emotion, intensity = match.groups()
    names = {"ANG": "angry", "DIS": "disgust", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
    return {
        "clip": path.stem,
        "speaker": speaker,
        "emotion": names[emotion],
        "statement": statement,
        "intensity": "" if intensity == "XX" else intensity,
    }


NAMED = Corpus(
    name="named",
    title="Named clips",
    labels=("angry", "disgust", "fearful", "happy", "neutral", "sad"),
    parse=crema_name,
    fields=(Field("intensity", "Intensity", ("LO", "MD", "HI")), Field("speaker", "Actor")),
)


def test_a_corpus_of_other_names_needs_one_object_and_one_line(tmp_path, monkeypatch):
    folder = tmp_path / "wav"
    for speaker in range(1001, 1092):
        write_sound(folder / f"{speaker}_DFA_{'HAP' if speaker % 2 else 'SAD'}_XX.wav", "happy", str(speaker), 0)
    (folder / "notes.txt").write_text("no clip")
    monkeypatch.setitem(catalogue.CORPORA, "named", "tests.test_corpora:NAMED")  # type: ignore[misc]
    monkeypatch.setenv("NAMED_ROOT", str(folder))
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    place = find_place("named")
    clips = distinct_clips(scan(place.root, place.corpus, n_jobs=1))
    assert clips["speaker"].nunique() == 91
    assert set(clips["emotion"]) == {"happy", "sad"}
    sizes = [clips["speaker"].iloc[split.test].nunique() for split in split_clips(NAMED, "speaker", clips, 0)]
    assert sorted(sizes) == [18, 18, 18, 18, 19]


def test_labels_that_a_table_of_predictions_needs_itself_are_refused():
    for labels in (("sad",), ("sad", "happy"), ("happy", "speaker"), ("happy", "happy", "sad")):
        with pytest.raises(CorpusError, match="two or more words"):
            dataclasses.replace(NAMED, labels=labels)
    with pytest.raises(CorpusError, match="small letters"):
        dataclasses.replace(NAMED, name="../named")


def test_predictions_of_named_clips_keep_speakers_as_texts(five):
    assert set(five.predictions()["speaker"]) == set(SPEAKERS)
    assert pd.api.types.is_string_dtype(five.predictions()["speaker"]) or five.predictions()["speaker"].dtype == object


def test_other_corpora_train_everywhere_and_are_evaluated_by_models_without_them(table_folder, database_folder):
    first, second = open_folder(table_folder), open_folder(database_folder)
    own = distinct_clips(scan(first.root, first.corpus, n_jobs=1))
    other = distinct_clips(scan(second.root, second.corpus, n_jobs=1))
    index = pd.concat([own, other], ignore_index=True)
    of_corpus = index["corpus"].to_numpy()
    for split in split_clips(first.corpus, "speaker", index, 0):
        assert set(of_corpus[split.test]) == {"five-voices"}
        assert set(np.flatnonzero(of_corpus == "nine")) <= set(split.train)
    (left_out,) = split_clips(first.corpus, "corpus-nine", index, 0)
    assert set(of_corpus[left_out.train]) == {"five-voices"}
    assert set(of_corpus[left_out.test]) == {"nine"}
    for protocol in ("speaker", "random", "all", "corpus-nine"):
        for split in split_clips(first.corpus, protocol, index, 0, tried=["nine"]):
            assert "nine" not in set(of_corpus[split.train]) | set(of_corpus[split.validation])
            assert len(split.train)


@pytest.mark.heavy
def test_a_training_on_two_corpora_says_what_it_used(both, tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    spec = TrainingSpec(recipe="statistics", corpus="five-voices", others=("nine",), protocols=("speaker",))
    model = retrain(spec, n_jobs=1)
    shared = len(set(FIVE) & set(NINE)) * len(SPEAKERS) * 2
    assert model.manifest.corpus.others == {"nine": shared}
    report = evaluate(model.predictions())
    assert set(report) == {"speaker", "corpus-nine"}
    assert report["corpus-nine"]["all"]["n_clips"] == shared
    assert set(model.predictions().query("protocol == 'corpus-nine'")["corpus"]) == {"nine"}
    assert "none of which was trained on" in model.manifest.corpus.protocols["corpus-nine"]
    assert f"nine ({shared:,} clips)" in (model.folder / "card.md").read_text()


@pytest.mark.heavy
def test_a_corpus_that_is_only_tried_trains_nothing(both, tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    spec = TrainingSpec(recipe="statistics", corpus="five-voices", tried=("nine",), protocols=("speaker",))
    tried, alone = retrain(spec, n_jobs=1), retrain(dataclasses.replace(spec, tried=()), n_jobs=1)
    assert tried.manifest.corpus.others == {}
    rows = [m.predictions().query("protocol == 'speaker'")[list(FIVE)].to_numpy() for m in (tried, alone)]
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)
    assert "corpus-nine" in tried.metrics()
    taught = retrain(dataclasses.replace(spec, tried=(), others=("nine",)), n_jobs=1)
    assert taught.name != tried.name
    assert taught.manifest.corpus.others.keys() == {"nine"}


@pytest.mark.parametrize("act", [check_spec, retrain])
def test_each_corpus_is_named_once(both, act):
    with pytest.raises(JobError, match="Name each corpus once"):
        act(TrainingSpec(recipe="statistics", corpus="five-voices", others=("five-voices",)))
    with pytest.raises(JobError, match="no corpus 'eleven'"):
        act(TrainingSpec(recipe="statistics", corpus="five-voices", tried=("eleven",)))
