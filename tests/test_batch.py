import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from core.command_line.application import main
from core.corpus.samples import list_samples
from core.errors import BatchError, CorpusError
from core.serving.batch import answer_folder, form_of
from core.serving.exports import NUMBERS, prediction_json, prediction_table, spreadsheet_csv
from core.serving.ledger import PAGE, Answer, Ledger
from core.serving.predictor import Predictor
from core.work.parallel import BLOCK
from core.work.progress import Progress
from tests.conftest import ROOT, encode, tone

ABOUT = {"folder": "/sounds", "model": "voice-00000000"}


@pytest.fixture
def predictor(monkeypatch, tmp_path):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))
    return Predictor.load()


def write_sounds(folder: Path, n: int) -> list[str]:
    """Write short sounds that differ, at two depths, and return their paths in the folder."""
    names = [f"{'deep/er/' * (k % 2)}{k:04}.wav" for k in range(n)]
    (folder / "deep/er").mkdir(parents=True)
    for k, name in enumerate(names):
        (folder / name).write_bytes(encode(tone(100 + k, 16_000, 0.3), 16_000))
    return sorted(names)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("core.work.parallel.BLOCK", 4)


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    write_sounds(folder, 5)
    (folder / "notes.mp3").write_text("no sound")
    (folder / "empty.ogg").write_bytes(b"")
    (folder / "=1+1.wav").write_bytes(encode(tone(300, 16_000, 0.3), 16_000))
    (folder / "readme.txt").write_text("not asked for")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.wav").write_bytes(b"not asked for")
    (folder / os.fsdecode(b"caf\xe9.wav")).write_bytes(encode(tone(400, 16_000, 0.3), 16_000))
    return folder


def answers_one_by_one(predictor: Predictor, folder: Path):
    """Answer for the sounds of a folder without any of what makes a batch, in the order of the paths."""
    paths = sorted((p for p in folder.rglob("*.[wmo]*") if ".hidden" not in p.parts), key=os.fsencode)
    answers = []
    for path in paths:
        try:
            answer = predictor.predict_file(path)
        except Exception as error:
            answer = error
        answers.append((os.fsencode(path.relative_to(folder)).decode(errors="backslashreplace"), answer))
    return answers


@pytest.mark.heavy
def test_csv_is_that_of_the_page(predictor, sounds, tmp_path):
    batch = answer_folder(sounds, tmp_path / "a.csv", n_jobs=1)
    expected = answers_one_by_one(predictor, sounds)
    assert (batch.n_files, batch.n_failures) == (9, 2) == (len(expected), 2)
    assert (tmp_path / "a.csv").read_bytes() == spreadsheet_csv(prediction_table(expected))
    assert "\n'=1+1.wav," in (tmp_path / "a.csv").read_text()
    assert "\ncaf\\xe9.wav," in (tmp_path / "a.csv").read_text()
    assert sorted(path.name for path in tmp_path.glob("a.*")) == ["a.csv"]


@pytest.mark.heavy
def test_lines_are_those_of_the_command_line(predictor, sounds, tmp_path):
    answer_folder(sounds, tmp_path / "a.jsonl", n_jobs=1)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert lines == [prediction_json(name, answer) for name, answer in answers_one_by_one(predictor, sounds)]
    assert "not a sound that can be read" in json.loads(lines[-1])["error"]


@pytest.mark.heavy
def test_parquet_has_the_columns_of_the_table_with_their_types(predictor, sounds, tmp_path):
    known = next(sample.path for sample in list_samples() if sample.is_real)
    shutil.copy(known, sounds)  # of the training: it has numbers where others have none
    answer_folder(sounds, tmp_path / "a.parquet", n_jobs=1)
    found, expected = pd.read_parquet(tmp_path / "a.parquet"), prediction_table(answers_one_by_one(predictor, sounds))
    assert list(found) == list(expected)
    assert found["file"].tolist() == expected["file"].tolist()
    assert found["error"].tolist() == expected["error"].tolist()
    for column in (*NUMBERS, *predictor.labels):
        assert found[column].dtype == np.float64
        np.testing.assert_array_equal(found[column], expected[column].astype(float))
    assert found.set_index("file")["unheard_confidence"].notna().to_dict()[known.name]
    assert found["is_uncertain"].dropna().tolist() == expected["is_uncertain"].dropna().tolist()


