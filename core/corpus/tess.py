"""TESS: two actresses, one older and one younger, who say "Say the word ..." with 200 words in seven emotions.

A file name has three fields: actress (``OAF`` is the older, ``YAF`` the younger one), word, emotion, where ``ps`` is
pleasant surprise. One file of the older actress is called ``OA``.

References
----------
Pichora-Fuller MK, Dupuis K (2020). Toronto emotional speech set (TESS). https://doi.org/10.5683/SP2/E8H2MF
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

EMOTION_WORDS: Final = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",
    "sad": "sad",
}
SPEAKERS: Final = {"OAF": "OAF", "OA": "OAF", "YAF": "YAF"}
NAME: Final = re.compile(rf"({'|'.join(SPEAKERS)})_([a-z]+)_({'|'.join(EMOTION_WORDS)})")


def parse(path: PurePath) -> Clip | None:
    """Read the fields of a file name; None where the file is no clip.

    >>> clip = parse(PurePath("OAF_Fear/OAF_back_fear.wav"))
    >>> clip["speaker"], clip["emotion"], clip["statement"]
    ('OAF', 'fearful', 'back')
    >>> parse(PurePath("OAF_neutral/OA_bite_neutral.wav"))["speaker"]
    'OAF'
    """
    found = match_name(NAME, path)
    if found is None:
        return None
    speaker, word, emotion = found
    return {
        "clip": path.stem,
        "speaker": SPEAKERS[speaker],
        "gender": "female",
        "emotion": EMOTION_WORDS[emotion],
        "statement": word,
        "language": "English",
    }


TESS: Final = Corpus(
    name="tess",
    title="TESS",
    labels=tuple(sorted(EMOTION_WORDS.values())),
    parse=parse,
    fields=(Field("statement", "Word"), Field("speaker", "Actress", ("OAF", "YAF"))),
    texts=Texts(
        about="An older and a younger actress who say 200 words in seven emotions.",
        citation="Pichora-Fuller & Dupuis (2020)",
        link="https://doi.org/10.5683/SP2/E8H2MF",
        domain="acted Canadian English words",
    ),
)
"""The corpus."""
