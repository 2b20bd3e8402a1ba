import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from core.config import SAMPLE_RATE
from core.corpus.ravdess import RAVDESS
from core.labels import EMOTIONS
from core.plots import metrics, operations
from core.plots import sound as plots
from core.plots.style import EMOTION_COLORS
from core.plots.timeline import moving_bars, overview, shares, timeline
from core.serving.segments import NO_SPEECH, UNSURE, Reading, Segment
from core.serving.timeline import Window

LIGHT, DARK = "#FFFFFF", "#12161B"  # backgrounds in .streamlit/config.toml

# Machado GM, Oliveira MM, Fernandes LAF (2009): complete deficiency, on linear RGB.
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]


def linear(color: str) -> np.ndarray:
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(color: str) -> float:
    return float(linear(color) @ [0.2126, 0.7152, 0.0722])


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = np.clip(to_xyz @ rgb, 0, None) / [0.9505, 1, 1.089]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("background", [LIGHT, DARK])
@pytest.mark.parametrize("emotion", EMOTIONS)
def test_colours_stand_out_on_both_themes(emotion, background):
    bright, dark = sorted((luminance(EMOTION_COLORS[emotion]), luminance(background)), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 3


@pytest.mark.parametrize("vision", [np.eye(3), PROTANOPIA, DEUTERANOPIA], ids=["common", "protanopia", "deuteranopia"])
def test_colours_differ_for_every_vision(vision):
    seen = {e: lab(np.clip(np.array(vision) @ linear(c), 0, 1)) for e, c in EMOTION_COLORS.items()}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(EMOTIONS, 2))
    assert nearest > 20


def test_no_two_emotions_are_of_one_colour_to_the_common_eye():
    seen = {e: lab(linear(c)) for e, c in EMOTION_COLORS.items()}
    assert min(np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(EMOTIONS, 2)) > 28


def test_bars_show_all_probabilities_with_the_best_on_top():
    probabilities = dict(zip(EMOTIONS, np.arange(8) / 28, strict=True))
    (bar,) = plots.probability_bars(probabilities).data
    assert bar.y[-1] == "surprised"
    assert dict(zip(bar.y, bar.x, strict=True)) == probabilities
    assert list(bar.marker.color) == [EMOTION_COLORS[emotion] for emotion in bar.y]


def test_envelope_keeps_every_peak():
    y = np.zeros(100_000, np.float32)
    y[[1_234, 56_789]] = [0.9, -0.8]
    times, low, high = plots.envelope(y, 22_050)
    assert (high.max(), low.min()) == pytest.approx((0.9, -0.8))
    assert times[high.argmax()] == pytest.approx(1_234 / 22_050, abs=0.006)


COUNTS = pd.DataFrame([[8, 2, 0], [1, 3, 4]], index=["calm", "sad"], columns=["calm", "sad", "surprised"])


def test_every_cell_can_be_clicked_and_knows_its_emotions():
    heat, numbers, marks = metrics.confusion_matrix(COUNTS, ("sad", "surprised")).data
    np.testing.assert_allclose(heat.z, [[80, 20, 0], [12.5, 37.5, 50]])
    cells = [(true, answered) for true in COUNTS.index for answered in COUNTS.columns]
    assert [tuple(cell) for cell in marks.customdata] == cells
    assert list(zip(marks.y, marks.x, strict=True)) == cells
    assert [text.split("<")[1][2:] for text in numbers.text if "<" in text] == ["8", "2", "1", "3", "4"]
    assert marks.text[5] == "4 of 8 sad clips"


def test_chosen_cell_is_outlined():
    (outline,) = metrics.confusion_matrix(COUNTS, ("sad", "surprised")).layout.shapes
    assert (outline.x0, outline.x1, outline.y0, outline.y1) == (1.5, 2.5, 0.5, 1.5)
    assert not metrics.confusion_matrix(COUNTS, ("happy", "sad")).layout.shapes


