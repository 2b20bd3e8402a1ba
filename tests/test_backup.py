"""Backups: all is there again in an empty place; nothing of a hostile file gets in, or out of its place."""

import hashlib
import io
import json
import os
import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import sqlalchemy as sa

from core.audio import encoder
from core.audio.sound import Sound
from core.command_line.application import main
from core.corpus.samples import list_synthesized
from core.errors import BackupError, SignInError
from core.operations.access.keys import list_keys, make_key
from core.operations.access.sessions import open_session
from core.operations.access.sign_in import ensure_unlock_code, set_password, sign_in
from core.operations.backup.content import TABLES
from core.operations.backup.restoring import restore
from core.operations.backup.writing import back_up
from core.operations.database import close_database, now, reading, writing
from core.operations.feedback.entries import add, list_feedback
from core.operations.jobs.record import list_jobs
from core.operations.tables import feedback, jobs
from core.serving.predictor import Predictor
from core.serving.registry import Registry
from tests.conftest import encode, encrypted, tone

PASSWORD = "a long enough password"


def rows() -> dict[str, list[tuple]]:
    with reading() as connection:
        found = {table.name: connection.execute(sa.select(table).order_by(table.c[0])) for table in TABLES}
        return {name: [tuple(row) for row in result] for name, result in found.items()}


