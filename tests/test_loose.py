"""Corpora of loose files, against a real HTTP server in this process; the hash of their folder was made by Git."""

import io
import re
import struct
import types
import wave
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import parts
from core.command_line.application import main
from core.corpus import download, transfer
from core.corpus.base import Clip, Corpus, Texts
from core.corpus.catalogue import download_folder, find_place, list_places
from core.corpus.download import download_corpus, download_from_kaggle, missing_channels
from core.corpus.index import scan
from core.corpus.loose import tree_hash
from core.corpus.names import match_name
from core.corpus.sources import LooseFiles
from core.errors import CorpusError, DownloadError
from core.work.background import WorkStopped
from core.work.progress import Progress
from pages.ui.dataset import download as download_page
from tests.test_download import Server


def sound(k: int) -> bytes:
    """A hundred samples of a ramp, as WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(struct.pack("<100h", *range(k, k + 100)))
    return buffer.getvalue()


FILES = {f"{speaker}-{emotion}.wav": sound(10 * i + j) for i, speaker in enumerate(("b", "a", "a1"))
         for j, emotion in enumerate(("happy", "sad", "calm", "angry"))}  # fmt: skip
TREE = "25db1d1c06fc432ffda5af494f4ed53b29207ae8"
"""From ``git write-tree`` in a folder of these files."""


def parse(path: PurePath) -> Clip | None:
    found = match_name(re.compile(r"(\w+)-(\w+)"), path)
    return found and {"clip": path.stem, "speaker": found[0], "emotion": found[1], "channel": "burst"}


SMALL = Corpus(
    name="small",
    title="Small",
    labels=("angry", "calm", "happy", "sad"),
    parse=parse,
    source=LooseFiles(
        base_url="http://127.0.0.1:9/",
        names=lambda: list(FILES),
        tree=TREE,
        size_of_all=sum(map(len, FILES.values())),
        folder="wav",
        max_file_bytes=300,
        channel="burst",
    ),
    texts=Texts(about="Twelve ramps.", citation="Nobody (2000)"),
    licence="CC0-1.0",
    licence_link="https://example.org/cc0",
)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.files = dict(FILES)
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    """Waits between attempts, which are not waited."""
    waits: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    return waits


def fetch(server: Server, folder: Path, **options: Any) -> Path:
    return download_corpus(SMALL, ["burst"], folder, mirror=server.url, **options)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def waiting(folder: Path) -> set[str]:
    """Names of the files that wait for the others."""
    return {path.name for path in (folder / download.WORK_FOLDER / "wav").glob("*.wav")}


def test_hash_of_a_folder_is_that_of_git(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    paths = {name: tmp_path / name for name in FILES}
    assert tree_hash(paths) == TREE
    assert tree_hash(dict(reversed(paths.items()))) == TREE
    (tmp_path / "b-sad.wav").write_bytes(sound(99))
    assert tree_hash(paths) != TREE
    assert tree_hash({}) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_files_become_a_corpus_and_nothing_else_is_left(server, tmp_path):
    root = fetch(server, tmp_path / "small")
    assert files_in(root) == {f"wav/{name}": data for name, data in FILES.items()}
    index = scan(root, SMALL, n_jobs=1)
    assert len(index) == 12
    assert set(index["channel"]) == {"burst"}
    assert sorted(path.name for path in root.iterdir()) == ["wav"]


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    fetch(server, tmp_path)
    assert len(server.requests) == 12
    fetch(server, tmp_path)
    assert len(server.requests) == 12
    (tmp_path / "wav" / "a-sad.wav").unlink()
    assert missing_channels(SMALL, ["burst"], tmp_path) == ["burst"]
    fetch(server, tmp_path)
    assert len(server.requests) == 13
    assert len(files_in(tmp_path)) == 12


def test_busy_servers_and_broken_answers_are_asked_again(server, tmp_path):
    server.statuses, server.drops = [503], [50]
    fetch(server, tmp_path)
    assert len(server.requests) == 14
    assert len(files_in(tmp_path)) == 12


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("3600", 60.0), ("soon", 1.0), ("0", 1.0)])
def test_server_that_asks_for_a_wait_gets_it(server, tmp_path, waits, asked, waited):
    server.statuses, server.headers = [429], {"Retry-After": asked}
    fetch(server, tmp_path)
    assert waits == [waited]


def test_a_file_that_fails_leaves_the_others_for_the_next_attempt(server, tmp_path):
    data = server.files.pop("a-calm.wav")
    with pytest.raises(DownloadError, match=r"answers 404 for http.*a-calm\.wav.* of 12 files are kept") as error:
        fetch(server, tmp_path)
    kept = waiting(tmp_path)
    assert f"{len(kept)} of 12 files" in str(error.value)
    assert len(kept) >= 6  # those that were asked for before it
    with pytest.raises(CorpusError, match="No clip"):
        scan(tmp_path, SMALL)
    server.files["a-calm.wav"] = data
    server.requests.clear()
    fetch(server, tmp_path)
    assert len(server.requests) == 12 - len(kept)
    assert len(files_in(tmp_path)) == 12


def test_giving_up_takes_three_attempts(server, tmp_path, waits):
    server.statuses = [503] * 1_000
    with pytest.raises(DownloadError, match=r"the server answers 503\. Check the connection and retry\. 0 of 12 files"):
        fetch(server, tmp_path)
    assert set(waits) == {1.0, 2.0}


def test_offline_is_one_sentence(tmp_path):
    with pytest.raises(DownloadError, match=r"connection breaks off or cannot be made\. Check the connection"):
        download_corpus(SMALL, ["burst"], tmp_path)


def test_work_that_was_stopped_goes_on_and_a_half_written_file_does_not_count(server, tmp_path):
    def stop(progress: Progress) -> None:
        if progress.done >= 4:
            raise WorkStopped

    with pytest.raises(WorkStopped):
        fetch(server, tmp_path, report=stop)
    kept = waiting(tmp_path)
    assert len(kept) >= 4
    lost = tmp_path / download.WORK_FOLDER / "wav" / sorted(kept)[0]
    lost.rename(f"{lost}.partial")  # as a kill leaves it
    server.requests.clear()
    fetch(server, tmp_path)
    assert len(server.requests) == 12 - len(kept) + 1
    assert files_in(tmp_path) == {f"wav/{name}": data for name, data in FILES.items()}


def test_corpus_is_not_seen_before_it_is_whole(server, tmp_path, monkeypatch):
    monkeypatch.setitem(parts.CORPORA, "small", "tests.test_loose:SMALL")  # type: ignore[misc]
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    found: list[list[Path]] = []
    fetch(server, download_folder(SMALL), report=lambda _: found.append([place.root for place in list_places()]))
    assert len(found) > 12
    assert not any(found)
    assert find_place("small").root == tmp_path / "small"


def test_damaged_files_are_named_removed_and_fetched_again(server, tmp_path):
    server.files["a-sad.wav"] = b"<html>Sign in to the network</html>"
    with pytest.raises(DownloadError, match=r"\(Git tree \w{40}, not " + TREE + r"\): a-sad\.wav cannot be decoded"):
        fetch(server, tmp_path)
    assert waiting(tmp_path) == set(FILES) - {"a-sad.wav"}
    server.files["a-sad.wav"] = FILES["a-sad.wav"]
    server.requests.clear()
    fetch(server, tmp_path)
    assert len(server.requests) == 1
    assert len(files_in(tmp_path)) == 12


def test_many_damaged_files_are_counted(server, tmp_path):
    server.files = dict.fromkeys(FILES, b"no sound")
    with pytest.raises(DownloadError, match="and 7 more cannot be decoded"):
        fetch(server, tmp_path)
    assert waiting(tmp_path) == set()


def test_wrong_sounds_remove_all(server, tmp_path):
    server.files["a-sad.wav"] = sound(500)
    with pytest.raises(DownloadError, match="cannot be told which are wrong, and all are removed"):
        fetch(server, tmp_path)
    assert waiting(tmp_path) == set()
    assert not (tmp_path / "wav").exists()


def test_long_files_and_other_addresses_are_refused(server, tmp_path):
    server.files["a-sad.wav"] = b"x" * 301
    with pytest.raises(DownloadError, match=r"a-sad\.wav is longer than the 300 bytes"):
        fetch(server, tmp_path)
    server.files = dict(FILES)
    server.statuses, server.headers = [302] * 12, {"Location": f"{server.url}b-happy.wav"}
    with pytest.raises(DownloadError, match="answers 302"):
        fetch(server, tmp_path)


def test_full_disk_is_refused_before_the_first_byte(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=12 * 4_096))
    with pytest.raises(DownloadError, match="GB are needed"):
        fetch(server, tmp_path)
    assert server.requests == []
    (tmp_path / download.WORK_FOLDER / "wav").mkdir()
    for name in list(FILES)[:6]:
        (tmp_path / download.WORK_FOLDER / "wav" / name).write_bytes(FILES[name])
    fetch(server, tmp_path)
    assert len(server.requests) == 6


def test_two_downloads_into_one_folder_do_not_mix(server, tmp_path):
    failures: list[str] = []

    def second(_: Progress) -> None:
        if not failures:
            with pytest.raises(DownloadError) as error:
                fetch(server, tmp_path)
            failures.append(str(error.value))

    fetch(server, tmp_path, report=second)
    assert "goes on. Wait" in failures[0]


def test_progress_counts_files_to_the_end(server, tmp_path):
    seen: list[Progress] = []
    fetch(server, tmp_path, report=seen.append)
    whole = [progress.overall for progress in seen]
    assert whole == sorted(whole)
    assert (whole[0], whole[-1]) == (0, 1)
    assert {"Fetching: 0 of 12 files", "Fetching: 12 of 12 files", "Checking: 12 of 12 files"} <= set(map(str, seen))


def test_channels_are_those_of_the_files_and_kaggle_has_none(tmp_path):
    with pytest.raises(DownloadError, match=r"Choose burst to download, not \['speech'\]"):
        download_corpus(SMALL, ["speech"], tmp_path)
    with pytest.raises(DownloadError, match=r"Kaggle has no Small\. Download it from GitHub"):
        download_from_kaggle(SMALL, ["burst"], tmp_path)


def test_command_line_fetches_it_and_says_the_licence(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(parts.CORPORA, "small", "tests.test_loose:SMALL")  # type: ignore[misc]
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    assert main(["download", "--corpus", "small", "--mirror", server.url]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(tmp_path / "small")]
    assert "Small: Twelve ramps. Nobody (2000)\nLicence: CC0-1.0 (https://example.org/cc0)\n" in printed.err
    assert len(scan(tmp_path / "small", SMALL, n_jobs=1)) == 12


def completion_page() -> None:
    """The offer to complete a corpus, alone on a page."""
    from pages.ui.dataset.download import show_completion
    from tests.test_loose import SMALL

    show_completion(SMALL)


def test_page_offers_what_is_missing_and_nothing_once_it_is_there(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    monkeypatch.setattr(download_page, "administrator", lambda: "a token")
    app = AppTest.from_function(completion_page).run()
    assert not app.exception
    assert app.pills[0].options == ["Burst · 12 clips · 0 MB"]
    captions = " ".join(caption.value for caption in app.caption)
    assert "GB of room. The checksum" in captions
    assert "Kaggle" not in captions
    assert "`python -m core download --corpus small`" in captions
    fetch(server, tmp_path / "small")
    assert not AppTest.from_function(completion_page).run().button
