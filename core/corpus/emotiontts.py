"""EmotionTTS: Korean speech in four emotions, of the open twentieth of a corpus for speech synthesis.

Below the folder ``Emotional`` a file name is a speaker of three letters and a number of five digits: 1 to 100 are
neutral, 101 to 200 happy, 201 to 300 sad, 301 to 400 angry. The README that comes with the corpus has the last two
swapped; the words that are read, and how they sound, tell. Its other folders, ``Main`` and ``Personality``, hold plain
reading and no clips.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

FOLDER: Final = "Emotional"
EMOTIONS_IN_ORDER: Final = ("neutral", "happy", "sad", "angry")
"""Of numbers 1 to 100, 101 to 200, and so on."""
FEMALE: Final = frozenset({"ema", "emb", "nea", "neb", "nec", "ned", "nee"})
SCRIPTS: Final = {"em": "plain", "ne": "emotional"}
"""What the speakers of a group read, by how their names begin."""
NAME: Final = re.compile(r"((em|ne)[a-z])(00[0-4]\d\d)")


def parse(path: PurePath) -> Clip | None:
    """Read folder and file name; None where the file is no clip.

    >>> clip = parse(PurePath("Emotional/emotional-to-emotional/nea/wav/nea00301.wav"))
    >>> clip["speaker"], clip["gender"], clip["emotion"], clip["script"]
    ('nea', 'female', 'angry', 'emotional')
    >>> parse(PurePath("Main/main/kih/wav/kih00031.wav"))
    """
    found = match_name(NAME, path)
    if found is None or FOLDER not in path.parts[:-1] or not 1 <= int(found[2]) <= 400:
        return None
    speaker, group, number = found
    return {
        "clip": path.stem,
        "speaker": speaker,
        "gender": "female" if speaker in FEMALE else "male",
        "emotion": EMOTIONS_IN_ORDER[(int(number) - 1) // 100],
        "script": SCRIPTS[group],
        "language": "Korean",
    }


EMOTIONTTS: Final = Corpus(
    name="emotiontts",
    title="EmotionTTS",
    labels=tuple(sorted(EMOTIONS_IN_ORDER)),
    parse=parse,
    fields=(
        Field("script", "Script", tuple(SCRIPTS.values())),
        Field("speaker", "Speaker"),
        Field("gender", "Gender", ("female", "male")),
    ),
    texts=Texts(
        about="300 sentences of 15 Korean speakers in four emotions, the open twentieth of a corpus.",
        citation="EmotionTTS Open DB (2017-2019)",
        link="https://github.com/emotiontts/emotiontts_open_db",
        domain="acted Korean speech",
    ),
    licence="CC BY-NC-SA",
)
"""The corpus."""
