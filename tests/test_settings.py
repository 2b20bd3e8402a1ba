import pytest

from core.command_line.application import main
from core.config import check_settings, data_folder, live_users
from core.errors import SettingsError
from core.operations.access.passwords import hash_password
from core.operations.access.sign_in import check_hash
from core.serving.live import LiveSlots
from core.settings import read_count

FOLDERS = ("RAVDESS_ROOT", "SOUNDWEB_DATA", "SOUNDWEB_ARTIFACTS")


@pytest.mark.parametrize("value", ["x", "0", "-1", "2.5", "4 or 5", "²", " "])
def test_a_number_that_is_none_is_said_with_its_name_and_what_is_allowed(monkeypatch, value):
    monkeypatch.setenv("SOUNDWEB_LIVE_USERS", value)
    for use in (live_users, LiveSlots, check_settings):
        with pytest.raises(SettingsError, match=r"SOUNDWEB_LIVE_USERS is .* a whole number from 1") as found:
            use()
        assert repr(value) in str(found.value)


def test_numbers_are_read_and_have_a_default(monkeypatch):
    monkeypatch.setenv("SOUNDWEB_LIVE_USERS", " 12 ")
    assert live_users() == 12
    monkeypatch.setenv("SOUNDWEB_LIVE_USERS", "")
    assert live_users() == 4
    monkeypatch.delenv("SOUNDWEB_LIVE_USERS")
    assert read_count("SOUNDWEB_LIVE_USERS", 7) == 7


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_where_a_folder_should_be_is_said(monkeypatch, tmp_path, name):
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/data"):
        monkeypatch.setenv(name, str(tmp_path / folder))
        with pytest.raises(SettingsError, match=f"{name} is .* takes a folder"):
            check_settings()


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_may_be_missing_as_yet(monkeypatch, tmp_path, name):
    monkeypatch.setenv(name, str(tmp_path / "not" / "yet"))
    check_settings()


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("SOUNDWEB_DATA", "")
    assert data_folder().name == "data"


def test_all_bad_settings_are_said_at_once(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SOUNDWEB_DATA", str(tmp_path / "file"))
    monkeypatch.setenv("SOUNDWEB_LIVE_USERS", "x")
    with pytest.raises(SettingsError, match=r"(?s)SOUNDWEB_DATA.*SOUNDWEB_LIVE_USERS"):
        check_settings()


def test_a_command_says_a_bad_setting_in_one_line_with_status_2(monkeypatch, capsys):
    monkeypatch.setenv("SOUNDWEB_LIVE_USERS", "x")
    assert main(["evaluate"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("error: SOUNDWEB_LIVE_USERS is 'x'")


def test_a_hash_that_no_password_has_is_said_without_showing_it(monkeypatch):
    monkeypatch.setenv("SOUNDWEB_ADMIN_HASH", "hunter2")
    with pytest.raises(SettingsError, match="SOUNDWEB_ADMIN_HASH holds no hash") as found:
        check_hash()
    assert "hunter2" not in str(found.value)
    monkeypatch.setenv("SOUNDWEB_ADMIN_HASH", hash_password("long enough for one"))
    check_hash()
    monkeypatch.delenv("SOUNDWEB_ADMIN_HASH")
    check_hash()