@pytest.mark.heavy
@pytest.mark.usefixtures("fresh_workers")
def test_processes_answer_as_one_does_and_say_how_far_they_are(predictor, small_blocks, tmp_path):
    write_sounds(tmp_path / "sounds", 10)
    reports: list[Progress] = []
    answer_folder(tmp_path / "sounds", tmp_path / "many.jsonl", n_jobs=2, report=reports.append)
    answer_folder(tmp_path / "sounds", tmp_path / "one.jsonl", n_jobs=1)
    assert (tmp_path / "many.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert [str(progress) for progress in reports[1:]] == [
        "Answering: 0 of 10 files",
        "Answering: 4 of 10 files",
        "Answering: 8 of 10 files",
        "Answering: 10 of 10 files",
    ]


@pytest.mark.heavy
def test_a_batch_that_was_stopped_goes_on_without_answering_twice(predictor, small_blocks, tmp_path):
    folder, output = tmp_path / "sounds", tmp_path / "a.jsonl"
    names = write_sounds(folder, 7)
    answer_folder(folder, tmp_path / "whole.jsonl", n_jobs=1)

    def stop(progress: Progress) -> None:
        if progress.done:
            raise CorpusError("stopped")

    with pytest.raises(CorpusError):
        answer_folder(folder, output, n_jobs=1, report=stop)
    assert not output.exists()
    for name in names[:4]:
        (folder / name).write_bytes(b"changed since")
    reports: list[Progress] = []
    assert answer_folder(folder, output, n_jobs=1, report=reports.append).n_failures == 0
    assert str(reports[1]) == "Answering: 4 of 7 files"
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def kill_in_the_middle(folder: Path, output: Path, ledger: Path) -> None:
    """Start the command, and kill it once some blocks of answers are kept."""
    command = [sys.executable, "-m", "core", "predict", folder, "--output", output]
    started = subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert any(line.startswith("Answering") for line in started.stderr)
    listed, deadline = ledger.stat().st_size, time.monotonic() + 240
    while ledger.stat().st_size < listed + 25_000:  # the answers of several blocks
        assert started.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = psutil.Process(started.pid).children(recursive=True)
    started.kill()
    assert workers
    assert not psutil.wait_procs(workers, timeout=60)[1], "what it started ends with it"
    started.wait()
    started.stderr.close()


