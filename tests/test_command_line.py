import io
import json
import subprocess
import sys
import time

import pytest

from core import __version__
from core.audio.decode import decode
from core.command_line.application import main
from core.command_line.bars import LINE_INTERVAL, shown_progress
from core.corpus.samples import list_samples
from core.labels import EMOTIONS
from core.serving.predictor import Predictor
from core.serving.registry import Registry
from core.work.progress import Progress
from tests.conftest import ROOT, encode, tone

TENSORFLOW_FREE = """
import sys
import core.command_line.application, core.plots.sound, core.serving.predictor
import core.operations.models.archives, core.operations.feedback.entries, core.operations.health
import core.operations.jobs.control
import core.operations.models.promotion, core.operations.access.sign_in, core.operations.jobs.monitor
import pages.ui.shared.answer, pages.ui.shared.frame, pages.ui.shared.sounds
loaded = [name for name in ("tensorflow", "keras") if name in sys.modules]
assert not loaded, loaded
"""
LIGHT = """
import sys
import testscript
sys.argv[1:] = [{sound!r}]
assert testscript.main() == 0
needless = {{"typer", "pydantic", "rich", "numba", "pandas", "sklearn", "joblib", "scipy.signal"}} & set(sys.modules)
assert not needless, needless
"""
ON_ONE_THREAD = """
from threadpoolctl import threadpool_info
from core.serving.predictor import Predictor
Predictor.load()
assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {1}
"""
COMMANDS = (
    "index", "download", "train", "promote", "evaluate", "compare", "predict", "export", "warm-up", "job",
    "admin", "admin reset", "admin enter", "admin hash",
)  # fmt: skip


@pytest.fixture
def run(published, tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(published.folder.parent))
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "data"))

    def start(*arguments: object, script: str = "testscript.py") -> subprocess.CompletedProcess[str]:
        program = ["-m", "core"] if script == "core" else [script]
        command = [sys.executable, *program, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    return start


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "tone.wav"
    path.write_bytes(encode(tone(250), 48_000))
    return path


def test_script_prints_emotion_confidence_and_all_probabilities(run, sound, published):
    result = run(sound)
    expected = Predictor(published).predict(decode(sound))
    assert result.returncode == 0
    assert f"{expected.emotion}, confidence {expected.confidence:.4f}" in result.stdout
    for emotion in EMOTIONS:
        assert f"{emotion:<9} {expected.probabilities[emotion]:.4f}" in result.stdout


@pytest.mark.heavy
def test_script_and_command_give_the_digits_of_the_predictor(run, sound, published):
    expected = Predictor(published).predict(decode(sound))
    for result in (run(sound, "--json"), run("predict", sound, "--json", script="core")):
        answer = json.loads(result.stdout)
        assert answer["probabilities"] == expected.probabilities
        assert answer["confidence"] == expected.confidence


def test_bad_input_is_one_line_and_status_2(run, tmp_path):
    path = tmp_path / "notes.wav"
    path.write_text("no sound")
    result = run(path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "not a sound that can be read" in result.stderr


@pytest.mark.heavy
def test_good_files_are_answered_beside_bad_ones(run, sound, tmp_path):
    result = run(sound, tmp_path / "missing.wav", sound, "--json")
    assert result.returncode == 2
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["error" in row for row in rows] == [False, True, False]
    # The file stands in its own field, as in a batch's lines.
    assert rows[1]["error"].startswith("The file cannot be opened")
    assert str(tmp_path / "missing.wav") in result.stderr


@pytest.mark.heavy
def test_the_name_of_a_file_stays_on_its_line(run, sound, tmp_path):
    path = tmp_path / "two\nlines.wav"
    path.write_bytes(sound.read_bytes())
    result = run(path, tmp_path / "no\nfile.wav")
    assert result.stdout.startswith(f"{tmp_path}/two\\nlines.wav: ")
    assert result.stderr.startswith(f"error: {tmp_path}/no\\nfile.wav: ")
    assert len(result.stderr.splitlines()) == 1
    assert json.loads(run(path, "--json").stdout)["file"] == str(path)


def test_missing_model_is_one_line_and_status_2(run, sound, monkeypatch, tmp_path):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "nothing"))
    result = run(sound)
    assert result.returncode == 2
    assert result.stderr.startswith("error: No model is in use.")


def test_evaluate_prints_the_stored_figures_again(run, published):
    result = run("evaluate", "--json", script="core")
    again, stored = json.loads(result.stdout), published.metrics()
    for protocol in stored:
        for figure in ("accuracy", "unweighted_average_recall"):
            assert again[protocol]["all"][figure]["mean"] == pytest.approx(stored[protocol]["all"][figure]["mean"])
            assert again[protocol]["all"][figure]["interval"] == pytest.approx(
                stored[protocol]["all"][figure]["interval"]
            )


