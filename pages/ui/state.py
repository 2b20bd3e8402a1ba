"""Keys of the session state, each in one place."""

from typing import Final

SOURCE: Final = "sound-source"
UPLOADS: Final = "sound-uploads"
RECORDING: Final = "sound-recording"
SAMPLE: Final = "sound-sample"
CHOSEN_FILE: Final = "predict-file"
