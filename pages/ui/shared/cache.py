"""Cached calls of ``core``: the only place where Streamlit's caches are used.

Keys are digests of sounds and of the files of models, so that what changed is computed anew. What comes from a person's
recording is cached within that person's session, and computed when the session's turn comes. It is kept as it is, not
copied for each run: arrays are read-only, and all of them share a room that is bounded in bytes. What must outlive a
clearing of caches, as the places for live streams, is no cache of Streamlit's. What computes is imported when something
is computed: the first page is there before that. A function that returns ``Once`` gives the place of a result that
shows its progress, which no cached function can: Streamlit would replay the progress bar at each use, and fail.
"""

import contextlib
import functools
import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.audio.sound import Sound
from core.config import DecodeLimits, FeatureConfig
from core.corpus.samples import list_samples
from core.operations import measures
from core.serving.in_use import InUse, LastGood
from core.serving.registry import Registry, StoredModel
from core.work.background import BackgroundWork
from core.work.once import Once, Renewed
from core.work.room import Room
from core.work.turns import LATEST, turns
from pages.ui.shared import state

if TYPE_CHECKING:
    import pandas as pd

    from core.audio.analysis import Analysis
    from core.audio.assess import Assessment
    from core.audio.decode import Waveform
    from core.operations.models.comparison import Comparison
    from core.serving.baseline import Shift
    from core.serving.explanation import Explanation, Picture
    from core.serving.grounds import Grounds
    from core.serving.known import KnownClip
    from core.serving.live import LiveSlots
    from core.serving.prediction import Prediction
    from core.serving.predictor import Predictor
    from core.serving.timeline import Window

Result = TypeVar("Result")
RowsKey = tuple[StoredModel, str, str, int | None]
"""Model, protocol, clips, seed (None for all): what names rows of predictions."""


def _files_of(model: StoredModel) -> str:
    """Return what names a model's files as they are."""
    return f"{model.folder} {sorted(model.manifest.files.items())}"


KEYS: Final[dict[str, Callable[[Any], object]]] = {
    "core.audio.sound.Sound": lambda sound: f"{sound.sha256} {sound.part}",
    "core.corpus.catalogue.Place": lambda place: f"{place.corpus.name} {place.root}",
    "core.serving.baseline.Shift": lambda shift: shift.key,
    "core.serving.registry.StoredModel": _files_of,
    "core.serving.predictor.Predictor": lambda predictor: _files_of(predictor.model),
    "builtins.function": lambda function: f"{function.__module__}.{function.__qualname__}",
}
"""What an argument of a type, named in full, counts as: texts, since hashing a structure takes Streamlit longer."""

LARGE: Final = Room(512 * 2**20)
"""Where sounds and the arrays that are computed from them are kept, of all sessions together."""
SMALL: Final = Room(32 * 2**20)
"""The same for answers, which large arrays do not drive out."""


def shared(max_entries: int, spinner: str | None = None, **more: Any) -> dict[str, Any]:
    """Return the options of what is cached for all sessions."""
    return {"max_entries": max_entries, "show_spinner": spinner or False, "hash_funcs": KEYS, **more}


def own(max_entries: int) -> dict[str, Any]:
    """Return the options of what is cached for one session."""
    return shared(max_entries, scope="session")


def session() -> str:
    """Return what names the session that runs; empty outside of one."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else ""


def kept(room: Room = LARGE) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Return a decorator that keeps results of the session that runs, until it ends or others need the room."""

    def decorate(compute: Callable[..., Result]) -> Callable[..., Result]:
        @functools.wraps(compute)
        def cached(*arguments: Any) -> Result:
            key = (compute.__name__, *map(_key_of, arguments))
            return room.get(_owner(), key, lambda: compute(*arguments))

        return cached

    return decorate


def _key_of(argument: object) -> object:
    """Return what an argument counts as."""
    kind = type(argument)
    count_as = KEYS.get(f"{kind.__module__}.{kind.__qualname__}")
    return count_as(argument) if count_as else argument


@contextlib.contextmanager
def in_turn(spinner: str = "", behind: float = 0.0) -> Iterator[None]:
    """Compute, also as a decorator, when the session's turn comes; somebody who waits sees which number they are.

    Parameters
    ----------
    spinner : str
        What is said meanwhile.
    behind : float
        As for ``core.work.turns.Turns.turn``.

    Yields
    ------
    None

    Raises
    ------
    BusyError
        If too many wait.
    """
    place = st

    def tell(number: int) -> None:
        nonlocal place
        place = place.toast(f"Busy: you are number {number}. It goes on by itself.", icon=":material/hourglass_top:")

    with contextlib.ExitStack() as stack:
        if spinner:
            stack.enter_context(st.spinner(spinner))
        with measures.refusing(measures.PAGE):
            stack.enter_context(turns.turn(tell, behind=behind))
        yield


