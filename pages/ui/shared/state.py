"""Keys of the session state, each in one place, and the callback of the states that components tell."""

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True)
class SoundKeys:
    """Keys of one choice of a sound."""

    source: str
    uploads: str
    recording: str
    sample: str
    clip: str
    corpus: str
    """Name of the corpus, in the address too, where there are several."""
    linked: str
    """Parameter of the address that names a clip of the corpus."""
    linked_sample: str
    """Parameter of the address that names a sample."""
    file: str
    """Digest of the one of several uploads that is looked at."""
    kept: str
    """Name of the uploaded or recorded sounds in ``pages.ui.shared.visits``."""


CLIP: Final = "clip"
"""Parameter of the address that names a clip of the corpus, on all pages."""
OTHER_CLIP: Final = "other-clip"
"""The same of the clip that it is compared with."""
CORPUS: Final = "corpus"
"""Parameter of the address that names the corpus, where there are several."""
SOUND: Final = SoundKeys(
    "sound-source",
    "sound-uploads",
    "sound-recording",
    "sound-sample",
    "sound-clip",
    CORPUS,
    CLIP,
    "sample",
    "sound-file",
    "sound-kept",
)
"""The sound of the visit, the same on all pages."""
OTHER_SOUND: Final = SoundKeys(
    "other-source",
    "other-uploads",
    "other-recording",
    "other-sample",
    "other-corpus-clip",
    "other-corpus",
    OTHER_CLIP,
    "compared-sample",
    "other-file",
    "other-kept",
)
"""The sound that the first is compared with."""
KEPT: Final = "kept-results"
"""What ends with the session, and takes along what is kept of it."""
LINKS: Final = "links"
"""What the address had for the widgets of ``pages.ui.shared.links`` in the last run."""
NEWS: Final = "links-news"
"""What it had for ``pages.ui.shared.links.news``."""
PAGES: Final = "links-pages"
"""On which page that was, and other things were, shown last."""
NAVIGATION: Final = "navigation-lists"
BROWSER: Final = "browser"
"""The browser that the session began in."""
VISIT: Final = "visit"
"""The ``pages.ui.shared.visits.Visit``."""
VISIT_WORD: Final = "visit-word"
PART: Final = "predict-part"
PLAYER: Final = "player"
PLAY: Final = "play"
"""What a player was asked to play, as ``pages.ui.shared.player.ask_to_play`` has it."""
STRETCH: Final = "stretch"
"""Parameter of the address that names a stretch of a sound, with the beginning of its digest."""
CHOSEN_FILE: Final = "predict-file"
ANSWERS: Final = "predict-answers"
"""The answers of this visit, in their order, by sound, model and baseline."""
FEATURES_TAB: Final = "features-tab"
FEATURES_COMPARE: Final = "compare"
FEATURES_START: Final = "features-start"
FEATURES_MODEL: Final = "features-model"
FEATURES_EMOTION: Final = "features-emotion"
"""What the model's tab explains where it is not the answer."""
FEATURES_NUMBERS: Final = "features-numbers"

METRICS_MODEL: Final = "metrics-model"
METRICS_PROTOCOL: Final = "metrics-protocol"
METRICS_SUBSET: Final = "metrics-clips"
METRICS_SEED: Final = "metrics-seed"
METRICS_CELL: Final = "metrics-cell"
METRICS_CELL_FIELD: Final = "metrics-cell-by"
METRICS_TAB: Final = "metrics-tab"
METRICS_FOLD: Final = "metrics-fold"
METRICS_GROUP: Final = "metrics-group"
METRICS_MATRIX: Final = "metrics-matrix"
METRICS_CLIP: Final = "metrics-clip"
METRICS_PICTURE: Final = "metrics-picture"