def test_compare_finds_no_difference_between_a_model_and_itself(run, published):
    result = run("compare", published.name, published.name, script="core")
    assert result.returncode == 0
    assert "speaker-emobox, speech: UAR +0.0 points [+0.0, +0.0], p = 1.00000." in result.stdout


def test_training_without_a_corpus_says_what_to_set(run, monkeypatch):
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    result = run("train", script="core")
    assert result.returncode == 2
    assert "RAVDESS_ROOT" in result.stderr


@pytest.mark.heavy
def test_killed_train_command_goes_on_and_publishes(run, generated, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    arguments = ["train", "--epochs", "3", "--protocol", "reference", "--channel", "song"]
    killed = subprocess.Popen([sys.executable, "-m", "core", *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not any("\n" in path.read_text() for path in tmp_path.rglob("history.csv")):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed.kill()  # its workers are left to notice
    killed.wait()
    result = run(*arguments, script="core")
    assert result.returncode == 0, result.stderr
    name = result.stdout.split()[0]
    assert json.loads((tmp_path / "artifacts" / "champion.json").read_text())["model"] == name
    assert "| reference, song |" in result.stdout


@pytest.mark.heavy
def test_nothing_but_training_imports_tensorflow():
    subprocess.run([sys.executable, "-c", TENSORFLOW_FREE], cwd=ROOT, check=True)


def test_download_offline_is_one_line_and_status_2(run, tmp_path):
    result = run(
        "download", "--channel", "song", "--mirror", "http://127.0.0.1:9", "--folder", tmp_path / "to", script="core"
    )
    assert result.returncode == 2
    assert "cannot be made. Check the connection" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.heavy
def test_script_loads_nothing_that_an_answer_of_the_model_in_use_does_not_need(tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    sound = list_samples()[0].path
    subprocess.run([sys.executable, "-c", LIGHT.format(sound=str(sound))], cwd=ROOT, check=True)


def test_products_of_an_answer_are_not_shared_out_among_threads():
    subprocess.run([sys.executable, "-c", ON_ONE_THREAD], cwd=ROOT, check=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_teaches_by_an_example_that_names_it(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main([*command.split(), "--help"]) == 0
    example = capsys.readouterr().out.partition("Example:")[2]
    assert f"python -m core {command}" in example


def test_the_version_is_told(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(command.split()[0] in listed for command in COMMANDS)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("", "Missing command"),
        ("nonsense", "nonsense"),
        ("admin", "Missing command"),
        ("train --bogus", "--bogus"),
        ("train --seed one", "--seed"),
        ("train --jobs 0", "--jobs"),
        ("predict", "FILE"),
        ("job 1", "--attempt"),
        ("job 1 --attempt 0", "--attempt"),
        ("export champion folder --format other", "'other'"),
    ],
)
def test_words_that_no_command_knows_are_one_line_and_status_2(words, wrong, capsys):
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("error: ")
    assert wrong in said.err
    assert "--help" in said.err


def test_ctrl_c_is_one_line_and_status_130(capsys, monkeypatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Registry, "load", interrupt)
    assert main(["promote", "any"]) == 130
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert said.err.startswith("Stopped.")


def test_program_ends_with_the_status_of_its_command(run):
    assert run("nonsense", script="core").returncode == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def report_two_pieces(clock: list[float]) -> None:
    with shown_progress() as report:
        for done in range(5):
            report(Progress(done, 4, "files", "Reading the corpus"))
            clock[0] += 1
        report(Progress(10, 20, "clips", "Computing features", "noise"))


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch, capsys):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    report_two_pieces(clock)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "Reading the corpus: 0 of 4 files",
        "Reading the corpus: 4 of 4 files",
        "Computing features (noise): 10 of 20 clips",
    ]
    with shown_progress() as report:
        report(Progress(1, 4, "files", "Reading the corpus"))
        clock[0] += LINE_INTERVAL
        report(Progress(2, 4, "files", "Reading the corpus"))
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_on_a_terminal_progress_is_a_bar_with_rate_and_time_left(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with shown_progress() as report:
        for done in (10, 20, 30):
            report(Progress(done, 40, "files", "Reading the corpus"))
            time.sleep(0.4)
        report(Progress(1, 2, "clips", "Computing features", "noise"))
    seen = terminal.getvalue()
    assert "━" in seen
    assert "30 of 40 files · " in seen
    assert "files/s" in seen
    assert "00:0" in seen, "the time left"
    assert "Reading the corpus: 30 of 40 files" in seen, "a piece that is over stays as a line"
    assert "Computing features (noise)" in seen
