import json
import subprocess
import sys

import numpy as np

from core.errors import AudioError
from core.labels import EMOTIONS
from core.serving.exports import (
    export_reference,
    heard_text,
    prediction_json,
    prediction_table,
    prediction_text,
    spreadsheet_csv,
)
from core.serving.prediction import Piece, Prediction, summarize
from core.serving.predictor import Predictor
from core.serving.registry import Registry

ANSWER = Prediction(
    emotion="calm",
    probabilities=dict.fromkeys(EMOTIONS, 0.1) | {"calm": 0.3},
    confidence=0.3,
    is_uncertain=True,
    reasons=("confidence 0.30 is below 0.50",),
    model="reference-00000000",
    duration=4.0,
    pieces=(Piece(1.0, 2.0, "calm", dict.fromkeys(EMOTIONS, 0.1) | {"calm": 0.3}, ("too low",), snr=12.5),),
)

REFERENCE_SCRIPT = """
import sys
import joblib
import numpy as np
from tensorflow.keras.models import load_model

model = load_model('model.h5')
scaler = joblib.load('scaler.pkl')
features = np.load(sys.argv[1])
scaled = scaler.transform(features.reshape(-1, 62)).reshape(-1, 130, 62)
np.save(sys.argv[2], model.predict(scaled))
"""


def test_reference_files_give_our_probabilities(published, features, tmp_path):
    export_reference(published.name, tmp_path, registry=Registry(published.folder.parent))
    np.save(tmp_path / "features.npy", features[:20])
    (tmp_path / "script.py").write_text(REFERENCE_SCRIPT)
    subprocess.run([sys.executable, "script.py", "features.npy", "out.npy"], cwd=tmp_path, check=True)
    expected = Predictor(published).predict_features(features[:20])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-5)


def test_json_is_one_object_a_line():
    line = prediction_json("a.wav", ANSWER)
    assert "\n" not in line
    assert json.loads(line) == {
        "file": "a.wav",
        "emotion": "calm",
        "probabilities": ANSWER.probabilities,
        "confidence": 0.3,
        "is_uncertain": True,
        "reasons": ["confidence 0.30 is below 0.50"],
        "model": "reference-00000000",
        "duration": 4.0,
        "shares": {"unsure": 1.0},
        "silence": 0.75,
        "known": None,
        "pieces": [
            {"start": 1.0, "end": 2.0, "label": "unsure", "emotion": "calm", "confidence": 0.3, "snr": 12.5}
            | {"probabilities": ANSWER.probabilities, "doubts": ["too low"]}
        ],
    }
    assert json.loads(prediction_json("b.wav", AudioError("empty"))) == {"file": "b.wav", "error": "empty"}


def test_what_was_heard_is_said():
    assert heard_text(ANSWER) == "1.0 to 2.0 s of 4.0 s"
    assert "heard: 1.0 to 2.0 s of 4.0 s" in prediction_text("a.wav", ANSWER)
    sad = Piece(2.5, 4.0, "sad", dict.fromkeys(EMOTIONS, 0.0) | {"sad": 1.0}, ())
    both = summarize([*ANSWER.pieces, sad], duration=4.0, model="m")
    assert heard_text(both) == "2.5 s of speech in 4.0 s (38% without a voice); of the speech: sad 60%, unsure 40%"
    assert "2.50 - 4.00 s  sad" in prediction_text("a.wav", both)


def test_table_has_a_row_a_file():
    table = prediction_table([("a.wav", ANSWER), ("b.wav", AudioError("The file is empty."))])
    assert table["emotion"].tolist()[0] == "calm"
    assert table["error"].isna().tolist() == [True, False]
    assert table["error"].tolist()[1] == "The file is empty."
    assert set(EMOTIONS) <= set(table.columns)


def test_spreadsheets_run_no_formula():
    table = prediction_table([('=HYPERLINK("x")', ANSWER), ("+1.wav", ANSWER), ("@a", ANSWER), ("-1.wav", ANSWER)])
    lines = spreadsheet_csv(table).decode("utf-8-sig").splitlines()[1:]
    assert all(line.lstrip('"').startswith("'") for line in lines)
