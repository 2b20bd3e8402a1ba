"""What errors say to whoever reads them."""

import pytest

from core.errors import DatabaseError, SoundWebError


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("'/srv/my data/ravdess' is gone. Set RAVDESS_ROOT.", "'…/ravdess' is gone. Set RAVDESS_ROOT."),
        ("'C:\\srv\\a b.csv' lacks a column.", "'…/a b.csv' lacks a column."),
        ("Another process trains /srv/runs/a-1/fold-0. Wait.", "Another process trains …/fold-0. Wait."),
        ("[Errno 2] No such file: '/srv/a.csv'", "[Errno 2] No such file: '…/a.csv'"),
        ("https://a.example/b/c cannot be fetched, and/or 'talk.wav' is 1/2 empty.", None),
    ],
)  # fmt: skip
def test_folders_of_the_machine_are_told_to_nobody(said, told):
    assert SoundWebError(said).told == (told or said)


def test_where_the_database_is_is_told_to_nobody():
    error = DatabaseError("The database sqlite:////srv/soundweb.db cannot be used.", "disk is full")
    assert error.told == "The database cannot be used just now (disk is full). Try again later."
    assert "where" not in DatabaseError("postgresql://where/x").told
