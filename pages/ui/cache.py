"""Cached calls of ``core``: the only place where Streamlit's caches are used.

Keys are content digests and model names. What comes from a person's recording is cached within that person's session.
"""

import hashlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import pandas as pd
import streamlit as st

from core.audio.analysis import Analysis, Pitch, analyse, track_pitch
from core.audio.assess import Assessment, assess
from core.audio.decode import Waveform, decode
from core.config import FeatureConfig, corpus_root, data_folder
from core.corpus.index import scan
from core.corpus.parallel import Progress
from core.corpus.samples import Sample, list_samples
from core.errors import SoundWebError
from core.learning.reports import select
from core.operations.comparison import Comparison, compare_models
from core.operations.sign_in import ensure_unlock_code
from core.serving.explanation import Explanation, Picture, explain, picture
from core.serving.predictor import Prediction, Predictor, warm_up
from core.serving.registry import Registry

logger = logging.getLogger(__name__)

INDEX_AGE: Final = 60.0
"""Seconds after which a corpus folder is looked at again."""

Report = TypeVar("Report")
RowsKey = tuple[str, str, str, str, int | None]
"""Folder of the models, model, protocol, clips, seed (None for all): what names rows of predictions."""


def predictor() -> Predictor:
    """Return the model in use; a promotion is seen at the next call."""
    return st_predictor(Registry().champion())


@st.cache_resource(max_entries=2, show_spinner="Getting ready; the first start takes up to half a minute ...")
def st_predictor(name: str) -> Predictor:
    """Load a model once for all sessions, with the signal processing warmed up."""
    warm_up()
    return Predictor.load(name)


def waveform(data: bytes) -> Waveform:
    """Decode a sound; the last ones stay decoded while the session looks at them."""
    return st_waveform(hashlib.sha256(data).hexdigest(), data)


@st.cache_data(max_entries=2, scope="session", show_spinner="Reading the sound ...")
def st_waveform(sha256: str, _data: bytes) -> Waveform:
    """Decode a sound; the digest is the key."""
    del sha256
    return decode(_data)


def prediction(data: bytes) -> Prediction:
    """Answer for a sound, once a session and model."""
    return st_prediction(hashlib.sha256(data).hexdigest(), Registry().champion(), data)


@st.cache_data(max_entries=128, scope="session", show_spinner="Listening ...")
def st_prediction(sha256: str, model: str, _data: bytes) -> Prediction:
    """Answer for a sound; digest and model are the key."""
    return st_predictor(model).predict(st_waveform(sha256, _data), st_assessment(sha256, _data))


def assessment(data: bytes) -> Assessment:
    """Judge the quality of a sound, once a session."""
    return st_assessment(hashlib.sha256(data).hexdigest(), data)


@st.cache_data(max_entries=128, scope="session", show_spinner=False)
def st_assessment(sha256: str, _data: bytes) -> Assessment:
    """Judge the quality of a sound; the digest is the key."""
    return assess(st_waveform(sha256, _data))


def analysis(data: bytes, start: float) -> Analysis:
    """Describe a stretch of a sound frame by frame, once a session."""
    return st_analysis(hashlib.sha256(data).hexdigest(), start, data)


@st.cache_data(max_entries=4, scope="session", show_spinner="Computing descriptors ...")
def st_analysis(sha256: str, start: float, _data: bytes) -> Analysis:
    """Describe a stretch of a sound; digest and beginning are the key."""
    sound = st_waveform(sha256, _data)
    return analyse(sound.y, sound.sr, start=start, config=FeatureConfig())


def pitch(data: bytes, start: float) -> Pitch:
    """Find the fundamental frequency of a stretch of a sound, once a session."""
    return st_pitch(hashlib.sha256(data).hexdigest(), start, data)


@st.cache_data(max_entries=4, scope="session", show_spinner="Following the pitch ...")
def st_pitch(sha256: str, start: float, _data: bytes) -> Pitch:
    """Find the fundamental frequency of a stretch of a sound; digest and beginning are the key."""
    return track_pitch(st_analysis(sha256, start, _data), FeatureConfig())


