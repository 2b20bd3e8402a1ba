"""TurEV-DB: Turkish words, said by six actors in four emotions.

A file name has three fields: actor, emotion, word; a digit behind the word counts a further take. The folder says the
emotion in English too; the name is what counts.

References
----------
Canpolat SF, Ormanoglu Z, Zeyrek D (2020). Turkish Emotion Voice Database (TurEV-DB). SLTU and CCURL 2020: 368-375.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

EMOTION_CODES: Final = {"hl": "sad", "kz": "angry", "mt": "happy", "sk": "calm"}
NAME: Final = re.compile(rf"(\d{{4}})_({'|'.join(EMOTION_CODES)})_([a-z]+)\d?")


def parse(path: PurePath) -> Clip | None:
    """Read the fields of a file name; None where the file is no clip.

    >>> clip = parse(PurePath("Sound Source/Angry/1157_kz_zeytin.wav"))
    >>> clip["speaker"], clip["emotion"], clip["statement"]
    ('1157', 'angry', 'zeytin')
    """
    found = match_name(NAME, path)
    if found is None:
        return None
    speaker, emotion, word = found
    return {
        "clip": path.stem,
        "speaker": speaker,
        "emotion": EMOTION_CODES[emotion],
        "statement": word,
        "language": "Turkish",
    }


TUREV: Final = Corpus(
    name="turev",
    title="TurEV-DB",
    labels=tuple(sorted(EMOTION_CODES.values())),
    parse=parse,
    fields=(Field("statement", "Word"), Field("speaker", "Actor")),
    texts=Texts(
        about="1,735 recordings of Turkish words, said by six actors in four emotions.",
        citation="Canpolat et al. (2020)",
        link="https://github.com/Xeonen/TurEV-DB",
        domain="acted Turkish words",
        notes={"gaps": "Not every actor said every word in every emotion."},
    ),
    licence="CC BY-NC-ND 4.0",
    licence_link="https://creativecommons.org/licenses/by-nc-nd/4.0/",
)
"""The corpus."""
