"""Indian EmoSpeech: commands in Indian English, recorded by phone in real places, in four emotions.

A file name has five fields: keyword, environment (safe, scream, gunshots, glass break), emotion, time, and a hash that
stands for the speaker; the folder is the place. Keyword ``background`` is a place without a voice, and emotion ``None``
is unknown: neither is a clip. Keyword ``unknown`` is another word. Some times are no numbers (``?``, a copy of a file).

The hash ``d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f`` stands for everybody whom the makers do not know:
most clips, of many people. Speakers are called by the first eight digits, which are different for all of them.

References
----------
Banga S, Upadhyay U, Agarwal P, Sharma A, Mukherjee P (2019). Indian EmoSpeech Command Dataset: A dataset for emotion
based speech recognition in the wild. arXiv:1910.13801.
"""

import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import match_name

EMOTION_WORDS: Final = {
    "angry": "angry",
    "calm": "calm",
    "fear": "fearful",
    "fearful": "fearful",
    "happy": "happy",
}
KEYWORDS: Final = ("bacho", "go", "help", "no", "stop", "yes", "unknown")
ENVIRONMENTS: Final = ("safe", "scream", "gunshots", "glass break")
SPEAKER_DIGITS: Final = 8
UNKNOWN_PEOPLE: Final = "d14a028c"
"""The speaker that stands for everybody whom the makers do not know."""
NAME: Final = re.compile(
    rf"({'|'.join(KEYWORDS)})-({'|'.join(ENVIRONMENTS)})-({'|'.join(EMOTION_WORDS)})-[^-]+-([0-9a-f]{{56}})"
)


def parse(path: PurePath) -> Clip | None:
    """Read folder and file name; None where the file is no clip.

    >>> name = "help-safe-fearful-1563021439550-99467a5e6b77016f7a8f530c78ef2b2c31124116065faa4e738689cb.wav"
    >>> clip = parse(PurePath("Near Lake") / name)
    >>> clip["speaker"], clip["emotion"], clip["statement"], clip["environment"], clip["place"]
    ('99467a5e', 'fearful', 'help', 'safe', 'Near Lake')
    >>> parse(PurePath("Near Lake") / name.replace("help", "background"))
    """
    found = match_name(NAME, path)
    if found is None:
        return None
    keyword, environment, emotion, digits = found
    return {
        "clip": path.stem,
        "speaker": digits[:SPEAKER_DIGITS],
        "emotion": EMOTION_WORDS[emotion],
        "statement": "" if keyword == "unknown" else keyword,
        "language": "English",
        "environment": environment,
        "place": path.parent.name,
    }


EMOSPEECH: Final = Corpus(
    name="emospeech",
    title="Indian EmoSpeech",
    labels=tuple(sorted({*EMOTION_WORDS.values()})),
    parse=parse,
    fields=(
        Field("environment", "Environment", ENVIRONMENTS),
        Field("place", "Place"),
        Field("statement", "Command"),
        Field("speaker", "Speaker"),
    ),
    texts=Texts(
        about="Commands in Indian English, recorded in real places in four emotions. "
        f"Speaker {UNKNOWN_PEOPLE} stands for everybody whom the makers do not know: many people, most clips.",
        citation="Banga et al. (2019)",
        link="https://github.com/RakshakTeam/emospeech-dataset-v1",
        domain="acted commands in Indian English, in real places",
        notes={
            "same_recording": f"Some files were copied. Most clips are of speaker {UNKNOWN_PEOPLE}: unknown people."
        },
    ),
    licence="CC BY-NC-SA 4.0",
    licence_link="https://creativecommons.org/licenses/by-nc-sa/4.0/",
)
"""The corpus."""
