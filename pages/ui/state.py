"""Keys of the session state, each in one place."""

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
    kept: str
    """The uploaded or recorded sounds, which outlive a change of page as their widgets do not."""


FRAMED: Final = "framed"
"""Whether the entry script has run before the page."""
SOUND: Final = SoundKeys("sound-source", "sound-uploads", "sound-recording", "sound-sample", "sound-clip", "sound-kept")
"""The sound of the visit, the same on all pages."""
OTHER_SOUND: Final = SoundKeys(
    "other-source", "other-uploads", "other-recording", "other-sample", "other-clip", "other-kept"
)
"""The sound that the first is compared with."""
CLIP_PARAMETER: Final = "clip"
"""Parameter of the address that names a clip of the corpus."""
OPENED_CLIP: Final = "sound-opened-clip"
CHOSEN_FILE: Final = "predict-file"
FEATURES_TAB: Final = "view"
FEATURES_COMPARE: Final = "compare"
FEATURES_START: Final = "features-start"
FEATURES_MODEL: Final = "features-model"
TIMELINE_HALF_LIFE: Final = "timeline-half-life"
TIMELINE_SEGMENT: Final = "timeline-segment"
LIVE_STREAM: Final = "live-stream"
"""Key of the component that holds the microphone."""
LIVE_SINK: Final = "live-sink"
LIVE_INTAKE: Final = "live-intake"
"""What takes in the sound of this session's microphone."""
LIVE_TAKE: Final = "live-take"
"""The last take, after its stop."""
BASELINE: Final = "baseline"
"""The personal baseline in use: a ``core.serving.baseline.Baseline``."""
BASELINE_STRENGTH: Final = "baseline-strength"
