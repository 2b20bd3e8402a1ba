"""Keys of the session state, each in one place."""

from typing import Final

SOURCE: Final = "sound-source"
UPLOADS: Final = "sound-uploads"
RECORDING: Final = "sound-recording"
SAMPLE: Final = "sound-sample"
CHOSEN_FILE: Final = "predict-file"

METRICS_MODEL: Final = "metrics-model"
METRICS_PROTOCOL: Final = "metrics-protocol"
METRICS_SUBSET: Final = "metrics-clips"
METRICS_SEED: Final = "metrics-seed"
METRICS_TRUE: Final = "metrics-true"
METRICS_ANSWER: Final = "metrics-answered"
METRICS_TAB: Final = "metrics-tab"
METRICS_FOLD: Final = "metrics-fold"
METRICS_GROUP: Final = "metrics-group"
METRICS_MATRIX: Final = "metrics-matrix"
METRICS_CLIP: Final = "metrics-clip"
METRICS_PICTURE: Final = "metrics-picture"
