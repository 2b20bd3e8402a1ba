"""Cached calls of ``core``: the only place where Streamlit's caches are used.

Keys are content digests and model names. What comes from a person's recording is cached within that person's session.
"""

import dataclasses
import gc
import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import pandas as pd
import streamlit as st

from core.audio.analysis import Analysis, Pitch, analyse, track_pitch
from core.audio.assess import Assessment, assess
from core.audio.decode import Waveform, decode
from core.audio.stream import stated_duration, stream
from core.config import FeatureConfig, corpus_root, data_folder
from core.corpus.browsing import join_answers
from core.corpus.index import corpus_digest, distinct_clips, scan
from core.corpus.samples import Sample, list_samples
from core.learning.reports.leakage import measure_twins
from core.learning.reports.tables import select
from core.operations.models.comparison import Comparison, compare_models
from core.serving.baseline import Shift
from core.serving.explanation import Explanation, Picture, explain, picture
from core.serving.live import LiveSlots
from core.serving.predictor import Prediction, Predictor, warm_up
from core.serving.registry import Registry
from core.serving.timeline import Window, follow
from core.work.background import BackgroundWork
from core.work.progress import Progress, Report

logger = logging.getLogger(__name__)

Table = TypeVar("Table")
RowsKey = tuple[str, str, str, str, int | None]
"""Folder of the models, model, protocol, clips, seed (None for all): what names rows of predictions."""
MAX_TIMELINES: Final = 4
"""Timelines that a session keeps."""


def predictor() -> Predictor:
    """Return the model in use; a promotion is seen at the next call."""
    return st_predictor(Registry().champion())


@st.cache_resource(max_entries=2, show_spinner="Getting ready; the first start takes up to half a minute ...")
def st_predictor(name: str) -> Predictor:
    """Load a model once for all sessions, with the signal processing warmed up."""
    warm_up()
    predictor = Predictor.load(name)
    spare_collector()
    return predictor


def spare_collector() -> None:
    """Take what is loaded for good out of the garbage collector's sight.

    Streamlit collects garbage after every run of a script or fragment; with a live picture, walking through all
    loaded libraries twice a second costs more than the answers do.
    """
    gc.collect()
    gc.freeze()


def waveform(data: bytes) -> Waveform:
    """Decode a sound; the last ones stay decoded while the session looks at them."""
    return st_waveform(hashlib.sha256(data).hexdigest(), data)


@st.cache_data(max_entries=2, scope="session", show_spinner="Reading the sound ...")
def st_waveform(sha256: str, _data: bytes) -> Waveform:
    """Decode a sound; the digest is the key."""
    del sha256
    return decode(_data)


def prediction(data: bytes, personal: Shift | None = None) -> Prediction:
    """Answer for a sound, once a session, model and baseline."""
    key = personal.key if personal else ""
    return st_prediction(hashlib.sha256(data).hexdigest(), Registry().champion(), key, data, personal)


@st.cache_data(max_entries=128, scope="session", show_spinner="Listening ...")
def st_prediction(sha256: str, model: str, baseline: str, _data: bytes, _personal: Shift | None) -> Prediction:
    """Answer for a sound; digest, model and baseline are the key."""
    del baseline
    shift = _personal.values if _personal else None
    return st_predictor(model).predict(st_waveform(sha256, _data), st_assessment(sha256, _data), shift=shift)


def duration(data: bytes) -> float:
    """Return the length that a file states, in seconds."""
    return st_duration(hashlib.sha256(data).hexdigest(), data)


@st.cache_data(max_entries=128, scope="session", show_spinner=False)
def st_duration(sha256: str, _data: bytes) -> float:
    """Return the length that a file states; the digest is the key."""
    del sha256
    return stated_duration(_data)