def test_training_curves_mark_the_chosen_epoch():
    columns = ["epoch", "accuracy", "average_accuracy", "loss", "val_accuracy", "val_loss", "is_chosen"]
    rows = [[1, 0.3, 0.25, 2.0, 0.2, 2.1, False], [2, 0.6, 0.55, 1.0, 0.5, 1.2, True]]
    figure = metrics.training_curves(pd.DataFrame(rows, columns=columns))
    *curves, point = figure.data
    assert len(curves) == 5
    assert list(point.x) == [2]
    np.testing.assert_allclose(point.y, [55])
    assert point.name == "chosen: epoch 2"


def test_threshold_is_marked_on_the_curve():
    curve = pd.DataFrame({"threshold": [0.9, 0.5, 0.2], "coverage": [0.3, 0.6, 1.0], "risk": [0.1, 0.2, 0.4]})
    _, mark = metrics.risk_coverage(curve, 0.4).data
    assert (list(mark.x), list(mark.y)) == ([60], [20])
    assert len(metrics.risk_coverage(curve, None).data) == 1


def test_people_are_drawn_beside_speech_alone():
    table = pd.DataFrame(
        {"protocol": ["random"], "n_clips": [9], "recall": [0.5], "recall_low": [0.4], "recall_high": [0.65]}
    )
    figure = metrics.protocol_bars(table, chance=1 / 8, listeners=RAVDESS.listeners)
    assert [note.text for note in figure.layout.annotations] == ["chance<br>12.5", "people<br>62.4"]
    assert figure.data[0].error_y.array[0] == pytest.approx(15)
    assert figure.data[0].error_y.arrayminus[0] == pytest.approx(10)
    assert len(metrics.protocol_bars(table, chance=1 / 8, listeners=None).layout.annotations) == 1


@pytest.mark.parametrize(
    ("protocol", "newness"),
    [("reference", "same clips"), ("random", "same voices"), ("speaker", "new voices"), ("corpus-emovo", "new corpus")],
)
def test_protocols_say_what_is_new_about_their_clips(protocol, newness):
    row = {"protocol": protocol, "n_clips": 9, "recall": 0.5, "recall_low": 0.4, "recall_high": 0.6}
    (bars,) = metrics.protocol_bars(pd.DataFrame([row]), chance=1 / 8, listeners=None).data
    assert list(bars.x) == [f"{protocol}<br>{newness}"]


def test_reliability_stands_over_the_number_of_answers():
    bins = pd.DataFrame({"low": [0.4, 0.8], "high": [0.6, 1.0], "n_answers": [3, 5]})
    _, line, bars = metrics.reliability_diagram(bins.assign(confidence=[0.5, 0.9], accuracy=[0.4, 1.0]), 0.05).data
    assert (list(line.x), list(line.y)) == ([0.5, 0.9], [40, 100])
    assert (list(bars.x), list(bars.y)) == ([0.5, 0.9], [3, 5])


def test_models_are_drawn_with_their_intervals_and_chance():
    rows = {"model": ["a", "b"], "n_clips": [9, 9], "recall": [0.6, 0.5], "recall_low": [0.4, 0.4]}
    figure = metrics.model_bars(pd.DataFrame({**rows, "recall_high": [0.7, 0.6]}), 1 / 8, "speech")
    assert list(figure.data[0].x) == ["a", "b"]
    assert list(figure.data[0].error_y.arrayminus) == pytest.approx([20, 10])
    assert [note.text for note in figure.layout.annotations] == ["chance<br>12.5"]


def test_trainings_are_curves_of_their_own_and_a_single_epoch_is_a_mark():
    long = pd.DataFrame({"epoch": [1, 2], "val_accuracy": [0.4, 0.5], "val_loss": [1.5, 1.2]})
    figure = operations.run_curves({"first": long, "second": long[:1]})
    assert [(curve.name, list(curve.y)) for curve in figure.data[:2]] == [("first", [40, 50]), ("first", [1.5, 1.2])]
    assert [curve.mode for curve in figure.data] == ["lines", "lines", "lines+markers", "lines+markers"]
    assert figure.data[0].line != figure.data[2].line


