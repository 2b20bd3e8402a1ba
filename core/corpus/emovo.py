"""EMOVO: six Italian actors who say fourteen sentences in seven emotions.

A file name has three fields: emotion, actor, sentence.

References
----------
Costantini G, Iaderola I, Paoloni A, Todisco M (2014). EMOVO corpus: an Italian emotional speech database. LREC 2014.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

EMOTION_CODES: Final = {
    "dis": "disgust",
    "gio": "happy",
    "neu": "neutral",
    "pau": "fearful",
    "rab": "angry",
    "sor": "surprised",
    "tri": "sad",
}
GENDERS: Final = {"f": "female", "m": "male"}
NAME: Final = re.compile(rf"({'|'.join(EMOTION_CODES)})-(([fm])[123])-([a-z]\d)")


def parse(path: PurePath) -> Clip | None:
    """Read the fields of a file name; None where the file is no clip.

    >>> clip = parse(PurePath("EMOVO/f1/dis-f1-b1.wav"))
    >>> clip["speaker"], clip["gender"], clip["emotion"], clip["statement"]
    ('f1', 'female', 'disgust', 'b1')
    """
    found = match_name(NAME, path)
    if found is None:
        return None
    emotion, speaker, gender, statement = found
    return {
        "clip": path.stem,
        "speaker": speaker,
        "gender": GENDERS[gender],
        "emotion": EMOTION_CODES[emotion],
        "statement": statement,
        "language": "Italian",
    }


EMOVO: Final = Corpus(
    name="emovo",
    title="EMOVO",
    labels=tuple(sorted(EMOTION_CODES.values())),
    parse=parse,
    fields=(
        Field("statement", "Sentence"),
        Field("speaker", "Actor"),
        Field("gender", "Gender", ("female", "male")),
    ),
    texts=Texts(
        about="588 recordings of six Italian actors who say fourteen sentences in seven emotions.",
        citation="Costantini et al. (2014)",
        domain="acted Italian speech",
    ),
)
"""The corpus."""
