import numpy as np
import pandas as pd
import pytest

from core.corpus import projection
from core.corpus.projection import choose_clips, load_projection, project, save_projection
from core.corpus.ravdess import RAVDESS
from core.corpus.splits import split_reference
from core.errors import CorpusError
from core.labels import EMOTIONS
from core.learning.reports.leakage import figures_by_protocol, measure_twins
from core.plots import corpus as plots
from core.serving.corpus_map import compute_map, map_path, read_map
from core.serving.predictor import Predictor
from core.work.background import WorkStopped
from core.work.progress import Progress, ignore
from tests.conftest import encrypted


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    """Three groups of points, far apart in 60 dimensions."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 20)
    return (10 * rng.normal(size=(3, 60))[group] + rng.normal(size=(60, 60))).astype(np.float32), group


def test_both_projections_keep_groups_apart(groups):
    X, group = groups
    found = project([str(i) for i in range(60)], X)
    for places in (found.pca, found.tsne):
        distances = np.linalg.norm(places[:, None] - places[None], axis=2) + np.diag([np.inf] * 60)
        np.testing.assert_array_equal(group[distances.argmin(axis=1)], group)


def test_components_are_those_of_the_singular_value_decomposition(groups):
    X, _ = groups
    found = project([str(i) for i in range(60)], X)
    u, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.pca), np.abs(u[:, :2] * s[:2]), rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(found.explained, (s**2 / (s**2).sum())[:2], rtol=1e-3)


def test_a_map_is_the_same_after_storing_and_a_broken_one_is_none(groups, tmp_path):
    X, _ = groups
    made, path = project([str(i) for i in range(60)], X), tmp_path / "maps" / "m.npz"
    save_projection(made, path)
    again = load_projection(path)
    assert again is not None
    np.testing.assert_array_equal(again.tsne, made.tsne)
    assert again.clips.tolist() == made.clips.tolist()
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):  # also in the middle of what is packed
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        load_projection(path)
    path.write_bytes(encrypted(whole))
    assert load_projection(path) is None
    path.write_bytes(whole[:100])
    assert load_projection(path) is None
    assert load_projection(tmp_path / "none.npz") is None


def test_pickles_are_not_loaded(tmp_path):
    np.savez(tmp_path / "m.npz", clips=np.array([{}]), pca=np.zeros((1, 2)), tsne=np.zeros((1, 2)), explained=[1, 0])
    assert load_projection(tmp_path / "m.npz") is None


def test_large_corpora_are_sampled_always_alike(monkeypatch):
    monkeypatch.setattr(projection, "MAX_CLIPS", 50)
    clips = pd.DataFrame({"clip": [str(i) for i in range(200)]})
    assert len(choose_clips(clips)) == 50
    pd.testing.assert_frame_equal(choose_clips(clips), choose_clips(clips))


@pytest.fixture
def few(clips) -> pd.DataFrame:
    return clips.groupby("emotion").head(3).reset_index(drop=True)


def test_map_of_a_corpus_is_computed_once_for_a_model_and_a_corpus(published, few, generated, tmp_path):
    predictor, steps = Predictor(published), []
    assert read_map(published, few, tmp_path) is None
    made = compute_map(predictor, few, generated, tmp_path, steps.append)
    kept = read_map(published, few, tmp_path)
    assert kept is not None
    np.testing.assert_array_equal(kept.pca, made.pca)
    shares = [step.overall for step in steps]
    assert shares == sorted(shares)
    assert read_map(published, few[1:], tmp_path) is None
    assert map_path(published, few, tmp_path).parent == tmp_path / "maps"
    table = made.table(few, "PCA")
    assert table["clip"].tolist() == few["clip"].tolist()
    np.testing.assert_allclose(table[["x", "y"]], made.pca)


def test_stopped_or_impossible_maps_leave_nothing(published, few, generated, tmp_path):
    def stop(progress: Progress) -> None:
        if progress.text.startswith("t-SNE"):
            raise WorkStopped

    with pytest.raises(WorkStopped):
        compute_map(Predictor(published), few, generated, tmp_path, stop)
    assert not (tmp_path / "maps").exists()
    with pytest.raises(CorpusError, match="too few"):
        compute_map(Predictor(published), few[:4], generated, tmp_path, ignore)


def test_points_carry_their_clips_and_the_colour_of_their_emotion(few):
    places = few.assign(x=np.arange(len(few)), y=0.0)
    figure = plots.projection_scatter(places, "emotion", "PCA", ("a", "b"), RAVDESS)
    assert [trace.name for trace in figure.data] == list(EMOTIONS)
    assert len({trace.marker.symbol for trace in figure.data}) == len(EMOTIONS)
    assert {name for trace in figure.data for name in trace.customdata} == set(few["clip"])
    for trace in figure.data:
        assert isinstance(trace.customdata, tuple | list)
        assert trace.marker.color == plots.EMOTION_COLORS[trace.name]
    (numbers,) = plots.projection_scatter(places, "duration", "PCA", ("a", "b"), RAVDESS).data
    assert numbers.marker.showscale


def test_a_ringed_point_still_takes_clicks(few):
    places = few.assign(x=np.arange(len(few)), y=0.0)
    ringed = places.iloc[3]
    *_, ring = plots.projection_scatter(places, "emotion", "PCA", ("a", "b"), RAVDESS, ringed["clip"]).data
    assert (ring.x, ring.y) == ((ringed["x"],), (0.0,))
    assert ring.hoverinfo == "skip"
    assert ring.unselected.marker.opacity == 0
    assert len(plots.projection_scatter(places, "emotion", "PCA", ("a", "b"), RAVDESS, "none").data) == len(EMOTIONS)


@pytest.mark.parametrize("horizontal", [True, False])
def test_bars_show_every_count_and_fade_what_the_filter_leaves_out(horizontal):
    counts = pd.Series({"speech": 1440, "song": 1012})
    (bar,) = plots.count_bars(counts, "channel", ["song"], horizontal=horizontal).data
    assert list(bar.x if horizontal else bar.y) == [1440, 1012]
    assert list(bar.text) == ["1,440", "1,012"]
    assert list(bar.customdata) == ["speech", "song"]
    assert bar.marker.opacity[0] < bar.marker.opacity[1] == 1


def test_twins_are_those_of_the_reference_split(clips):
    (split,) = split_reference(clips)
    evaluated, trained = split.test.tolist(), set(split.train.tolist())
    doubled, once = measure_twins(clips).to_dict("records")
    assert doubled["evaluated"] == len(evaluated)
    assert doubled["twins"] == sum(row in trained for row in evaluated)
    assert doubled["twin_share"] == pytest.approx(doubled["twins"] / doubled["evaluated"])
    assert once["twins"] == 0


def test_figures_are_the_stored_ones_the_leaking_protocol_first(published):
    figures, metrics = figures_by_protocol(published.metrics()), published.metrics()
    assert figures["protocol"].tolist() == ["reference", "speaker-emobox"]
    for row in figures.to_dict("records"):
        assert row["recall"] == metrics[row["protocol"]]["all"]["unweighted_average_recall"]["mean"]
        assert row["twin_share"] == metrics[row["protocol"]]["twin_share"]
