import contextlib
import dataclasses
import hashlib
import io
import subprocess
import sys
import time
import zipfile

import pandas as pd
import pytest
import sqlalchemy as sa
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import logs
from core.audio.sound import Sound
from core.errors import DatabaseError, KeyRefused, NotSignedIn, SoundWebError
from core.labels import EMOTIONS
from core.operations.access import audit, sign_in
from core.operations.access.keys import list_keys, make_key, use_key
from core.operations.access.passwords import hash_password
from core.operations.access.sessions import IDLE_TIMEOUT, require_admin
from core.operations.access.sign_in import ensure_unlock_code, set_password, waiting_time
from core.operations.database import now, writing
from core.operations.feedback import entries
from core.operations.feedback.entries import list_feedback
from core.operations.jobs import queue
from core.operations.jobs.control import resume, submit
from core.operations.jobs.record import estimate, get_job, list_jobs, running_job
from core.operations.models import archives
from core.operations.spec import TrainingSpec
from core.operations.tables import feedback, jobs, sessions
from pages.ui.shared import state
from pages.ui.shared.start import start
from tests.conftest import ROOT, encode, tone
from tests.generated import generate_corpus
from tests.test_contributions import LIVELY, send
from tests.test_model_operations import OTHER, copy_model, with_recall

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

PASSWORD = "a long enough password"
TABS = ["Training", "Models", "Feedback", "Programs", "Audit", "Settings"]


@pytest.fixture(autouse=True)
def log(monkeypatch):
    """Leave the log to pytest where a server is started."""
    monkeypatch.setattr(logs, "configure", lambda: None)


@pytest.fixture
def sleeping(database, monkeypatch):
    """Workers that only sleep, called like real ones."""
    sleepers = []

    def start(job, attempt):
        sleep = ["-c", "import time; time.sleep(600)", "-m", "core", "job", str(job), "--attempt", str(attempt)]
        sleepers.append(subprocess.Popen([sys.executable, *sleep], start_new_session=True))
        return sleepers[-1].pid

    monkeypatch.setattr(queue, "start_worker", start)
    yield sleepers
    for sleeper in sleepers:
        sleeper.kill()
        sleeper.wait()


@pytest.fixture
def fresh(registry, database, monkeypatch) -> AppTest:
    """The app on a fresh server."""
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(registry.root))
    monkeypatch.delenv("RAVDESS_ROOT", raising=False)
    return AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60)


@pytest.fixture
def door(fresh) -> AppTest:
    """The Admin page before anybody signed in."""
    return checked(fresh.run().switch_page("pages/admin.py"))


@pytest.fixture
def admin(fresh, token) -> AppTest:
    """The Admin page of who is signed in."""
    fresh.session_state[state.ADMIN_SESSION] = token
    return checked(fresh.run().switch_page("pages/admin.py"))