def explanation(data: bytes, model: str) -> tuple[Picture, Explanation]:
    """Find out what a model reads of a sound and what moved its answer, once a session and model."""
    return st_explanation(hashlib.sha256(data).hexdigest(), model, data)


@st.cache_data(max_entries=8, scope="session", show_spinner="Asking the model about parts of the sound ...")
def st_explanation(sha256: str, model: str, _data: bytes) -> tuple[Picture, Explanation]:
    """Find out what moved an answer; digest and model are the key."""
    predictor, sound = st_predictor(model), st_waveform(sha256, _data)
    return picture(predictor, sound), explain(predictor, sound)


@st.cache_data(max_entries=2, ttl=300, show_spinner=False)
def st_samples(root: str) -> list[Sample]:
    """List the sounds to try."""
    return list_samples(Path(root) if root else None)


def samples() -> list[Sample]:
    """List the sounds to try; looked up again when the corpus folder changes."""
    return st_samples(str(corpus_root() or ""))


class FreshIndex:
    """The index of a corpus folder, looked up again where it is older than a minute; one reader at a time.

    Cached functions can not show progress on elements from outside; this object can.
    """

    def __init__(self, root: str) -> None:
        self.root, self.lock = root, threading.Lock()
        self.index, self.read_at = pd.DataFrame(), -INDEX_AGE

    def read(self, progress: Progress) -> pd.DataFrame:
        """Return the index as from ``core.corpus.index.scan``; files that are known are not read again."""
        with self.lock:
            if time.monotonic() - self.read_at >= INDEX_AGE:
                self.index = scan(self.root, cache=data_folder() / "index.csv", progress=progress)
                self.read_at = time.monotonic()
            return self.index


@st.cache_resource(max_entries=2, show_spinner=False)
def st_index(root: str, data: str) -> FreshIndex:
    """Return the index of a corpus folder, kept in a data folder, for all sessions."""
    del data
    return FreshIndex(root)


@st.cache_data(max_entries=64, show_spinner=False)
def st_clip(root: str, path: str, digest: str) -> bytes:
    """Read a file of the corpus."""
    del digest
    return (Path(root) / path).read_bytes()


@st.cache_data(max_entries=4, show_spinner=False)
def st_predictions(root: str, model: str) -> pd.DataFrame:
    """Read the predictions of a stored model; models never change."""
    return Registry(Path(root)).load(model).predictions()


@st.cache_data(max_entries=16, show_spinner=False)
def st_rows(key: RowsKey) -> pd.DataFrame:
    """Select rows of predictions."""
    root, model, protocol, subset, seed = key
    return select(st_predictions(root, model), protocol, subset, seed)


def report(compute: Callable[..., Report], key: RowsKey, *options: object) -> Report:
    """Compute a table or figure of some rows once for all sessions: ``compute(rows, *options)``."""
    found: Report = st_report(f"{compute.__module__}.{compute.__name__}", key, options, compute)
    return found


@st.cache_data(max_entries=256, show_spinner=False)
def st_report(name: str, key: RowsKey, options: tuple[object, ...], _compute: Callable[..., Report]) -> Report:
    """Compute a report; its name, rows and options are the key."""
    del name
    return _compute(st_rows(key), *options)


@st.cache_data(max_entries=8, show_spinner="Comparing ...")
def st_comparison(root: str, first: str, second: str) -> list[Comparison]:
    """Compare two stored models; models never change."""
    registry = Registry(Path(root))
    return compare_models(registry.load(first), registry.load(second))


@st.cache_resource(max_entries=2, show_spinner=False)
def st_unlock_code(data: str, configured_hash: str | None) -> None:
    """Print the code that sets the administrator's password, once a server, where no password is set."""
    del data
    try:
        code = ensure_unlock_code(configured_hash)
    except (SoundWebError, OSError) as error:
        logger.warning("No unlock code could be made for the Admin page: %s", error)
        return
    if code:
        sys.stderr.write(
            "\n  No administrator's password is set. Set one on the Admin page of the app with this unlock code,\n"
            f"  which works once: {code}\n\n"
        )
        sys.stderr.flush()