# Dataset. The first ones are also names of query parameters: a view is a link.
DATASET_VIEW: Final = "view"
FILTER_DURATION: Final = "seconds"
FILTER_FOLD: Final = "fold"
FILTER_VERDICT: Final = "model"
FILTER_ANSWER: Final = "answer"
FILTER_WORDS: Final = "search"
CLIP_ORDER: Final = "order"
CLIP_TABLE: Final = "dataset-table"
COUNTS: Final = "dataset-counts"
COUNT_BARS: Final = "dataset-bars"
COMPARISON: Final = "dataset-comparison"
COMPARED: Final = "dataset-compared"
MAP_STARTED: Final = "dataset-map-started"
"""Maps that this visit has started, by model: one that was stopped starts at a click alone."""
MAP_METHOD: Final = "dataset-map-method"
MAP_FIELD: Final = "dataset-map-field"
MAP_POINTS: Final = "dataset-map-points"
MAP_RINGED: Final = "dataset-map-ringed"
"""The clip whose point is ringed on the map, or None, and how often the map was drawn anew for such a one."""
DOWNLOAD_CHANNELS: Final = "download-channels"
DOWNLOAD_FROM: Final = "download-from"
TIMELINE_HALF_LIFE: Final = "timeline-half-life"
TIMELINE_SEGMENT: Final = "timeline-segment"
TIMELINE_STRETCH: Final = "timeline-stretch"
LIVE_STREAM: Final = "live-stream"
"""Key of the component that holds the microphone."""
LIVE_ACCESS: Final = "live-access"
LIVE_BUTTONS: Final = "live-buttons"
LIVE_CONTROLS: Final = "live-controls"
LIVE_SINK: Final = "live-sink"
LIVE_INTAKE: Final = "live-intake"
"""What takes in the sound of this session's microphone."""
LIVE_TAKE: Final = "live-take"
"""The last take, after its stop."""
BASELINE: Final = "baseline"
"""The personal baseline in use: a ``core.serving.baseline.Baseline``."""
BASELINE_STRENGTH: Final = "baseline-strength"

FEEDBACK_GIVEN: Final = "feedback-given"
"""Digests of the sounds about which this visitor has said what they were."""
FEEDBACK_LABEL: Final = "feedback-label"
FEEDBACK_CONSENT: Final = "feedback-consent"
FEEDBACK_SEND: Final = "feedback-send"

ADMIN_SESSION: Final = "admin-session"
"""Token of the administrator's session: here and in a cookie, never in a widget or an address."""
ADMIN_CONNECTION: Final = "admin-connection"
"""Key of the connection over which the administrator signed in, which nothing but its handshake holds."""
ADMIN_HANDOVER: Final = "admin-handover"
"""What the browser shows once to get the cookie of the session."""
ADMIN_COOKIE: Final = "admin-cookie"
"""Key of the component that asks for it."""
ADMIN_POLLED: Final = "admin-polled"
"""Whether the run was asked for by a screen that refreshes itself, not by a person."""
ADMIN_DONE: Final = "admin-done"
"""What was done by the last click, to be said in the next run."""
ADMIN_TAB: Final = "admin-tab"
ADMIN_FORM: Final = "admin-form"
ADMIN_CORPUS: Final = "admin-corpus"
ADMIN_OTHERS: Final = "admin-others"
ADMIN_TRIED: Final = "admin-tried"
ADMIN_RECIPE: Final = "admin-recipe"
ADMIN_PROTOCOLS: Final = "admin-protocols"
ADMIN_CHANNELS: Final = "admin-channels"
ADMIN_EPOCHS: Final = "admin-epochs"
ADMIN_SEED: Final = "admin-seed"
ADMIN_N_SEEDS: Final = "admin-n-seeds"
ADMIN_WITH_FEEDBACK: Final = "admin-with-feedback"
ADMIN_STUDIES: Final = "admin-studies"
ADMIN_PROMOTE: Final = "admin-promote"
ADMIN_NOTES: Final = "admin-notes"
ADMIN_FOLD: Final = "admin-fold"
ADMIN_JOB: Final = "admin-job"
ADMIN_MODEL: Final = "admin-model"
ADMIN_FIRST: Final = "admin-first"
ADMIN_SECOND: Final = "admin-second"
ADMIN_COMPARED: Final = "admin-compared"
ADMIN_CONFIRM: Final = "admin-confirm"
ADMIN_DELETE: Final = "admin-delete"
ADMIN_FEEDBACK: Final = "admin-feedback"
ADMIN_KEY: Final = "admin-key"
ADMIN_NEW_KEY: Final = "admin-new-key"


def noted() -> None:
    """Do nothing: a component tells only those of its states that have a callback."""