def checked(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    elements = [
        *app.markdown, *app.caption, *app.info, *app.error, *app.warning, *app.text, *app.code, *app.get("toast")
    ]  # fmt: skip
    return "\n".join(element.value for element in elements)


def plainly(text: str) -> str:
    """Return Markdown without the marks of what is plain text."""
    return text.replace("\\", "")


def labels(app: AppTest) -> list[str]:
    return [element.label for element in [*app.main.button, *app.main.tabs]]


def open_tab(app: AppTest, name: str) -> AppTest:
    app.session_state[state.ADMIN_TAB] = name
    return checked(app)


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    return checked(app)


def fill(app: AppTest, **values: str) -> None:
    for element in app.text_input:
        for label, value in values.items():
            if element.label.startswith(label.replace("_", " ")):
                element.set_value(value)


def wrong(app: AppTest, password: str) -> AppTest:
    fill(app, Password=password)
    return press(app, "Sign in")


def test_closed_without_a_sign_in(door):
    assert labels(door) == ["Set password", "Use this code"]
    assert [element.value for element in door.title] == ["Admin"]
    assert not door.dataframe
    for token in ("guess", "", 1, True):
        door.session_state[state.ADMIN_SESSION] = token
        assert labels(checked(door)) == ["Set password", "Use this code"]


def test_the_unlock_code_is_printed_when_the_server_starts_and_never_shown(fresh, capfd):
    start(contextlib.ExitStack())
    code = ensure_unlock_code()
    assert capfd.readouterr().err.count(code) == 1
    door = checked(fresh.run().switch_page("pages/admin.py"))
    assert code not in texts(door)
    set_password(code, PASSWORD)
    start(contextlib.ExitStack())
    assert "unlock code" not in capfd.readouterr().err


def test_a_server_that_starts_notices_what_was_cut_off(token, sleeping, caplog):
    job = submit(token, TrainingSpec()).id
    sleeping[0].kill()
    sleeping[0].wait()
    start(contextlib.ExitStack())
    assert get_job(job).status == "lost"
    assert caplog.text == ""


def test_a_server_starts_without_a_database(database, monkeypatch, caplog):
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    start(contextlib.ExitStack())
    assert "DATABASE_URL" in caplog.text


def test_a_server_that_starts_says_which_settings_cannot_be_used(database, monkeypatch, caplog):
    monkeypatch.setenv("SOUNDWEB_LIVE_USERS", "x")
    monkeypatch.setenv("SOUNDWEB_ADMIN_HASH", "no hash")
    start(contextlib.ExitStack())
    assert "SOUNDWEB_LIVE_USERS is 'x'" in caplog.text
    assert "SOUNDWEB_ADMIN_HASH holds no hash" in caplog.text


def test_unlock_code_sets_the_password_and_signs_in(door):
    code = ensure_unlock_code()
    fill(door, Unlock_code="guess", New_password=PASSWORD)
    assert "not the unlock code" in texts(press(door, "Set password"))
    fill(door, Unlock_code=code, New_password=PASSWORD)
    next(one for one in door.text_input if one.label.endswith("again")).set_value("another password")
    assert "two passwords differ" in texts(press(door, "Set password"))
    assert not sign_in.is_configured()
    fill(door, Unlock_code=code, New_password=PASSWORD)
    press(door, "Set password")
    assert "Signed in as admin" in texts(door)
    assert [tab.label for tab in door.tabs] == TABS
    assert not [one for one in door.text_input if one.value == PASSWORD]
    assert require_admin(door.session_state[state.ADMIN_SESSION]) == "admin"


def test_wrong_passwords_are_refused_with_a_growing_wait_and_the_right_one_lets_in(door):
    set_password(ensure_unlock_code(), PASSWORD)
    checked(door)
    for _ in range(3):
        assert "The password is wrong." in texts(wrong(door, "guess guess"))
    assert waiting_time() > 0
    assert "next attempt is possible in" in texts(door)
    assert "Too many attempts failed" in texts(wrong(door, PASSWORD))
    time.sleep(waiting_time())
    assert "Signed in as admin" in texts(wrong(door, PASSWORD))


def test_a_hash_in_the_secrets_is_the_password(fresh):
    fresh.secrets["admin_password_hash"] = hash_password(PASSWORD)
    door = checked(fresh.run().switch_page("pages/admin.py"))
    assert labels(door) == ["Sign in", "Use this code"]
    assert "The password is wrong." in texts(wrong(door, "guess guess"))
    assert "Signed in as admin" in texts(wrong(door, PASSWORD))


@pytest.mark.parametrize(
    ("user", "answer"),
    [
        ({"email": "ada@example.org", "email_verified": True}, "Signed in as ada@example.org"),
        ({"email": "ada@example.org", "email_verified": False}, "does not vouch"),
        ({"email": "ada@example.org"}, "does not vouch"),
        ({"email": "eve@example.org", "email_verified": True}, "not on the list"),
        ({"email_verified": True}, "not on the list"),
        ({}, "does not vouch"),
    ],
)
def test_accounts_enter_by_the_list_alone(fresh, user, answer):
    fresh.secrets["auth"] = {"client_id": "x", "cookie_secret": "y"}
    fresh.secrets["admins"] = ["Ada@example.org"]
    fresh.user = {"is_logged_in": True, **user}
    door = checked(fresh.run().switch_page("pages/admin.py"))
    if answer != "does not vouch":
        press(door, "Continue with this account")
    assert answer in texts(door)
    assert ("Sign out" in labels(door)) == answer.startswith("Signed in")
    assert "Continue with this account" not in labels(door) or answer == "not on the list"


def test_sign_out_closes_the_page_and_the_session(admin, token):
    press(admin, "Sign out")
    assert labels(admin) == ["Set password", "Use this code"]
    with pytest.raises(NotSignedIn):
        require_admin(token)


def test_a_session_that_ended_elsewhere_closes_the_page(admin, token):
    sign_in.sign_out(token)
    checked(admin)
    assert labels(admin) == ["Set password", "Use this code"]
    assert "sign-in has ended" in texts(admin)


def test_only_the_open_tab_is_shown_and_each_can_be_opened(admin, published):
    signals = {
        "Training": "None was started from here yet",
        "Models": "Unweighted average recall",
        "Feedback": "Nobody has said anything yet",
        "Audit": "The last 1,000 entries",
        "Settings": "SOUNDWEB_DATA",
    }
    for name, signal in signals.items():
        shown = texts(open_tab(admin, name))
        assert [other for other, one in signals.items() if one in shown] == [name], signal


def test_without_a_corpus_no_training_starts(admin):
    assert "There is no corpus to train on" in texts(admin)
    assert next(one for one in admin.button if one.label == "Start training").disabled


def test_a_training_is_submitted_watched_cancelled_and_resumed(admin, sleeping, generated, monkeypatch):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    checked(admin.run())
    assert admin.checkbox(key=state.ADMIN_WITH_FEEDBACK).disabled
    send(LIVELY, "sad")
    checked(admin)
    assert "Corpus: " in texts(admin)
    added = admin.checkbox(key=state.ADMIN_WITH_FEEDBACK)
    assert (added.label, added.value) == ("Add sounds from feedback (1 kept)", False)
    added.check()
    admin.number_input(key=state.ADMIN_EPOCHS).set_value(3)
    admin.number_input(key=state.ADMIN_SEED).set_value(4)
    admin.text_area(key=state.ADMIN_NOTES).set_value("![note](http://127.0.0.1/x.png)")
    press(admin, "Start training")
    job = running_job()
    assert (job.spec.recipe, job.spec.epochs, job.spec.seeds) == ("reference", 3, (4,))
    assert job.spec.feedback
    assert "Training 1 runs" in texts(admin)
    assert "**Training 1** · reference" in texts(admin)
    assert "![note](http://127.0.0.1/x.png)" in [one.value for one in admin.main.text]
    assert all("127.0.0.1" not in one.value for one in [*admin.markdown, *admin.caption])
    press(admin, "Start training")
    assert "Waiting in the queue: 1." in texts(admin)
    press(admin, "Take out of the queue")
    press(admin, "Cancel")
    assert sorted(job.status for job in list_jobs()) == ["cancelled", "cancelled"]
    assert "Cancel" not in labels(admin)
    press(admin, "Resume")
    assert [job.status for job in list_jobs()] == ["running", "cancelled"]


def test_the_settings_of_a_training_fill_the_form(admin, token, sleeping, generated, monkeypatch):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    spec = TrainingSpec(protocols=("reference", "random"), seeds=(3, 4), epochs=7, channels=("speech",), promote=True)
    submit(token, spec, "as before")
    press(checked(admin), "Use its settings")
    assert admin.session_state[state.ADMIN_FORM]
    press(admin, "Start training")
    found = get_job(2)
    assert (found.spec, found.notes) == (spec, "as before")


def test_trainings_stand_side_by_side(admin, token, sleeping, generated, monkeypatch):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    for seed in (0, 5):
        submit(token, TrainingSpec(seeds=(seed,)))
    checked(admin)
    admin.multiselect(key=state.ADMIN_JOB).set_value([1, 2])
    table = checked(admin).dataframe[1].value
    assert table.loc["Seeds"].tolist() == ["≠", "5", "0"]
    assert table.loc["Recipe"].tolist() == ["", "reference", "reference"]
    assert admin.query_params[state.ADMIN_JOB] == ["1", "2"]


def keep_job(**spec) -> None:
    """Write a finished training into the database as it never was submitted."""
    values = {"actor": "admin", "created": now(), "queued": now(), "status": "failed", "run": "voice-00000000"}
    with writing() as connection:
        connection.execute(sa.insert(jobs).values(spec=spec, model="voice-00000000", **values))


@pytest.mark.parametrize(
    "spec",
    [
        {"recipe": "gone"},
        {"recipe": "reference", "corpus": "gone"},
        {"recipe": "reference", "corpus": 5},
        {"recipe": ["reference"]},
        {"recipe": "reference", "others": 5, "seeds": None, "epochs": "x"},
        {"recipe": "reference", "protocols": ["../.."]},
    ],
)
def test_a_training_that_cannot_be_shown_leaves_the_others(admin, token, sleeping, generated, monkeypatch, spec):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    good = submit(token, TrainingSpec())
    queue.finish(good, "done", model="")
    with writing() as connection:
        connection.execute(sa.update(jobs).values(epochs_trained=1))
    keep_job(**spec)
    with writing() as connection:
        connection.execute(sa.update(jobs).values(epochs_trained=1))
    bad, shown = checked(admin).dataframe[0].value.to_dict("records")
    assert (bad["number"], shown["number"], shown["recipe"]) == (2, 1, "reference")
    is_readable = get_job(2).problem == ""
    assert is_readable == ("gone" in spec.values())
    assert is_readable or get_job(2).problem in (bad["message"], texts(admin))
    assert next(one for one in admin.button if one.label == "Use its settings").disabled
    assert not any(one.label == "Resume" for one in admin.button)
    assert "cannot be resumed" in texts(admin)
    with pytest.raises(SoundWebError):
        resume(token, 2)
    assert get_job(2).status == "failed"
    admin.multiselect(key=state.ADMIN_JOB).set_value([1, 2])
    checked(admin)
    assert estimate(TrainingSpec()) is not None


def test_several_corpora_train_or_are_tried(admin, sleeping, generated, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "manifest.csv").write_text("file,emotion,speaker\na.wav,sad,1\nb.wav,happy,1\n")
    monkeypatch.setenv("SOUNDWEB_CORPORA", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    checked(admin)
    admin.multiselect(key=state.ADMIN_OTHERS).set_value(["one"])
    admin.multiselect(key=state.ADMIN_TRIED).set_value(["one", "two"])
    press(admin, "Start training")
    assert (running_job().spec.others, running_job().spec.tried) == (("one",), ("two",))


def test_wishes_that_can_not_be_published_do_not_start(admin, generated, monkeypatch):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    admin.session_state[state.ADMIN_PROTOCOLS] = ["random"]
    checked(admin)
    assert "Choose that protocol too" in texts(admin)
    assert next(one for one in admin.button if one.label == "Start training").disabled


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A corpus of three speakers."""
    generate_corpus(tmp_path / "few", actors=(1, 2, 3), duration=0.5)
    monkeypatch.setenv("RAVDESS_ROOT", str(tmp_path / "few"))


def test_an_evaluation_that_the_clips_do_not_allow_is_refused_in_the_form(admin, few):
    checked(admin)
    assert "Only 2 speakers remain" in texts(admin)
    assert "Leave out the protocol 'speaker-luna'" in plainly(texts(admin))
    assert next(one for one in admin.button if one.label == "Start training").disabled
    admin.session_state[state.ADMIN_PROTOCOLS] = ["reference", "random"]
    checked(admin)
    assert "Only 2 speakers remain" not in texts(admin)
    assert not next(one for one in admin.button if one.label == "Start training").disabled


@pytest.mark.parametrize(("protocol", "resumes"), [("reference", True), ("speaker-emobox", False)])
def test_what_would_fail_again_is_not_resumed(admin, token, sleeping, few, protocol, resumes):
    job = submit(token, TrainingSpec(protocols=("reference", protocol) if not resumes else (protocol,)))
    with writing() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job.id).values(status="failed"))
    checked(admin)
    assert ("Resume" in labels(admin)) == resumes
    assert ("cannot be resumed with the clips that are here" in texts(admin)) != resumes


def test_a_lost_training_is_noticed_by_looking(admin, sleeping, generated, monkeypatch):
    monkeypatch.setenv("RAVDESS_ROOT", str(generated))
    press(checked(admin), "Start training")
    sleeping[0].kill()
    sleeping[0].wait()
    checked(admin)
    assert list_jobs()[0].status == "lost"
    assert "Resume it to go on" in texts(admin)


@pytest.fixture
def models(admin, registry, published) -> AppTest:
    """The tab of the models, with a second one that is worse."""
    copy_model(registry, published, **with_recall(published, -0.05))
    return open_tab(admin, "Models")


def choose(app: AppTest, name: str) -> None:
    app.selectbox(key=state.ADMIN_MODEL).set_value(name)
    checked(app)


def test_a_worse_model_is_put_in_use_only_with_its_name_typed_and_taken_back(models, registry, published, token):
    choose(models, OTHER)
    assert "which is in use" in texts(models)
    press(models, "Put in use")
    assert registry.champion() == published.name
    assert "type its name" in models.error[0].value
    models.text_input(key=f"{state.ADMIN_CONFIRM}-{OTHER}-{published.name}").set_value(OTHER)
    press(checked(models), "Put in use")
    assert registry.champion() == OTHER
    assert OTHER in models.sidebar.markdown[0].value, "running sessions have it at once"
    press(models, f"Roll back to {published.name}")
    assert registry.champion() == published.name
    assert [entry.action for entry in audit.list_entries(token)] == ["roll back", "promote", "promotion refused"]
    shown = open_tab(models, "Audit").dataframe[0].value
    assert shown["action"].tolist() == ["roll back", "promote", "promotion refused"]


def test_a_model_is_deleted_only_with_its_name_typed_and_never_the_one_in_use(models, registry, published):
    choose(models, published.name)
    assert not {"Delete model", "Put in use"} & set(labels(models))
    choose(models, OTHER)
    press(models, "Delete model")
    assert OTHER in registry.names()
    models.text_input(key=f"{state.ADMIN_DELETE}-{OTHER}").set_value(OTHER)
    press(checked(models), "Delete model")
    assert registry.names() == [published.name]


def test_the_table_has_the_figures_that_count_first(models, published):
    table = models.dataframe[0].value
    assert table.columns[2] == "speaker-emobox, speech"
    mean = published.metrics()["speaker-emobox"]["speech"]["unweighted_average_recall"]["mean"]
    row = table[table["model"] == published.name].iloc[0]
    assert row["speaker-emobox, speech"] == pytest.approx(100 * mean)
    assert bool(row["in use"])


def test_figures_that_a_model_has_not_are_not_evaluated(admin, registry, published):
    copy_model(registry, published, **{"speaker-emobox": {"seeds": [0], "twin_share": 0.0}})
    open_tab(admin, "Models")
    assert admin.dataframe[0].value["speaker-emobox, speech"].isna().sum() == 1
    assert admin.dataframe[0].proto.placeholder == "not evaluated"


def test_a_model_travels_as_a_zip_file(models, registry, published, token):
    registry.delete(OTHER)
    copy_model(registry, published)
    data = archives.export_model(token, OTHER)
    registry.delete(OTHER)
    checked(models).main.file_uploader[0].upload("model.zip", data)
    press(checked(models), "Import")
    assert OTHER in registry.names()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("![x](http://127.0.0.1)", "")
    models.main.file_uploader[0].upload("bad.zip", buffer.getvalue())
    press(checked(models), "Import")
    assert "The file was refused" in texts(models)
    assert "127.0.0.1" in models.main.text[-1].value


@pytest.fixture
def answered(fresh) -> tuple[AppTest, bytes]:
    """A sound that was answered on Predict."""
    fresh.run().file_uploader(key=state.SOUND.uploads).upload("lively.flac", LIVELY)
    return checked(fresh), LIVELY


def key(prefix: str, data: bytes) -> str:
    return f"{prefix}-{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("consents", [False, True])
def test_a_visitor_says_what_a_sound_was_once(answered, token, published, consents):
    app, data = answered
    app.selectbox(key=key(state.FEEDBACK_LABEL, data)).set_value("sad")
    app.checkbox(key=key(state.FEEDBACK_CONSENT, data)).set_value(consents)
    app.button(key=key(state.FEEDBACK_SEND, data)).click()
    assert "Thank you" in texts(checked(app))
    assert "Send" not in labels(app)
    (entry,) = list_feedback(token)
    assert (entry.label, entry.model, entry.container) == ("sad", published.name, "flac" if consents else "")
    assert (entry.path is not None and entry.path.read_bytes() == data) == consents


def test_a_broken_database_leaves_the_answer_alone_and_says_nothing_of_itself(answered, monkeypatch):
    app, data = answered

    def fail(*_, **__):
        raise DatabaseError("The database postgresql://secret-host cannot be used.")

    monkeypatch.setattr(entries, "add", fail)
    app.button(key=key(state.FEEDBACK_SEND, data)).click()
    assert "cannot be kept just now" in texts(checked(app))
    assert "secret-host" not in texts(app)
    assert "confident" in texts(app)
    assert app.get("bidi_component")
    assert app.get("plotly_chart")


def test_an_app_without_a_database_still_answers(registry, database, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://nowhere")
    monkeypatch.setenv("SOUNDWEB_ARTIFACTS", str(registry.root))
    app = checked(AppTest.from_file(str(ROOT / "soundwebapp.py"), default_timeout=60))
    app.file_uploader(key=state.SOUND.uploads).upload("lively.flac", LIVELY)
    assert "confident" in texts(checked(app))
    app.switch_page("pages/admin.py")
    assert "DATABASE_URL" in texts(checked(app))
    assert not app.tabs


def test_the_door_says_nothing_of_where_the_database_is(fresh, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://owner:secret@127.0.0.1:1/inner")
    door = checked(fresh.run().switch_page("pages/admin.py"))
    assert "The server's log says where it is" in texts(door)
    assert not any(word in texts(door) for word in ("127.0.0.1", "owner", "inner"))


def test_several_pieces_of_feedback_are_deleted_at_once(admin, token):
    for emotion in ("sad", "happy", "angry"):
        send(LIVELY, emotion)
    newest, middle, _ = list_feedback(token)
    open_tab(admin, "Feedback")
    admin.session_state[f"admin-feedback-{newest.id}-3"] = {"selection": {"rows": [0, 2]}}
    admin.run()
    press(admin, "Delete the 2 chosen, with what was kept of the sound")
    assert [entry.id for entry in list_feedback(token)] == [middle.id]
    assert "2 deleted" in texts(admin)


def test_feedback_whose_sound_is_gone_can_be_deleted(admin, token):
    send(LIVELY, "sad")
    list_feedback(token)[0].path.unlink()
    assert "cannot be read here" in texts(open_tab(admin, "Feedback"))
    press(admin, "Delete, with its sound")
    assert list_feedback(token) == []


def test_a_folder_that_takes_no_unlock_code_is_a_sentence(door, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sign_in, "write_code", refuse)
    assert "No unlock code can be written" in texts(checked(door))


def test_feedback_is_listed_drawn_and_deleted(admin, token, published):
    probabilities = dict.fromkeys(EMOTIONS, 0.125)
    data = encode(tone(250), 48_000)
    digest = hashlib.sha256(data).hexdigest()
    sound = Sound("a.wav", data)
    entries.add(
        "sad", probabilities, model=published.name, clip=digest, consented=sound, container="wav"
    )  # fmt: skip
    open_tab(admin, "Feedback")
    assert admin.get("plotly_chart")
    assert admin.get("bidi_component")
    press(admin, "Delete, with its sound")
    assert list_feedback(token) == []
    assert "Nobody has said anything yet" in texts(admin)


@pytest.mark.parametrize(
    "probabilities", [{"happy": 1.0}, None, [1], {"sad": float("nan")}, {"sad": "x"}, "sad", {"sad": [0.5]}]
)
def test_feedback_that_cannot_be_read_leaves_the_rest(admin, token, probabilities):
    send(LIVELY, "sad")
    [good] = list_feedback(token)
    with writing() as connection:
        values = dataclasses.asdict(good) | {"id": 2, "answer": "sad", "container": "", "size": 0}
        connection.execute(sa.insert(feedback).values(values | {"probabilities": probabilities}))
    bad, shown = open_tab(admin, "Feedback").dataframe[-1].value.to_dict("records")
    assert (bad["number"], shown["number"], shown["answer"]) == (2, 1, good.answer)
    assert pd.isna(bad["confidence"])
    assert shown["confidence"] == good.probabilities[good.answer]
    press(admin, "Delete")
    assert list_feedback(token) == [good]


def test_the_idle_time_runs_on_while_a_screen_refreshes_itself(admin, sleeping):
    with writing() as connection:
        connection.execute(sessions.update().values(last_used=sign_in.now() - 0.9 * IDLE_TIMEOUT))
    admin.session_state[state.ADMIN_POLLED] = True
    checked(admin)
    assert last_used() < sign_in.now() - 0.8 * IDLE_TIMEOUT
    checked(admin)
    assert last_used() > sign_in.now() - 0.1 * IDLE_TIMEOUT


def last_used():
    with writing() as connection:
        return connection.execute(sessions.select()).one().last_used


def test_keys_of_programs_are_made_shown_once_and_revoked(admin, token):
    open_tab(admin, "Programs")
    assert "no program is answered" in admin.info[0].value
    admin.text_input[0].set_value("a robot")
    press(admin, "Make the key")
    key = admin.code[0].value
    assert use_key(key) == "a robot"
    assert key in admin.code[1].value
    assert admin.dataframe[0].value["name"].tolist() == ["a robot"]
    press(admin, "Done")
    assert key not in [element.value for element in admin.code]
    assert "cannot be taken back" in texts(admin)
    assert use_key(key) == "a robot"
    press(admin, "Revoke this key")
    with pytest.raises(KeyRefused):
        use_key(key)
    assert "revoked" in admin.dataframe[0].value["state"].tolist()[0]
    press(admin, "Make the key")
    assert "Name the program" in admin.error[0].value
    assert len(list_keys(token)) == 1


def test_the_line_for_a_shell_names_the_address_of_the_page(admin, monkeypatch):
    address = "https://voice.example.org:8443/app"
    monkeypatch.setattr(type(st.context), "url", property(lambda _: f"{address}/admin"))
    open_tab(admin, "Programs")
    admin.text_input[0].set_value("a robot")
    press(admin, "Make the key")
    assert f" {address}/api/v1/predict" in admin.code[1].value


def test_a_key_that_nobody_used_was_never_used(admin, token):
    make_key(token, "a robot", per_minute=1, per_day=1)
    open_tab(admin, "Programs")
    table = admin.dataframe[0]
    assert table.value["used"].isna().all()
    assert table.proto.placeholder == "never"


def test_a_new_key_goes_with_the_sign_out(admin):
    open_tab(admin, "Programs")
    admin.text_input[0].set_value("a robot")
    press(admin, "Make the key")
    press(admin, "Sign out")
    assert state.ADMIN_NEW_KEY not in admin.session_state
