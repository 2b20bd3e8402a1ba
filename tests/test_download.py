"""Downloads against a real HTTP server in this process, which breaks off, lies and serves ranges."""

import contextlib
import dataclasses
import hashlib
import io
import sys
import threading
import time
import types
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePath

import pytest

from core.corpus import download, transfer
from core.corpus.base import Clip, Corpus
from core.corpus.catalogue import download_folder, list_places
from core.corpus.download import download_corpus, download_from_kaggle
from core.corpus.index import scan
from core.corpus.ravdess import RAVDESS, parse_name
from core.corpus.sources import Archive, Source
from core.errors import DownloadError
from core.work.background import BackgroundWork, WorkStopped
from core.work.progress import Progress
from tests.conftest import encrypted
from tests.generated import generate_corpus


class PatientServer(ThreadingHTTPServer):
    """A server that lets more callers wait than the usual five: one that is turned away comes back a second later."""

    request_queue_size = 64


class Server:
    """An HTTP server of files, and of the mishaps that tests ask for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.drops: list[int] = []
        """Bytes after which the next answers break off."""
        self.statuses: list[int] = []
        """What the next answers are instead."""
        self.headers: dict[str, str] = {}
        """What stands above these."""
        self.has_ranges = True
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.http = PatientServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range", "")
        self.requests.append(wanted)
        data = self.files.get(handler.path.lstrip("/"))
        if self.statuses or data is None:
            handler.send_response(self.statuses.pop(0) if self.statuses else 404)
            for name, value in self.headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.has_ranges else 0
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        sent = data[start:]
        sent = sent[: self.drops.pop(0)] if self.drops else sent
        with contextlib.suppress(OSError):  # the client has gone
            handler.wfile.write(sent)
        handler.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(transfer.time, "sleep", lambda _: None)


@pytest.fixture(scope="module")
def zips(tmp_path_factory) -> dict[str, bytes]:
    """Archives of one actor, laid out like those of the record."""
    root = tmp_path_factory.mktemp("release")
    paths = generate_corpus(root, actors=[1], duration=0.3, layout="flat")
    return {
        channel: pack({f"Actor_01/{p.name}": p.read_bytes() for p in paths if parse_name(p.stem)["channel"] == channel})
        for channel in ("speech", "song")
    }


def pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return buffer.getvalue()


def offer(server: Server, zips: dict[str, bytes], n_clips: dict[str, int] | None = None) -> Corpus:
    """Put archives on a server, and say what is there."""
    counts = n_clips or {"speech": 60, "song": 44}
    server.files = {f"{channel}.zip": data for channel, data in zips.items()}
    archives = {
        channel: Archive(
            f"{channel}.zip",
            len(data),
            hashlib.md5(data, usedforsecurity=False).hexdigest(),
            counts[channel],
            2 * len(data),
        )
        for channel, data in zips.items()
    }
    return dataclasses.replace(RAVDESS, source=Source(server.url, archives, place))


def place(archive: Archive, clip: Clip) -> PurePath:
    return PurePath(PurePath(archive.name).stem, f"Actor_{clip['speaker']}")


def clips_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.wav"))


def test_both_archives_become_a_corpus_and_nothing_else_is_left(server, zips, tmp_path):
    root = download_corpus(offer(server, zips), ["speech", "song"], tmp_path / "ravdess")
    index = scan(root, RAVDESS, n_jobs=1)
    assert index["channel"].value_counts().to_dict() == {"speech": 60, "song": 44}
    assert (index["error"] == "").all()
    assert sorted(path.name for path in root.iterdir()) == ["song", "speech"]


def test_one_channel_alone_and_what_is_there_is_not_fetched_again(server, zips, tmp_path):
    source = offer(server, zips)
    download_corpus(source, ["song"], tmp_path)
    assert set(scan(tmp_path, RAVDESS, n_jobs=1)["channel"]) == {"song"}
    download_corpus(source, ["song"], tmp_path)
    assert len(server.requests) == 1
    download_corpus(source, ["speech", "song"], tmp_path)
    assert len(server.requests) == 2


def test_dropped_connections_are_taken_up_where_they_broke(server, zips, tmp_path):
    server.drops = [2**16, 2**17]
    download_corpus(offer(server, zips), ["speech"], tmp_path)
    assert server.requests == ["", "bytes=65536-", "bytes=196608-"]
    assert len(clips_in(tmp_path)) == 60


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, zips, tmp_path):
    source = offer(server, zips)
    server.drops = [3 * 2**16, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"cannot be fetched.*0\.2 MB are kept"):
        download_corpus(source, ["speech"], tmp_path)
    assert clips_in(tmp_path) == []
    server.requests.clear()
    download_corpus(source, ["speech"], tmp_path)
    assert server.requests == ["bytes=196608-"]
    assert len(clips_in(tmp_path)) == 60


def test_server_without_ranges_starts_anew_and_the_file_is_right(server, zips, tmp_path):
    server.has_ranges = False
    server.drops = [100_000]
    download_corpus(offer(server, zips), ["speech"], tmp_path)
    assert len(scan(tmp_path, RAVDESS, n_jobs=1)) == 60


def test_wrong_checksum_removes_the_archive_and_says_so(server, zips, tmp_path):
    source = offer(server, zips)
    data = bytearray(zips["speech"])
    data[5_000] ^= 1
    server.files["speech.zip"] = bytes(data)
    with pytest.raises(DownloadError, match=r"speech\.zip was damaged on the way"):
        download_corpus(source, ["speech"], tmp_path)
    assert not list(tmp_path.rglob("*.zip*"))
    assert clips_in(tmp_path) == []


def test_an_encrypted_archive_is_removed_and_said_to_be_one(server, zips, tmp_path):
    source = offer(server, {"speech": encrypted(zips["speech"])}, {"speech": 60})
    with pytest.raises(DownloadError, match="is encrypted"):
        download_corpus(source, ["speech"], tmp_path)
    assert not list(tmp_path.rglob("*.zip*"))


def test_busy_server_is_asked_again_and_a_missing_file_is_not(server, zips, tmp_path):
    source = offer(server, zips)
    server.statuses = [503]
    download_corpus(source, ["speech"], tmp_path)
    assert len(server.requests) == 2
    del server.files["song.zip"]
    with pytest.raises(DownloadError, match="answers 404"):
        download_corpus(source, ["song"], tmp_path)
    assert len(server.requests) == 3


def test_more_bytes_than_the_record_has_are_refused(server, zips, tmp_path):
    source = offer(server, zips)
    server.files["speech.zip"] += b"x" * 10
    with pytest.raises(DownloadError, match="longer than"):
        download_corpus(source, ["speech"], tmp_path)
    assert not list(tmp_path.rglob("*.part"))


def test_offline_is_one_sentence(zips, tmp_path):
    archives = {"speech": Archive("speech.zip", 1_000, "0" * 32, 60, 1_000)}
    nowhere = dataclasses.replace(RAVDESS, source=Source("http://127.0.0.1:9/", archives, place))
    with pytest.raises(DownloadError, match=r"connection breaks off or cannot be made\. Check the connection"):
        download_corpus(nowhere, ["speech"], tmp_path)


def test_full_disk_is_refused_before_the_first_byte(server, zips, tmp_path, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=1_000_000))
    with pytest.raises(DownloadError, match="GB are needed"):
        download_corpus(offer(server, zips), ["speech"], tmp_path)
    assert server.requests == []


def test_only_clips_leave_an_archive_and_only_below_the_folder(server, zips, tmp_path):
    clip = "03-01-01-01-01-01-01.wav"
    hostile = {
        f"../../../{clip}": b"a clip",
        "/etc/passwd": b"root",
        "../../outside.wav": b"x",
        "Actor_01/03-02-01-01-01-01-01.wav": b"a song in the speech archive",
        "Actor_01/03-01-01-01-01-02-01.wav": b"\0" * (RAVDESS.source.max_clip_bytes + 1),
    }
    folder = tmp_path / "a" / "b" / "ravdess"
    download_corpus(offer(server, {"speech": pack(hostile)}, {"speech": 1}), ["speech"], folder)
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [f"a/b/ravdess/speech/Actor_01/{clip}"]


def test_archive_with_too_few_clips_is_refused(server, zips, tmp_path):
    source = offer(server, {"speech": pack({"03-01-01-01-01-01-01.wav": b"x"})}, {"speech": 2})
    with pytest.raises(DownloadError, match="1 of 2 clips"):
        download_corpus(source, ["speech"], tmp_path)


def test_stop_while_unpacking_shows_no_clip_and_loses_none(server, zips, tmp_path, monkeypatch):
    source = offer(server, zips)

    def stop_half_way(progress: Progress) -> None:
        if progress.text.startswith("Unpacking") and progress.share > 0.5:
            raise WorkStopped

    with pytest.raises(WorkStopped):
        download_corpus(source, ["speech"], tmp_path, report=stop_half_way)
    with pytest.raises(Exception, match="No clip of RAVDESS"):
        scan(tmp_path, RAVDESS)
    server.requests.clear()
    download_corpus(source, ["speech"], tmp_path)
    assert server.requests == []
    assert len(scan(tmp_path, RAVDESS, n_jobs=1)) == 60


def test_progress_rises_to_the_end(server, zips, tmp_path):
    seen: list[Progress] = []
    download_corpus(offer(server, zips), ["speech", "song"], tmp_path, report=seen.append)
    fetching = [progress.share for progress in seen if progress.unit == "bytes" and "speech" in progress.text]
    assert fetching == sorted(fetching)
    assert (fetching[0], fetching[-1]) == (0, 1)
    whole = [progress.overall for progress in seen]
    assert whole == sorted(whole)
    assert 0.99 < whole[-1] < 1
    assert any(str(progress) == "Unpacking speech: 59 of 60 clips" for progress in seen)


def test_unknown_channels_are_refused(tmp_path):
    for channels in ([], ["video"]):
        with pytest.raises(DownloadError, match="Choose speech or song"):
            download_corpus(RAVDESS, channels, tmp_path)


def test_two_downloads_into_one_folder_do_not_mix(server, zips, tmp_path):
    source, failures = offer(server, zips), []

    def second(progress: Progress) -> None:
        if not failures:
            try:
                download_corpus(source, ["speech"], tmp_path)
            except DownloadError as error:
                failures.append(str(error))

    download_corpus(source, ["speech"], tmp_path, report=second)
    assert "goes on. Wait" in failures[0]


def test_downloaded_corpus_is_found_once_it_holds_something(server, zips, tmp_path, monkeypatch):
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path))
    found: list[list[Path]] = []
    download_corpus(
        offer(server, zips),
        ["speech"],
        download_folder(RAVDESS),
        report=lambda *_: found.append([place.root for place in list_places()]),
    )
    assert found
    assert not any(found)
    assert [place.root for place in list_places()] == [tmp_path / "ravdess"]
    monkeypatch.setenv("RAVDESS_ROOT", "elsewhere")
    assert [place.root for place in list_places()] == [Path("elsewhere")]


def test_kaggle_copies_are_taken_once(tmp_path, monkeypatch):
    release = tmp_path / "kaggle"
    generate_corpus(release, actors=[1], duration=0.3, layout="kaggle")
    hub = types.ModuleType("kagglehub")
    hub.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    hub.dataset_download = lambda _: str(release)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    index = scan(download_from_kaggle(RAVDESS, ["speech"], tmp_path / "ravdess"), RAVDESS, n_jobs=1)
    assert index["clip"].is_unique
    assert index["channel"].eq("speech").sum() == 60


def test_kaggle_without_its_package_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "has_kaggle", lambda: False)
    with pytest.raises(DownloadError, match="pip install kagglehub"):
        download_from_kaggle(RAVDESS, ["speech"], tmp_path)


def test_archives_are_those_of_the_record():
    speech, song = (dataclasses.astuple(RAVDESS.source.archives[channel]) for channel in ("speech", "song"))
    assert speech[:4] == ("Audio_Speech_Actors_01-24.zip", 208468073, "bc696df654c87fed845eb13823edef8a", 1440)
    assert song[:4] == ("Audio_Song_Actors_01-24.zip", 225505317, "5411230427d67a21e18aa4d466e6d1b9", 1012)


def wait_for(work: BackgroundWork) -> None:
    deadline = time.monotonic() + 10
    while work.state.is_running:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def fail(error: Exception) -> None:
    raise error


def test_background_work_runs_once_stops_and_tells_why_it_failed():
    work, release, waiting = BackgroundWork(), threading.Event(), Progress(1, 2, "files", "Waiting")

    def wait(report) -> None:
        while True:
            report(waiting)
            release.wait(0.01)

    assert work.start(wait)
    assert not work.start(wait)
    while work.state.progress != waiting:
        release.wait(0.01)
    work.stop()
    wait_for(work)
    assert (work.state.is_done, work.state.failure) == (False, None)
    error = DownloadError("no luck")
    assert work.start(lambda _: fail(error))
    wait_for(work)
    assert work.state.failure is error
    assert work.start(lambda _: fail(MemoryError("of all things")))
    wait_for(work)
    assert "log tells more" in str(work.state.failure)
    assert "of all things" not in str(work.state.failure)
    assert work.start(lambda report: report(waiting))
    wait_for(work)
    assert work.state.is_done
