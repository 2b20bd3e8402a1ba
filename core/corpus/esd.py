"""ESD: ten speakers of Mandarin and ten of English who say 350 sentences each in five emotions.

A file name is a speaker and a number; the emotion is a folder, with folders of parts (train, test, evaluation) below it
in some copies. Speakers 0001 to 0010 speak Mandarin, 0011 to 0020 English.

References
----------
Zhou K, Sisman B, Liu R, Li H (2022). Emotional voice conversion: Theory, databases and ESD. Speech Communication 137:
1-18.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

EMOTION_FOLDERS: Final = {
    "Angry": "angry",
    "Happy": "happy",
    "Neutral": "neutral",
    "Sad": "sad",
    "Surprise": "surprised",
}
PARTS: Final = ("train", "test", "evaluation")
N_MANDARIN: Final = 10
"""Speakers of Mandarin, who come first."""
NAME: Final = re.compile(r"(00(?:0[1-9]|1\d|20))_\d{6}")


def parse(path: PurePath) -> Clip | None:
    """Read folders and file name; None where the file is no clip.

    >>> clip = parse(PurePath("0011/Surprise/train/0011_001451.wav"))
    >>> clip["speaker"], clip["emotion"], clip["language"]
    ('0011', 'surprised', 'English')
    >>> parse(PurePath("0011_001451.wav"))
    """
    found = match_name(NAME, path)
    folder = path.parent.parent.name if path.parent.name in PARTS else path.parent.name
    if found is None or folder not in EMOTION_FOLDERS:
        return None
    (speaker,) = found
    return {
        "clip": path.stem,
        "speaker": speaker,
        "emotion": EMOTION_FOLDERS[folder],
        "language": "Mandarin" if int(speaker) <= N_MANDARIN else "English",
    }


ESD: Final = Corpus(
    name="esd",
    title="ESD",
    labels=tuple(sorted(EMOTION_FOLDERS.values())),
    parse=parse,
    fields=(Field("language", "Language", ("English", "Mandarin")), Field("speaker", "Speaker")),
    texts=Texts(
        about="Ten speakers of Mandarin and ten of English who say 350 sentences each in five emotions.",
        citation="Zhou et al. (2022)",
        link="https://github.com/HLTSingapore/Emotional-Speech-Data",
        domain="acted Mandarin and English speech",
    ),
)
"""The corpus."""
