"""JL-Corpus: two women and two men of New Zealand who say sentences in ten emotions.

A file name has four fields: speaker, emotion, sentence with the letter of its version, and number of the take. Five
emotions are those of other corpora, five are finer ones.

References
----------
James J, Tian L, Watson CI (2018). An open source emotional speech corpus for human robot interaction applications.
Interspeech 2018: 2768-2772.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

LABELS: Final = (
    "angry",
    "anxious",
    "apologetic",
    "assertive",
    "concerned",
    "encouraging",
    "excited",
    "happy",
    "neutral",
    "sad",
)
NAME: Final = re.compile(rf"((female|male)[12])_({'|'.join(LABELS)})_(\d+)[a-z]?_(\d+)")


def parse(path: PurePath) -> Clip | None:
    """Read the fields of a file name; None where the file is no clip.

    >>> clip = parse(PurePath("female1_angry_10a_2.wav"))
    >>> clip["speaker"], clip["gender"], clip["emotion"], clip["statement"], clip["repetition"]
    ('female1', 'female', 'angry', '10', 2)
    """
    found = match_name(NAME, path)
    if found is None:
        return None
    speaker, gender, emotion, statement, repetition = found
    return {
        "clip": path.stem,
        "speaker": speaker,
        "gender": gender,
        "emotion": emotion,
        "statement": statement,
        "repetition": int(repetition),
        "language": "English",
    }


JL_CORPUS: Final = Corpus(
    name="jl-corpus",
    title="JL-Corpus",
    labels=LABELS,
    parse=parse,
    fields=(
        Field("repetition", "Repetition"),
        Field("statement", "Sentence"),
        Field("speaker", "Speaker"),
        Field("gender", "Gender", ("female", "male")),
    ),
    texts=Texts(
        about="Two women and two men of New Zealand who say sentences in ten emotions.",
        citation="James et al. (2018)",
        link="https://github.com/tli725/JL-Corpus",
        domain="acted New Zealand English speech",
    ),
)
"""The corpus."""
