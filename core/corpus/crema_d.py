"""CREMA-D: 91 actors who say twelve sentences in six emotions.

A file name has four fields: actor, sentence, emotion, intensity. Only one sentence was acted in three intensities; the
others have ``XX``, and one file has ``X``.

References
----------
Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014). CREMA-D: Crowd-sourced Emotional Multimodal Actors
Dataset. IEEE Transactions on Affective Computing 5(4): 377-390.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

EMOTION_CODES: Final = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
INTENSITY_CODES: Final = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
STATEMENT_CODES: Final = {
    "DFA": "Don't forget a jacket",
    "IEO": "It's eleven o'clock",
    "IOM": "I'm on my way to the meeting",
    "ITH": "I think I have a doctor's appointment",
    "ITS": "I think I've seen this before",
    "IWL": "I would like a new alarm clock",
    "IWW": "I wonder what this is about",
    "MTI": "Maybe tomorrow it will be cold",
    "TAI": "The airplane is almost full",
    "TIE": "That is exactly what happened",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
NAME: Final = re.compile(rf"(1\d{{3}})_({'|'.join(STATEMENT_CODES)})_({'|'.join(EMOTION_CODES)})_(LO|MD|HI|XX?)")


def parse(path: PurePath) -> Clip | None:
    """Read the fields of a file name; None where the file is no clip.

    >>> clip = parse(PurePath("AudioWAV/1001_IEO_ANG_HI.wav"))
    >>> clip["speaker"], clip["emotion"], clip["intensity"], clip["statement"]
    ('1001', 'angry', 'high', "It's eleven o'clock")
    """
    found = match_name(NAME, path)
    if found is None:
        return None
    speaker, statement, emotion, intensity = found
    return {
        "clip": path.stem,
        "speaker": speaker,
        "emotion": EMOTION_CODES[emotion],
        "statement": STATEMENT_CODES[statement],
        "intensity": INTENSITY_CODES[intensity],
        "language": "English",
    }


CREMA_D: Final = Corpus(
    name="crema-d",
    title="CREMA-D",
    labels=tuple(sorted(EMOTION_CODES.values())),
    parse=parse,
    fields=(
        Field("intensity", "Intensity", ("low", "medium", "high")),
        Field("statement", "Sentence", tuple(STATEMENT_CODES.values())),
        Field("speaker", "Actor"),
    ),
    texts=Texts(
        about="91 actors who say twelve sentences in six emotions.",
        citation="Cao et al. (2014)",
        link="https://github.com/CheyneyComputerScience/CREMA-D",
        domain="acted North American English speech",
    ),
    licence="ODbL 1.0",
    licence_link="https://opendatacommons.org/licenses/odbl/1-0/",
)
"""The corpus."""
