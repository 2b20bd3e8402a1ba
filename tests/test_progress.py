import pytest

from core.work.progress import Progress, inside


def test_a_piece_is_placed_in_the_work_around_it():
    seen: list[Progress] = []
    studies = inside(seen.append, 0.8, 1.0, phase="studies")
    inside(studies, 0.5, 1.0)(Progress(1, 4, "clips", "Computing features", "noise"))
    assert seen[0].overall == pytest.approx(0.8 + 0.2 * (0.5 + 0.5 / 4))
    assert (seen[0].phase, seen[0].share, seen[0].part) == ("studies", 0.25, "noise")


def test_a_piece_keeps_the_phase_that_it_names_itself():
    seen: list[Progress] = []
    inside(seen.append, 0.0, 0.5)(Progress(1, 2, "clips", "Computing features", phase="features"))
    assert seen[0].phase == "features"


def test_what_nobody_can_count_is_said_without_numbers():
    progress = Progress(3, 0, "files", "Looking for files")
    assert (str(progress), progress.share) == ("Looking for files", 0.0)


def test_shares_stay_between_nothing_and_all():
    assert Progress(12, 10, "seconds", "Listening").share == 1
    assert Progress(-1, 10, "seconds", "Listening").share == 0


def test_numbers_are_said_in_units_that_people_read():
    assert str(Progress(50e6, 208e6, "bytes", "Fetching speech")) == "Fetching speech: 50 of 208 MB"
    assert str(Progress(1, 1440, "clips", "Computing features", "noise")) == (
        "Computing features (noise): 1 of 1,440 clips"
    )


def test_larger_units_are_said_first():
    folds = Progress(1, 5, "folds", "Training")
    assert str(Progress(30, 100, "epochs", "Training", larger=folds)) == "Training: 1 of 5 folds, 30 of 100 epochs"