def test_studies_have_a_bar_for_each_case_and_channel_evaluated():
    table = pd.DataFrame({"case": ["as recorded", "telephone"], "speech": [0.6, 0.5], "song": [np.nan, np.nan]})
    (bars,) = metrics.study_bars(table, "On degraded sound").data
    assert (list(bars.x), list(bars.y)) == ([60, 50], ["as recorded", "telephone"])


def bars(y_proba: np.ndarray | None) -> list[tuple[str, float, str]]:
    rows = ElementTree.fromstring(moving_bars(EMOTIONS, y_proba)).findall("div")[1:]  # noqa: S314
    drawn = []
    for row in rows:
        name, bar = row.findall("span")
        style = bar[0].get("style") or ""
        width, color = re.findall(r"width:([\d.]+)%;background:(#\w+)", style)[0]
        drawn.append((name.text or "", float(width), color))
    return drawn


def test_moving_bars_keep_their_order_and_only_change_their_length():
    y_proba = np.linspace(0, 1, len(EMOTIONS))
    for shown in (y_proba, y_proba[::-1]):
        names, widths, colors = zip(*bars(shown), strict=True)
        assert names == EMOTIONS
        assert widths == pytest.approx(84 * shown, abs=0.1)
        assert list(colors) == [EMOTION_COLORS[name] for name in EMOTIONS]
    assert {width for _, width, _ in bars(None)} == {0.0}


def reading(k: int, emotion: int | None) -> Reading:
    y_proba = None if emotion is None else np.eye(len(EMOTIONS))[emotion]
    window = Window(k * SAMPLE_RATE, 0, (k + 1) * SAMPLE_RATE, None, -20.0, None if emotion is None else 200.0)
    return Reading(window, y_proba, () if emotion is None else EMOTIONS, 0.5)


def test_timeline_stacks_to_one_and_shows_silence_as_a_gap():
    figure = timeline([reading(0, 1), reading(1, None), reading(2, 6)], 0, 3)
    areas = {area.name: area.y.tolist() for area in figure.data if area.stackgroup}
    assert list(areas) == [*EMOTIONS, NO_SPEECH]
    assert np.sum(list(areas.values()), axis=0).tolist() == [1, 1, 1, 1]
    assert areas[NO_SPEECH] == [0, 1, 0, 0]
    assert [note.text for note in figure.layout.annotations] == ["calm", "sad"]
    pitch = next(line.y for line in figure.data if line.name == "pitch (Hz)")
    assert np.isnan(pitch).tolist() == [False, True, False]
    for axis in (figure.layout.xaxis, figure.layout.yaxis, figure.layout.yaxis2, figure.layout.yaxis3):
        assert axis.title.text


def test_short_stretches_are_named_upright_above_the_plot():
    short = [reading(0, 1), *(reading(k, 6) for k in range(1, 20))]
    notes = timeline(short, 0, 20).layout.annotations
    assert [(note.text, note.textangle) for note in notes] == [("calm", -90), ("sad", 0)]
    assert timeline(short, 0, 20).layout.margin.t > timeline(short[1:], 1, 20).layout.margin.t


def test_shares_are_labelled():
    figure = shares({"sad": 0.75, NO_SPEECH: 0.248, "calm": 0.002})
    assert list(figure.data[0].text) == ["75%", "25%", "&lt;1%"]


def test_overview_of_an_hour_fills_each_block_and_marks_the_shown_part():
    segments = [Segment(0, 1_000, "sad", "sad", 0.9), Segment(1_000, 1_010, UNSURE, "calm", 0.2)]
    segments.append(Segment(1_010, 3_592, NO_SPEECH, None, 0.0))
    figure = overview(segments, 240.0, 360.0)
    assert [bar.name for bar in figure.data] == ["sad", UNSURE, NO_SPEECH]
    assert len(figure.data[0].x) == 120
    assert set(figure.data[0].width[:-1]) == {30.0}
    assert np.sum([bar.y for bar in figure.data], axis=0) == pytest.approx(np.ones(120), abs=2e-3)
    assert [bar.y[33] for bar in figure.data] == pytest.approx([1 / 3, 1 / 3, 1 / 3], abs=1e-3)
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (240.0, 360.0)
