"""Time from file to answer, ours against the reference pipeline: ``python -m benchmarks.answer [FILE]``.

Both are warm, both run in this process, in turns; what counts is the ratio of the medians.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import keras
import librosa
import numpy as np

from benchmarks import reference_pipeline
from core.audio.decode import decode
from core.corpus.samples import list_samples
from core.serving.exports import export_reference
from core.serving.predictor import Predictor
from core.serving.registry import Registry

ROUNDS = 30


def main() -> None:
    """Measure, and print medians in milliseconds and their ratio."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else list_samples()[0].path
    name = Registry().names_of("reference")[0]
    predictor, champion = Predictor.load(name), Predictor.load()
    with tempfile.TemporaryDirectory() as folder:
        network_path, scaler_path = export_reference(name, Path(folder))
        network = keras.models.load_model(network_path)
        scaler = joblib.load(scaler_path)  # written a moment ago by this process

    def ours() -> np.ndarray:
        return np.array(list(predictor.predict(decode(file)).probabilities.values()))

    def reference() -> np.ndarray:
        y, sr = librosa.load(file, duration=4, offset=0)
        X = scaler.transform(reference_pipeline.extract(y, int(sr)))[np.newaxis]
        return np.asarray(network.predict(X, verbose=0)[0])

    def in_use() -> object:
        return champion.predict(decode(file))

    difference = np.abs(ours() - reference()).max()
    in_use()
    times = [(_time(ours), _time(in_use), _time(reference)) for _ in range(ROUNDS)]
    mine, best, theirs = np.median(times, axis=0)
    print(f"{file.name}: largest difference in probability {difference:.1e}")
    print(f"reference pipeline {theirs * 1e3:.1f} ms")
    print(f"the same model here {mine * 1e3:.1f} ms, ratio {mine / theirs:.3f}")
    print(f"the model in use, {champion.model.name}, {best * 1e3:.1f} ms, ratio {best / theirs:.3f}")


def _time(answer: Callable[[], object]) -> float:
    start = time.perf_counter()
    answer()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
