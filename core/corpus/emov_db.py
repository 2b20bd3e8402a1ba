"""EmoV-DB: two women and two men who read English sentences in five emotions.

A file name has an emotion, the range of sentences that were recorded together, and the number of the sentence; the
speaker is a folder, or the beginning of its name (``bea/Amused``, ``bea_Amused``). Some files say anger for angry, and
sleepiness for sleepy.

References
----------
Adigwe A, Tits N, El Haddad K, Ostadabbas S, Dutoit T (2018). The emotional voices database: Towards controlling the
emotion dimension in voice generation systems. arXiv:1806.09514.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

EMOTION_WORDS: Final = {
    "amused": "amused",
    "anger": "angry",
    "angry": "angry",
    "disgust": "disgust",
    "disgusted": "disgust",
    "neutral": "neutral",
    "sleepiness": "sleepy",
    "sleepy": "sleepy",
}
GENDERS: Final = {"bea": "female", "jenie": "female", "josh": "male", "sam": "male"}
"""By speaker."""
NAME: Final = re.compile(rf"({'|'.join(EMOTION_WORDS)})_\d+-\d+_(\d{{4}})", re.IGNORECASE)


def parse(path: PurePath) -> Clip | None:
    """Read folders and file name; None where the file is no clip.

    >>> clip = parse(PurePath("bea_Amused/amused_1-15_0001.wav"))
    >>> clip["clip"], clip["speaker"], clip["gender"], clip["emotion"], clip["statement"]
    ('bea_amused_1-15_0001', 'bea', 'female', 'amused', '0001')
    >>> parse(PurePath("bea/Amused/amused_1-15_0001.wav")) == clip
    True
    """
    found = match_name(NAME, path)
    folders = (folder.lower().partition("_")[0] for folder in reversed(path.parts[:-1]))
    speaker = next((folder for folder in folders if folder in GENDERS), "")
    if found is None or not speaker:
        return None
    emotion, statement = found
    return {
        "clip": f"{speaker}_{path.stem}",
        "speaker": speaker,
        "gender": GENDERS[speaker],
        "emotion": EMOTION_WORDS[emotion.lower()],
        "statement": statement,
        "language": "English",
    }


EMOV_DB: Final = Corpus(
    name="emov-db",
    title="EmoV-DB",
    labels=tuple(sorted({*EMOTION_WORDS.values()})),
    parse=parse,
    fields=(
        Field("statement", "Sentence"),
        Field("speaker", "Speaker", tuple(GENDERS)),
        Field("gender", "Gender", ("female", "male")),
    ),
    texts=Texts(
        about="Two women and two men who read English sentences in five emotions.",
        citation="Adigwe et al. (2018)",
        link="https://github.com/numediart/EmoV-DB",
        domain="acted English reading",
    ),
)
"""The corpus."""