def session() -> str:
    with writing() as connection:
        return open_session("admin", connection)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Turn to an empty place with a database of SQLite."""

    def turn(name: str = "elsewhere") -> Path:
        close_database()
        monkeypatch.delenv("DATABASE_URL", raising=False)
        monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / name / "data"))
        monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / name / "artifacts"))
        return tmp_path / name

    return turn


@pytest.fixture
def used(database, tmp_path, monkeypatch) -> str:
    """A place where somebody did something: the kind of its database."""
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(tmp_path / "artifacts"))
    set_password(ensure_unlock_code() or "", PASSWORD)
    token = session()
    make_key(token, "a robot", per_minute=9, per_day=9)
    probabilities = {"happy": 0.25, "sad": 0.75}
    sound = Sound("a.wav", encode(tone(), 48_000))
    add("sad", probabilities, model="voice-00000000", clip=sound.sha256, consented=sound, container="wav")
    add("happy", probabilities, model="voice-00000000", clip="0" * 64)
    with writing() as connection:
        values = {"actor": "ü", "created": now(), "queued": now(), "fraction": 0.1}
        spec = {"recipe": "voice", "seeds": [1, 2]}
        connection.execute(sa.insert(jobs).values(status="done", spec=spec, **values))
    return str(database)


def test_everything_is_there_again_in_an_empty_place(used, elsewhere, tmp_path):
    file = tmp_path / "all.zip"
    before = rows()
    held = back_up(file)
    assert (held.rows, held.sounds) == (sum(map(len, before.values())), 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    place = elsewhere()
    found = restore(file)
    assert (found.rows, found.sounds, found.notes) == (held.rows, 1, ())
    after = rows()
    restored = after["audit"].pop()
    assert restored[2:4] == ("console", "restore")
    assert after == before
    token = sign_in(PASSWORD)
    assert [key.name for key in list_keys(token)] == ["a robot"]
    assert [entry.label for entry in list_feedback(token)] == ["happy", "sad"]
    (sound,) = (place / "data" / "feedback").glob("*.wav")
    assert sound.read_bytes() == encode(tone(), 48_000)
    assert stat.S_IMODE(sound.stat().st_mode) == 0o600
    with pytest.raises(SignInError):
        sign_in("another password")


def network_of(*nodes: onnx.NodeProto, domain: str = "") -> bytes:
    """A network that reads spectrograms; by default, one that gives the mean of each of 64 bands."""
    reads = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", "t", 64, 1])
    gives = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", "k"])
    mean = onnx.helper.make_node("ReduceMean", ["x"], ["mean" if nodes else "y"], axes=[1, 3], keepdims=0)
    graph = onnx.helper.make_graph([mean, *nodes], "encoder", [reads], [gives])
    used = [onnx.helper.make_opsetid("", 13), *([onnx.helper.make_opsetid(domain, 1)] if domain else [])]
    return onnx.helper.make_model(graph, opset_imports=used, ir_version=8).SerializeToString()


def encoder_of(network: bytes | None = None, **changes: object) -> dict[str, bytes]:
    """The entries of an encoder, with other files, or other fields of its manifest."""
    network = network_of() if network is None else network
    digest = hashlib.sha256(network).hexdigest()
    name = f"bursts-{digest[:8]}"
    recipe = {"widths": [8], "batch_size": 2, "learning_rate": 0.1, "seed": 0, "n_frames": 32, "held_out": 3}
    corpus = {"name": "bursts", "title": "Bursts", "licence": "CC0", "kinds": ["a"], "n_clips": 9, "n_speakers": 3}
    manifest = {"name": name, "recipe": recipe, "widths": [64], "corpora": [corpus], "sha256": digest}
    files = {
        "manifest.json": json.dumps(manifest | changes).encode(),
        "encoder.onnx": network,
        "history.csv": b"epoch,accuracy,loss,val_accuracy,val_loss\n1,0.5,1.0,0.5,1.0\n",
        "card.md": b"# An encoder\n",
    }
    return {f"encoders/{name}/{file}": data for file, data in files.items()}


def test_an_encoder_is_there_again(archive, elsewhere, tmp_path):
    entries = encoder_of()
    file = pack(tmp_path / "all.zip", {**archive, **entries})
    place = elsewhere()
    assert restore(file).models == 1
    assert all((place / "artifacts" / entry).read_bytes() == data for entry, data in entries.items())
    name = next(iter(entries)).split("/")[1]
    assert encoder.encode(np.zeros((20, 64)), name).shape == (64,)


HUGE = onnx.helper.make_tensor("shape", onnx.TensorProto.INT64, [3], [10**5, 10**3, 10**3])
HOSTILE_ENCODERS = {
    "no network": (encoder_of(b"this is no network"), "not an ONNX network"),
    "operators of others": (encoder_of(network_of(domain="evil")), "parts outside of itself"),
    "other numbers than it says": (encoder_of(widths=[63]), "does not answer"),
    "a wish for all memory": (
        encoder_of(
            network_of(
                onnx.helper.make_node("Constant", [], ["shape"], value=HUGE),
                onnx.helper.make_node("ConstantOfShape", ["shape"], ["much"]),
                onnx.helper.make_node("ReduceMax", ["much"], ["little"], keepdims=0),
                onnx.helper.make_node("Add", ["mean", "little"], ["y"]),
            )
        ),
        "does not answer",
    ),
    "no manifest": ({n: b"{" if "json" in n else d for n, d in encoder_of().items()}, "manifest"),
    "a manifest of another one": (encoder_of(name="bursts-00000000"), "is of another one"),
    "another digest": (encoder_of(sha256="0" * 64), "is of another one"),
    "a corpus that is marked up": (encoder_of(corpora=[{"name": "[here](x)"}]), "manifest"),
    "widths that are no numbers": (encoder_of(widths=["64"]), "manifest"),
    "an odd number": (encoder_of(widths=[float("nan")]), "manifest"),
    "no history": ({n: b"" if "csv" in n else d for n, d in encoder_of().items()}, "manifest"),
    "no text as a card": ({n: b"\xff" if "card" in n else d for n, d in encoder_of().items()}, "manifest"),
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", HOSTILE_ENCODERS)
def test_a_hostile_encoder_is_refused(archive, elsewhere, tmp_path, kind):
    entries, said = HOSTILE_ENCODERS[kind]
    file = pack(tmp_path / "hostile.zip", {**archive, **entries})
    place = elsewhere()
    with pytest.raises(BackupError, match=said):
        restore(file)
    assert not list((place / "artifacts").rglob("*.onnx"))
    assert not list((place / "artifacts").rglob("*.partial"))


def test_what_sqlite_kept_goes_into_postgresql_and_numbers_go_on(used, elsewhere, tmp_path, postgres, monkeypatch):
    back_up(tmp_path / "all.zip")
    before = rows()
    elsewhere()
    engine = sa.create_engine(postgres.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"create schema moved_{used}"))
    engine.dispose()
    url = postgres.update_query_dict({"options": f"-csearch_path=moved_{used}"})
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    restore(tmp_path / "all.zip")
    after = rows()
    assert after["feedback"] == before["feedback"]
    add("sad", {"sad": 1.0}, model="voice-00000000", clip="1" * 64)
    with reading() as connection:
        assert connection.scalar(sa.select(sa.func.max(feedback.c.id))) == 3
    close_database()


def test_models_answer_as_before(published, registry, database, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(registry.root))
    expected = Predictor.load().predict_file(list_synthesized()[0].path)
    if database == "sqlite":
        assert main(["backup", str(tmp_path / "all.zip")]) == 2, "there is no database yet"
    with reading():
        pass
    assert main(["backup", str(tmp_path / "all.zip")]) == 0
    place = elsewhere()
    assert main(["restore", str(tmp_path / "all.zip")]) == 0
    assert Registry().champion() == published.name
    assert Predictor.load().predict_file(list_synthesized()[0].path) == expected
    for path in published.folder.iterdir():
        assert (place / "artifacts" / published.name / path.name).read_bytes() == path.read_bytes()


def test_a_restoration_that_was_cut_off_goes_on(published, registry, database, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(registry.root))
    back_up(tmp_path / "all.zip")
    elsewhere()
    shutil.copytree(registry.root / published.name, Registry().root / published.name)
    found = restore(tmp_path / "all.zip")
    assert (found.models, found.notes) == (0, ())
    assert Registry().champion() == published.name


def test_a_file_that_is_there_stays(database, tmp_path):
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(BackupError, match="there already"):
        back_up(tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == "mine"
    assert list(tmp_path.glob("*.partial")) == []


def test_a_database_that_holds_rows_is_not_mixed(used, tmp_path):
    back_up(tmp_path / "all.zip")
    before = rows()
    with pytest.raises(BackupError, match="holds rows already"):
        restore(tmp_path / "all.zip")
    assert rows() == before


@pytest.fixture
def archive(used, tmp_path) -> dict[str, bytes]:
    """The entries of a backup."""
    back_up(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as file:
        return {name: file.read(name) for name in file.namelist()}


def pack(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return path


def line(archive: dict[str, bytes], table: str, **changes: object) -> bytes:
    """The first row of a table with other values, as a line."""
    row = json.loads(archive[f"database/{table}.jsonl"].splitlines()[0])
    return json.dumps(row | changes).encode() + b"\n"


def with_feedback(**changes):
    return lambda a: {**a, "database/feedback.jsonl": line(a, "feedback", **changes)}


def with_job(status="done", **changes):
    return lambda a: {**a, "database/jobs.jsonl": line(a, "jobs", status=status, **changes)}


def nested(depth: int) -> list:
    inner: list = []
    for _ in range(depth):
        inner = [inner]
    return inner


def with_head(**changes):
    return lambda a: {**a, "backup.json": json.dumps(json.loads(a["backup.json"]) | changes).encode()}


HOSTILE_PROBABILITIES = {
    "of another answer": {"happy": 1.0},
    "that are nothing": None,
    "in a list": [1],
    "that are no numbers": {"happy": float("nan"), "sad": 1.0},
    "that are infinite": {"happy": float("inf"), "sad": 1.0},
    "that are huge": {"happy": 10**400, "sad": 1.0},
    "in texts": {"happy": "0.25", "sad": "0.75"},
    "that are more than all": {"happy": 0.75, "sad": 0.75},
    "of no emotions": {"<b>": 0.25, "sad": 0.75},
    "that are deep": nested(900),
    "with a deep one": {"happy": nested(900), "sad": 1.0},
}
HOSTILE_SPECS = {
    "a corpus as a number": {"recipe": "voice", "corpus": 5},
    "a recipe as a list": {"recipe": ["voice"]},
    "other corpora as a number": {"recipe": "voice", "others": 5},
    "other corpora in lists": {"recipe": "voice", "others": [["emovo"]]},
    "protocols as a text": {"recipe": "voice", "protocols": "random"},
    "a protocol that is named upwards": {"recipe": "voice", "protocols": ["../../etc"]},
    "no seed": {"recipe": "voice", "seeds": []},
    "seeds as texts": {"recipe": "voice", "seeds": ["0"]},
    "many seeds": {"recipe": "voice", "seeds": list(range(100))},
    "epochs below one": {"recipe": "reference", "epochs": -1},
    "epochs that are no number": {"recipe": "reference", "epochs": float("nan")},
    "a truth as a text": {"recipe": "voice", "feedback": "yes"},
    "half a character": {"recipe": "voice", "channels": ["\ud800"]},
    "nothing": None,
}
HOSTILE = {
    **{f"probabilities {name}": with_feedback(probabilities=value) for name, value in HOSTILE_PROBABILITIES.items()},
    **{f"a training that asked for {name}": with_job(spec=spec) for name, spec in HOSTILE_SPECS.items()},
    "a training that failed and asked for what none can": with_job("failed", spec={"recipe": "voice", "seeds": [-1]}),
    "an answer of no emotion": with_feedback(answer="angry"),
    "a label of no emotion": with_feedback(label="angry"),
    "feedback on no model": with_feedback(model="../voice-00000000"),
    "a sound of less than nothing": with_feedback(size=-1),
    "half a character as a label": with_feedback(label="\ud800"),
    "half a character in the head": with_head(created="\ud800"),
    "a zero in the head": with_head(created="\0"),
    "half a character in the audit": lambda a: {**a, "database/audit.jsonl": line(a, "audit", detail="\ud800")},
    "a time before all": with_feedback(time="0001-01-01T00:00:00+14:00"),
    "a time after all": with_feedback(time="9999-12-31T23:59:59-12:00"),
    "a training of a model elsewhere": with_job(model="../../etc"),
    "a training with a book as notes": with_job(notes="x" * 1_001),
    "out of its place": lambda a: {**a, "models/../../escaped": b"x"},
    "an absolute name": lambda a: {**a, "/root/escaped": b"x"},
    "a model that is named upwards": lambda a: {**a, "models/../card.md": b"x"},
    "a file that no model has": lambda a: {**a, "models/voice-00000000/network.pkl": b"x"},
    "a sound that is named upwards": lambda a: {**a, "feedback/../escaped.wav": b"x"},
    "a table of sign-ins": lambda a: {**a, "database/sessions.jsonl": b""},
    "no head": lambda a: {name: data for name, data in a.items() if name != "backup.json"},
    "a head that is no object": lambda a: {**a, "backup.json": b"[]"},
    "a deep head": lambda a: {**a, "backup.json": b"[" * 100_000},
    "another revision": lambda a: {**a, "backup.json": a["backup.json"].replace(b'"0', b'"9')},
    "a table missing": lambda a: {name: data for name, data in a.items() if name != "database/keys.jsonl"},
    "a row that is a list": lambda a: {**a, "database/audit.jsonl": b"[]\n"},
    "a column more": lambda a: {**a, "database/audit.jsonl": line(a, "audit", more=1)},
    "a text as a number": lambda a: {**a, "database/jobs.jsonl": line(a, "jobs", attempt="1")},
    "a truth as a number": lambda a: {**a, "database/jobs.jsonl": line(a, "jobs", attempt=True)},
    "no number": lambda a: {**a, "database/jobs.jsonl": line(a, "jobs", fraction=float("nan"))},
    "a huge number": lambda a: {**a, "database/jobs.jsonl": line(a, "jobs", attempt=2**70)},
    "a time without a zone": lambda a: {**a, "database/jobs.jsonl": line(a, "jobs", created="2026-01-01")},
    "a training that is none": lambda a: {**a, "database/jobs.jsonl": line(a, "jobs", spec={"x": 1})},
    "a training in a folder of its own": lambda a: {**a, "database/jobs.jsonl": line(a, "jobs", run="../../etc")},
    "a training in the queue that no form lets through": lambda a: {
        **a,
        "database/jobs.jsonl": line(a, "jobs", status="queued", spec={"recipe": "none"}),
    },
    "a sound that lies elsewhere": lambda a: {**a, "database/feedback.jsonl": line(a, "feedback", clip="../soundweb")},
    "a sound of another kind": lambda a: {**a, "database/feedback.jsonl": line(a, "feedback", container="db")},
    "a status that is none": lambda a: {**a, "database/jobs.jsonl": line(a, "jobs", status="resting")},
    "the same row twice": lambda a: {**a, "database/keys.jsonl": 2 * line(a, "keys")},
    "a character that cannot be stored": lambda a: {**a, "database/audit.jsonl": line(a, "audit", actor="\0")},
    "a row without an end": lambda a: {**a, "database/audit.jsonl": b"1" * (2**20 + 2)},
    "an altered sound": lambda a: {n: d + b"x" if n.startswith("feedback/") else d for n, d in a.items()},
    "an altered encoder": lambda a: {
        **a,
        **{f"encoders/bursts-00000000/{n}": b"x" for n in ("manifest.json", "encoder.onnx", "history.csv", "card.md")},
    },
    "a record that is none": lambda a: {**a, "models/champion.json": b'{"model": 1}'},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_backup_is_refused_and_leaves_no_row(archive, elsewhere, tmp_path, kind):
    changed = HOSTILE[kind](archive)
    assert changed != archive
    file = pack(tmp_path / "hostile.zip", changed)
    elsewhere()
    everything = set(tmp_path.rglob("*"))
    with pytest.raises(BackupError):
        restore(file)
    if kind != "a record that is none":
        assert not any(rows().values())
    new = set(tmp_path.rglob("*")) - everything
    assert all(path.is_relative_to(tmp_path / "elsewhere") for path in new)
    assert not [path for path in new if "escaped" in path.name or path.name.endswith(".partial")]


@pytest.mark.parametrize("spec", [{"recipe": "gone", "seeds": [1]}, {"recipe": "voice", "corpus": "gone"}])
def test_a_finished_training_may_be_of_what_is_not_here(archive, elsewhere, tmp_path, spec):
    file = pack(tmp_path / "all.zip", with_job(spec=spec)(archive))
    elsewhere()
    restore(file)
    [job] = list_jobs()
    assert (job.spec.recipe, job.spec.corpus) == (spec["recipe"], spec.get("corpus", "ravdess"))
    assert job.problem == ""
    waiting = pack(tmp_path / "waiting.zip", with_job("queued", spec=spec)(archive))
    elsewhere("another")
    with pytest.raises(BackupError, match="gone"):
        restore(waiting)


def test_a_model_that_does_not_hold_up_is_left_out_and_the_rest_restored(archive, elsewhere, tmp_path):
    name = "models/voice-00000000"
    bad = {f"{name}/{file}": b"{}" for file in ("manifest.json", "network.keras", "network.onnx", "scaler.json")}
    bad |= {f"{name}/{file}": b"{}" for file in ("history.csv", "metrics.json", "predictions.csv", "card.md")}
    file = pack(tmp_path / "hostile.zip", {**archive, **bad})
    elsewhere()
    found = restore(file)
    assert found.models == 0
    assert "voice-00000000" in found.notes[0]
    assert Registry().names() == []
    assert any(rows().values())


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x05\x06" + bytes(18), b"PK\x03\x04" + bytes(90)])
def test_what_is_no_backup_is_said_to_be_none(elsewhere, tmp_path, data, capsys):
    elsewhere()
    (tmp_path / "file").write_bytes(data)
    assert main(["restore", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert main(["restore", str(tmp_path / "missing")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_an_encrypted_backup_is_refused(archive, elsewhere, tmp_path):
    file = pack(tmp_path / "all.zip", archive)
    file.write_bytes(encrypted(file.read_bytes()))
    elsewhere()
    with pytest.raises(BackupError, match="not a part of a backup"):
        restore(file)


def test_a_mistake_of_the_program_is_no_damaged_file(archive, elsewhere, tmp_path):
    def fail(_):
        raise RuntimeError("a mistake")

    file = pack(tmp_path / "all.zip", archive)
    elsewhere()
    with pytest.raises(RuntimeError, match="a mistake"):
        restore(file, fail)


def test_files_from_before_zip_files_are_backed_up(used, elsewhere, tmp_path):
    [sound] = (tmp_path / "data" / "feedback").glob("*.wav")
    os.utime(sound, (0, 0))
    back_up(tmp_path / "all.zip")
    place = elsewhere()
    restore(tmp_path / "all.zip")
    assert (place / "data" / "feedback" / sound.name).read_bytes() == sound.read_bytes()


def test_a_link_in_an_archive_is_refused(archive, elsewhere, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in archive.items():
            file.writestr(name, data)
        link = zipfile.ZipInfo("models/champion.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    (tmp_path / "hostile.zip").write_bytes(buffer.getvalue())
    elsewhere()
    with pytest.raises(BackupError, match="not a part of a backup"):
        restore(tmp_path / "hostile.zip")


def test_a_bomb_is_counted_while_it_unpacks(archive, elsewhere, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in archive.items():
            file.writestr(name, data)
        file.writestr(f"feedback/{'0' * 64}.wav", bytes(26 * 2**20))
    elsewhere()
    with pytest.raises(BackupError, match="more than"):
        restore(tmp_path / "bomb.zip")