class Timelines:
    """The last timelines of a session; cached functions cannot show progress on elements from outside.

    A timeline that was cut off by leaving the page begins anew.
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[str, ...], list[Window]] = {}

    def get(self, data: bytes, personal: Shift | None = None) -> list[Window] | None:
        """Return the windows of a sound, None where they were not computed yet."""
        return self.kept.get(self._key(data, personal))

    def compute(self, data: bytes, report: Report, personal: Shift | None = None) -> list[Window]:
        """Return the windows of a sound; the seconds that are done are reported."""
        windows, total = [], duration(data)
        for window in follow(stream(data), predictor(), shift=personal.values if personal else None):
            windows.append(window)
            report(Progress(window.end, total, "seconds", "Listening"))
        while len(self.kept) >= MAX_TIMELINES:
            del self.kept[next(iter(self.kept))]
        self.kept[self._key(data, personal)] = windows
        return windows

    def _key(self, data: bytes, personal: Shift | None) -> tuple[str, ...]:
        return hashlib.sha256(data).hexdigest(), Registry().champion(), personal.key if personal else ""


@st.cache_resource(max_entries=1, scope="session", show_spinner=False)
def st_timelines() -> Timelines:
    """Return the timelines of this session."""
    return Timelines()


@st.cache_resource(max_entries=1, show_spinner=False)
def st_live_slots() -> LiveSlots:
    """Return the places for live streams, the same for all sessions."""
    spare_collector()
    return LiveSlots()


def assessment(data: bytes) -> Assessment:
    """Evaluate the quality of a sound, once a session."""
    return st_assessment(hashlib.sha256(data).hexdigest(), data)


@st.cache_data(max_entries=128, scope="session", show_spinner=False)
def st_assessment(sha256: str, _data: bytes) -> Assessment:
    """Evaluate the quality of a sound; the digest is the key."""
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


@dataclasses.dataclass(eq=False)
class IndexedCorpus:
    """Tables of a corpus folder, shared by all sessions: read them, do not change them."""

    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    index: pd.DataFrame | None = None
    """A row a file; None until it is filled."""
    clips: pd.DataFrame | None = None
    """A row a clip."""
    digest: str = ""
    """SHA-256 of names and sounds."""


@st.cache_resource(max_entries=2, ttl=60, show_spinner=False)
def st_corpus(root: str) -> IndexedCorpus:
    """Return an empty place for the tables of a corpus folder; a new one each minute, so that changes are seen."""
    del root
    return IndexedCorpus()


def corpus_tables(root: str, report: Report) -> IndexedCorpus:
    """Index a corpus folder; files that are known are not read again.

    Filled outside the cached function: Streamlit would replay the progress bar at each use of the cache, and fail.
    """
    corpus = st_corpus(root)
    with corpus.lock:
        if corpus.index is None:
            index = scan(root, cache=data_folder() / "index.csv", report=report)
            corpus.clips, corpus.digest = distinct_clips(index), corpus_digest(index)
            corpus.index = index
            st_corpus_sizes()[root] = len(corpus.clips)
    return corpus


@st.cache_resource(max_entries=1, show_spinner=False)
def st_corpus_sizes() -> dict[str, int]:
    """Return the numbers of clips of the corpus folders that were indexed."""
    return {}


@st.cache_resource(max_entries=2, show_spinner=False)
def st_answers(digest: str, model: str, _clips: pd.DataFrame) -> pd.DataFrame:
    """Put a model's out-of-fold answers beside the clips; digest of the corpus and model are the key."""
    del digest
    return join_answers(_clips, Registry().load(model).predictions())


@st.cache_data(max_entries=2, show_spinner=False)
def st_twins(digest: str, _clips: pd.DataFrame) -> pd.DataFrame:
    """Count the twins of a random split; the digest of the corpus is the key."""
    del digest
    return measure_twins(_clips)


@st.cache_resource(max_entries=1, show_spinner=False)
def st_download() -> BackgroundWork:
    """Return the one download of this server."""
    return BackgroundWork()


@st.cache_resource(max_entries=1, show_spinner=False)
def st_map_work() -> BackgroundWork:
    """Return the one computation of a map of this server."""
    return BackgroundWork()


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


def report(compute: Callable[..., Table], key: RowsKey, *options: object) -> Table:
    """Compute a table or figure of some rows once for all sessions: ``compute(rows, *options)``."""
    found: Table = st_report(f"{compute.__module__}.{compute.__name__}", key, options, compute)
    return found


@st.cache_data(max_entries=256, show_spinner=False)
def st_report(name: str, key: RowsKey, options: tuple[object, ...], _compute: Callable[..., Table]) -> Table:
    """Compute a report; its name, rows and options are the key."""
    del name
    return _compute(st_rows(key), *options)


@st.cache_data(max_entries=8, show_spinner="Comparing ...")
def st_comparison(root: str, first: str, second: str) -> list[Comparison]:
    """Compare two stored models; models never change."""
    registry = Registry(Path(root))
    return compare_models(registry.load(first), registry.load(second))