def _owner() -> int:
    """Return what names the session that runs, and see to it that what is kept of it goes with it."""
    if state.KEPT not in st.session_state:
        st.session_state[state.KEPT] = mark = Mark()
        for room in (LARGE, SMALL):
            weakref.finalize(mark, room.forget, id(mark))
    return id(st.session_state[state.KEPT])


class Mark:
    """Lives as long as a session."""


class VerifiedModels(Registry):
    """The stored models; the files of each are verified when it is loaded first, and after any of them was written."""

    def load(self, name: str | None = None, *, to_answer: bool = False) -> StoredModel:
        """Return a model, as ``Registry.load``."""
        name = name or self.champion()
        return st_model(str(self.root), name, self.stamp(name), to_answer)


@st.cache_resource(**shared(16))
def st_model(root: str, name: str, stamp: str, to_answer: bool) -> StoredModel:  # noqa: FBT001 - passed on
    """Verify a model."""
    return Registry(Path(root)).load(name, to_answer=to_answer)


def predictor(name: str | None = None) -> "Predictor":
    """Return a model, that in use by default, ready to answer; a promotion is seen at the next call."""
    if name is None:
        return in_use().predictor
    return st_predictor(VerifiedModels().load(name, to_answer=True))


def is_ready() -> bool:
    """Tell whether a model was loaded, so that nobody waits for one."""
    return last_good(str(VerifiedModels().root)).is_loaded


def in_use() -> InUse:
    """Return the model in use, or the last that could be loaded."""
    models = last_good(str(VerifiedModels().root))
    is_waited_for = session() and not models.is_loaded
    with st.spinner("Getting the model ready ...") if is_waited_for else contextlib.nullcontext():
        return models.get()


@functools.lru_cache(2)
def last_good(root: str) -> LastGood:
    """Return what remembers the model that answered last, of a folder of models."""
    return LastGood(VerifiedModels(Path(root)), predictor)


@st.cache_resource(**shared(2))
def st_predictor(model: StoredModel) -> "Predictor":
    """Load a model once for all sessions, with what it computes warmed up."""
    from core.serving.predictor import Predictor

    predictor = Predictor(model)
    predictor.warm_up()
    spare_collector()
    return predictor


def spare_collector() -> None:
    """Take what is loaded for good out of the garbage collector's sight.

    Streamlit collects garbage after every run of a script or fragment; with a live picture, walking through all
    loaded libraries twice a second costs more than the answers do.
    """
    gc.collect()
    gc.freeze()


def frozen(result: Result) -> Result:
    """Return a result whose arrays cannot be written to any more."""
    for values in vars(result).values():
        if hasattr(values, "setflags"):
            values.setflags(write=False)
    return result


@kept()
@in_turn("Reading the sound ...")
def waveform(sound: Sound) -> "Waveform":
    """Decode a sound; the last ones stay decoded while the session looks at them."""
    from core.audio.decode import decode

    with measures.refusing(measures.PAGE):
        return frozen(decode(sound.data, part=sound.part))


@st.cache_data(**own(128))
def duration(sound: Sound) -> float:
    """Return the length that a file states, in seconds."""
    from core.audio.containers import duration_of

    return duration_of(sound.data)


@st.cache_data(**own(128))
def coding(sound: Sound) -> tuple[str, int]:
    """Return container and coding of a file, and its channels."""
    from core.audio.containers import opened
    from core.audio.stream import LONG_LIMITS

    with opened(sound.data, LONG_LIMITS) as track:
        return track.coding, track.channels


@kept()
@in_turn("Cutting the stretch ...")
def stretch(sound: Sound, start: float, end: float) -> Sound:
    """Cut a stretch out of a sound."""
    from core.serving.exports import cut

    return cut(sound, start, end)


@kept(SMALL)
@in_turn()
def assessment(sound: Sound) -> "Assessment":
    """Evaluate the quality of a sound."""
    from core.audio.assess import assess
    from core.audio.stream import Stream

    if duration(sound) > DecodeLimits().max_duration:
        return Stream(sound.data, part=sound.part).assessment
    return assess(waveform(sound))


@kept(SMALL)
@in_turn("Listening ...")
def prediction(sound: Sound, predictor: "Predictor", personal: "Shift | None") -> "Prediction":
    """Answer for a sound."""
    shift = personal.values if personal else None
    is_long = duration(sound) > DecodeLimits().max_duration
    heard = None if is_long else (waveform(sound), assessment(sound))
    with measures.refusing(measures.PAGE), measures.answering(measures.PAGE):
        if heard is None:
            return predictor.predict_file(sound.data, part=sound.part, shift=shift)
        return predictor.predict(*heard, shift=shift)


