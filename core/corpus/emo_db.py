"""EMO-DB: ten German actors who say ten sentences in seven emotions.

A file name has seven characters: actor (two digits), sentence (a letter and two digits), the first letter of the German
word for the emotion, and a letter that counts takes, which may be missing.

References
----------
Burkhardt F, Paeschke A, Rolfes M, Sendlmeier W, Weiss B (2005). A database of German emotional speech. Interspeech
2005: 1517-1520.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

EMOTION_CODES: Final = {
    "A": "fearful",  # Angst
    "E": "disgust",  # Ekel
    "F": "happy",  # Freude
    "L": "bored",  # Langeweile
    "N": "neutral",
    "T": "sad",  # Trauer
    "W": "angry",  # Wut
}
GENDERS: Final = dict.fromkeys(("03", "10", "11", "12", "15"), "male") | dict.fromkeys(
    ("08", "09", "13", "14", "16"), "female"
)
NAME: Final = re.compile(rf"({'|'.join(GENDERS)})([ab]\d\d)([{''.join(EMOTION_CODES)}])([a-z]?)")


def parse(path: PurePath) -> Clip | None:
    """Read the fields of a file name; None where the file is no clip.

    >>> clip = parse(PurePath("wav/03a01Fb.wav"))
    >>> clip["speaker"], clip["gender"], clip["emotion"], clip["statement"], clip["repetition"]
    ('03', 'male', 'happy', 'a01', 2)
    """
    found = match_name(NAME, path)
    if found is None:
        return None
    speaker, statement, emotion, take = found
    return {
        "clip": path.stem,
        "speaker": speaker,
        "gender": GENDERS[speaker],
        "emotion": EMOTION_CODES[emotion],
        "statement": statement,
        "repetition": ord(take or "a") - ord("a") + 1,
        "language": "German",
    }


EMO_DB: Final = Corpus(
    name="emo-db",
    title="EMO-DB",
    labels=tuple(sorted(EMOTION_CODES.values())),
    parse=parse,
    fields=(
        Field("statement", "Sentence"),
        Field("repetition", "Repetition"),
        Field("speaker", "Actor", tuple(sorted(GENDERS))),
        Field("gender", "Gender", ("female", "male")),
    ),
    texts=Texts(
        about="Ten German actors who say ten sentences in seven emotions.",
        citation="Burkhardt et al. (2005)",
        link="http://emodb.bilderbar.info/",
        domain="acted German speech",
    ),
)
"""The corpus."""
