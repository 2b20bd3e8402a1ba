"""SAVEE: four men who say English sentences in seven emotions.

A file name is an emotion, in one letter or two, and the number of a sentence. The speaker stands before it in the name,
or is the folder.

References
----------
Haq S, Jackson PJB (2010). Multimodal emotion recognition. In Wang W (ed.), Machine Audition: Principles, Algorithms and
Systems. IGI Global: 398-423.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

EMOTION_CODES: Final = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
SPEAKERS: Final = ("DC", "JE", "JK", "KL")
NAME: Final = re.compile(rf"(?:({'|'.join(SPEAKERS)})_)?(({'|'.join(EMOTION_CODES)})\d\d)")


def parse(path: PurePath) -> Clip | None:
    """Read folder and file name; None where the file is no clip.

    >>> clip = parse(PurePath("AudioData/DC/su01.wav"))
    >>> clip["clip"], clip["speaker"], clip["emotion"]
    ('DC_su01', 'DC', 'surprised')
    >>> parse(PurePath("ALL/DC_su01.wav")) == clip
    True
    """
    found = match_name(NAME, path)
    if found is None:
        return None
    name, take, emotion = found
    speaker = name or path.parent.name
    if speaker not in SPEAKERS:
        return None
    return {
        "clip": f"{speaker}_{take}",
        "speaker": speaker,
        "gender": "male",
        "emotion": EMOTION_CODES[emotion],
        "language": "English",
    }


SAVEE: Final = Corpus(
    name="savee",
    title="SAVEE",
    labels=tuple(sorted(EMOTION_CODES.values())),
    parse=parse,
    fields=(Field("speaker", "Speaker", SPEAKERS),),
    texts=Texts(
        about="Four men who say English sentences in seven emotions.",
        citation="Haq & Jackson (2010)",
        link="http://kahlan.eps.surrey.ac.uk/savee/",
        domain="acted British English speech of men",
    ),
)
"""The corpus."""
