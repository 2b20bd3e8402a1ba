"""What a rerun of a page costs, beside the work that it must not repeat: ``python -m benchmarks.rerun``.

Every click runs the script of a page again. The pages run here without a browser, in this process, with the model in
use. In turns with them, that work is done which belongs to the first run alone: a digest of the upload, a copy of the
waveform, a check of the model's files. What counts is the ratio of the medians.
"""

import hashlib
import os
import pickle
import tempfile
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from streamlit.testing.v1 import AppTest

from core.audio.decode import decode
from core.config import PROJECT_ROOT
from core.corpus.samples import list_samples
from core.serving.exports import wav_bytes
from core.serving.registry import Registry
from pages.ui.shared import state

ROUNDS = 7
BIG_SIZE: Final = 25 * 2**20 - 100
"""Bytes of an upload that is just allowed; it lasts ten minutes."""


def main() -> None:
    """Measure, and print medians in milliseconds and their ratios."""
    voice = np.round(decode(list_samples()[0].path).y * 32_767).astype(np.int16)
    short, big = wav_bytes(voice), wav_bytes(np.resize(voice, BIG_SIZE // 2))
    pickled = pickle.dumps(decode(big))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SOUNDWEB_DATA"] = folder
        measured = {
            "Predict, a short upload": _open("predict", short).run,
            "Predict, 25 MB": _open("predict", big).run,
            "Features, 25 MB": _open("features", big).run,
            "Metrics": _open("metrics").run,
            "digest of 25 MB": lambda: hashlib.sha256(big).hexdigest(),
            "copy of ten minutes": lambda: pickle.loads(pickled),  # noqa: S301 - made a moment ago
            "check of a model": lambda: Registry().load(),
        }
        times = [[_time(work) for work in measured.values()] for _ in range(ROUNDS)]
    ms = dict(zip(measured, 1e3 * np.median(times, axis=0), strict=True))
    for name, value in ms.items():
        print(f"{name}: {value:.1f} ms")
    added = ms["Predict, 25 MB"] - ms["Predict, a short upload"]
    print(f"what 25 MB add to a rerun of Predict, in digests of them: {added / ms['digest of 25 MB']:.2f}")
    print(
        f"rerun of Features on ten minutes, in copies of them: {ms['Features, 25 MB'] / ms['copy of ten minutes']:.2f}"
    )
    print(f"rerun of Metrics, in checks of a model: {ms['Metrics'] / ms['check of a model']:.2f}")


def _open(page: str, upload: bytes | None = None) -> AppTest:
    """Open a page, with a sound where one is given; whatever belongs to the first run is done."""
    app = AppTest.from_file(str(PROJECT_ROOT / "soundwebapp.py"), default_timeout=300).run()
    app.switch_page(f"pages/{page}.py").run()
    if upload:
        app.file_uploader(key=state.SOUND.uploads).upload("voice.wav", upload).run()
    if app.exception or app.error:
        raise RuntimeError(f"the page {page} shows an error")
    return app


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
