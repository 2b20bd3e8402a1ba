"""Keys of the session state, each in one place."""

from typing import Final

SOURCE: Final = "sound-source"
UPLOADS: Final = "sound-uploads"
RECORDING: Final = "sound-recording"
SAMPLE: Final = "sound-sample"
CHOSEN_FILE: Final = "predict-file"

# Dataset. The first ones are also names of query parameters: a view is a link.
DATASET_VIEW: Final = "view"
FILTER_FIELDS: Final = ("channel", "emotion", "intensity", "statement", "repetition", "actor", "gender")
FILTER_DURATION: Final = "seconds"
FILTER_FOLD: Final = "fold"
FILTER_WRONG: Final = "wrong"
CLIPS_PAGE: Final = "page"
CLIP: Final = "clip"
CLIP_TABLE: Final = "dataset-table"
COUNT_BARS: Final = "dataset-bars"
COMPARISON: Final = "dataset-comparison"
COMPARED: Final = "dataset-compared"
MAP_METHOD: Final = "dataset-map-method"
MAP_FIELD: Final = "dataset-map-field"
MAP_POINTS: Final = "dataset-map-points"
DOWNLOAD_CHANNELS: Final = "download-channels"
DOWNLOAD_FROM: Final = "download-from"