@kept(SMALL)
@in_turn()
def known(sound: Sound, model: StoredModel, stretches: tuple[tuple[float, float], ...] = ()) -> "KnownClip | None":
    """Look up a sound, or stretches of it, among the recordings that a model was trained on."""
    from core.serving.known import recognise

    return recognise(waveform(sound), model, stretches)


@st.cache_resource(**own(4))
def st_timeline(*sound_predictor_personal: object) -> "Once[list[Window]]":
    """Return the place of a sound's timeline by a model, with a baseline or None."""
    return Once()


@kept()
@in_turn("Computing descriptors ...", LATEST)
def analysis(sound: Sound, start: float) -> "Analysis":
    """Describe a stretch of a sound frame by frame."""
    from core.audio.analysis import analyse

    return frozen(analyse(waveform(sound).y, waveform(sound).sr, start=start, config=FeatureConfig()))


@kept()
@in_turn("Asking the model about parts of the sound ...", LATEST)
def explanation(
    sound: Sound, predictor: "Predictor", personal: "Shift | None", emotion: str
) -> "tuple[Picture, Explanation]":
    """Find out what a model reads of a sound, and what speaks for an emotion."""
    from core.serving.explanation import explain, picture

    answer, shift = prediction(sound, predictor, personal), personal.values if personal else None
    explained = explain(predictor, waveform(sound), answer, shift=shift, emotion=emotion)
    return frozen(picture(predictor, waveform(sound), answer)), frozen(explained)


@kept(SMALL)
@in_turn("Listening for what moved the answer ...", LATEST)
def grounds(sound: Sound, predictor: "Predictor", personal: "Shift | None", emotion: str) -> "Grounds | None":
    """Find out in a person's words what speaks for an emotion."""
    from core.serving.grounds import find_grounds

    answer, shift = prediction(sound, predictor, personal), personal.values if personal else None
    return find_grounds(predictor, waveform(sound), answer, shift=shift, emotion=emotion)


@functools.cache
def st_live_slots() -> "LiveSlots":
    """Return the places for live streams, the same for all sessions."""
    from core.serving.live import LiveSlots

    spare_collector()
    return LiveSlots()


@kept()
def stored_sound(path: str, stamp: str) -> Sound:
    """Read a sound of the corpus or a sample; its stamp changes with the file."""
    return Sound.read(Path(path))


@st.cache_resource(**shared(8))
def st_corpus(root: str) -> Renewed[Any]:
    """Return the place of a corpus folder's tables; looked at anew after a minute, so that changes are seen."""
    return Renewed(60.0)


@functools.cache
def st_corpus_sizes() -> dict[str, int]:
    """Return the numbers of clips of the corpus folders that were indexed."""
    return {}


@st.cache_resource(**shared(4))
def st_answers(corpus: str, digest: str, model: StoredModel, _clips: "pd.DataFrame") -> "pd.DataFrame":
    """Put a model's out-of-fold answers beside the clips; name and digest are those of the corpus."""
    from core.corpus.browsing import join_answers, without_answers

    if model.manifest.corpus.name != corpus:
        return without_answers(_clips)
    return join_answers(_clips, model.predictions(), model.main_protocol, model.threshold)


@st.cache_data(**shared(2))
def st_twins(digest: str, _clips: "pd.DataFrame") -> "pd.DataFrame":
    """Count the twins of a random split; the digest is that of the corpus."""
    from core.learning.reports.leakage import measure_twins

    return measure_twins(_clips)


@functools.cache
def st_download() -> BackgroundWork:
    """Return the one download of this server."""
    return BackgroundWork()


@functools.cache
def st_map_work() -> BackgroundWork:
    """Return the one computation of a map of this server."""
    return BackgroundWork()


@st.cache_data(**shared(4))
def predictions(model: StoredModel) -> "pd.DataFrame":
    """Read the predictions of a stored model."""
    return model.predictions()


@st.cache_data(**shared(16))
def rows(key: RowsKey) -> "pd.DataFrame":
    """Select rows of predictions."""
    from core.learning.reports.tables import select

    model, protocol, subset, seed = key
    return select(predictions(model), protocol, subset, seed)


@st.cache_data(**shared(256))
def report(compute: Callable[..., Result], key: RowsKey, *options: object) -> Result:
    """Compute a table or figure of some rows once for all sessions: ``compute(rows, *options)``."""
    return compute(rows(key), *options)


@st.cache_data(**shared(8, "Comparing ..."))
def comparison(first: StoredModel, second: StoredModel) -> "list[Comparison]":
    """Compare two models."""
    from core.operations.models.comparison import compare_models

    return compare_models(first, second)


samples = st.cache_data(list_samples, **shared(2, ttl=300))