@pytest.mark.heavy
def test_kills_lose_no_answer_that_was_kept(predictor, tmp_path):
    n, folder, output = 1_000, tmp_path / "sounds", tmp_path / "a.csv"  # not done before it is killed twice
    names, ledger_path = write_sounds(folder, n), tmp_path / "a.csv.partial"
    for k in range(n):  # most are quickly done
        if k % 8:
            (folder / names[k]).write_bytes(b"no sound")
    answer_folder(folder, tmp_path / "whole.csv", n_jobs=1)
    tried = 0
    for _ in range(2):  # once more, from a ledger that a kill left
        kill_in_the_middle(folder, output, ledger_path)
        with Ledger(ledger_path) as ledger:
            n_files, n_tried, n_failures = ledger.count()
        assert (n_files, n_failures) == (n, n_tried * 7 // 8)
        assert tried < n_tried < n
        assert n_tried % BLOCK == 0
        tried = n_tried
        for name in names[:tried]:
            (folder / name).write_bytes(b"changed since")
    assert main(["predict", str(folder), "--output", str(output)]) == 0
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.heavy
def test_a_finished_batch_says_so_and_stays(predictor, sounds, tmp_path, capsys):
    output = tmp_path / "a.csv"
    assert main(["predict", str(sounds), "--output", str(output), "--jobs", "1"]) == 0
    assert f"{output}: 9 files, 2 of them without an answer" in capsys.readouterr().out
    before = output.read_bytes()
    (sounds / "new.wav").write_bytes(encode(tone(), 48_000))
    assert main(["predict", str(sounds), "--output", str(output)]) == 0
    assert "finished already" in capsys.readouterr().out
    assert output.read_bytes() == before


@pytest.mark.heavy
def test_sounds_that_came_since_are_answered_too(predictor, small_blocks, tmp_path):
    folder, output = tmp_path / "sounds", tmp_path / "a.csv"
    write_sounds(folder, 5)

    def stop(progress: Progress) -> None:
        if progress.done:
            raise CorpusError("stopped")

    with pytest.raises(CorpusError):
        answer_folder(folder, output, n_jobs=1, report=stop)
    (folder / "0000a.wav").write_bytes(encode(tone(duration=0.3), 48_000))
    assert answer_folder(folder, output, n_jobs=1).n_files == 6


@pytest.mark.heavy
def test_a_batch_of_other_sounds_or_by_another_model_is_refused(predictor, sounds, tmp_path):
    with Ledger(tmp_path / "a.csv.partial") as ledger:
        ledger.begin(ABOUT, ["a.wav"])
    with pytest.raises(BatchError, match="begun with another folder, '/sounds' instead of"):
        answer_folder(sounds, tmp_path / "a.csv")


@pytest.mark.heavy
def test_the_ledger_that_a_kill_left_beside_the_table_goes(predictor, sounds, tmp_path):
    (tmp_path / "a.csv").write_text("answers")
    with Ledger(tmp_path / "a.csv.partial") as ledger:
        ledger.begin(ABOUT, ["a.wav"])
    with pytest.raises(BatchError, match="has not ended"):
        answer_folder(sounds, tmp_path / "a.csv")
    with Ledger(tmp_path / "a.csv.partial") as ledger:
        ledger.keep([Answer("a.wav", "{}", failed=False)])
    assert answer_folder(sounds, tmp_path / "a.csv") is None
    assert not (tmp_path / "a.csv.partial").exists()
    assert (tmp_path / "a.csv").read_text() == "answers"


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("folder", "output", "message"),
    [
        ("sounds", "answers.xlsx", "needs the ending .parquet or .csv or .jsonl"),
        ("sounds", "nowhere/answers.csv", "There is no folder .*nowhere"),
        ("missing", "answers.csv", "There is no folder .*missing"),
        ("bare", "answers.csv", "There is no sound below"),
        ("sounds", "taken.csv", "taken.csv' is a folder"),
    ],
)
def test_what_cannot_be_answered_is_said(predictor, sounds, tmp_path, folder, output, message):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "notes.txt").write_text("x")
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(BatchError, match=message):
        answer_folder(tmp_path / folder, tmp_path / output)
    assert not list(tmp_path.glob("answers.*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{folder}", "is a folder. Name a table for its answers: --output"),
        ("{folder} {folder} --output a.csv", "name one folder"),
        ("{folder} --output a.csv --json", "the ending of the output says the form"),
        ("{folder} --output a.csv --jobs 0", "--jobs"),
    ],
)
def test_words_of_the_command_that_do_not_fit_are_said(words, message, sounds, capsys):
    assert main(["predict", *words.format(folder=sounds).split()]) == 2
    assert message in capsys.readouterr().err


def test_endings_count_in_capitals_too():
    assert form_of(Path("A.CSV")) is form_of(Path("b.csv"))


def test_a_ledger_has_one_user_at_a_time(tmp_path):
    with Ledger(tmp_path / "x"), pytest.raises(BatchError, match="another process answers into it"):
        Ledger(tmp_path / "x")
    with Ledger(tmp_path / "x") as ledger:
        assert ledger.count() == (0, 0, 0)


def test_what_is_no_ledger_is_said(tmp_path):
    (tmp_path / "x").write_bytes(b"no database at all" * 100)
    with pytest.raises(BatchError, match="Remove it to begin anew"):
        Ledger(tmp_path / "x")
    with pytest.raises(BatchError, match="cannot be kept"):
        Ledger(tmp_path / "missing" / "x")


def test_a_ledger_tells_pages_in_the_order_of_the_paths(tmp_path):
    names = [f"{k:06}.wav" for k in range(2 * PAGE + 1)]
    with Ledger(tmp_path / "x") as ledger:
        ledger.begin(ABOUT, reversed(names))
        assert list(ledger.pending()) == names
        ledger.keep([Answer(name, json.dumps(name), failed=k % 2 == 0) for k, name in enumerate(names)])
        assert ledger.count() == (2 * PAGE + 1, 2 * PAGE + 1, PAGE + 1)
        pages = list(ledger.texts())
    assert list(map(len, pages)) == [PAGE, PAGE, 1]
    assert [json.loads(text) for page in pages for text in page] == names


def test_what_is_worked_on_while_it_is_listed_is_listed_once(tmp_path):
    names = [f"{k:06}.wav" for k in range(PAGE + 10)]
    seen = []
    with Ledger(tmp_path / "x") as ledger:
        ledger.begin(ABOUT, names)
        for name in ledger.pending():
            seen.append(name)
            if len(seen) % 5_000 == 0:
                ledger.keep([Answer(n, "{}", failed=False) for n in seen[-5_000:]])
    assert seen == names
