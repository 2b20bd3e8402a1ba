"""EmoGator: bursts of voice without words, of thirty kinds, by 357 people with their own microphones.

A file name has three fields: contributor, kind, take. The kind is what people were asked for, by its name in English;
nobody judged what came of it. Kinds are not the emotions of acted speech, even where a word is the same, so that they
keep the names that the corpus has for them, in small letters and without brackets.

References
----------
Buhl FW (2023). EmoGator: A new open source vocal burst dataset with baseline machine learning classification
methodologies. arXiv:2301.00508.
"""

import itertools
import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Texts
from core.corpus.names import SUFFIXES, match_name
from core.corpus.sources import LooseFiles

KINDS: Final = (
    "adoration",
    "amusement",
    "anger",
    "awe",
    "confusion",
    "contempt",
    "contentment",
    "desire",
    "disappointment",
    "disgust",
    "distress",
    "ecstasy",
    "elation",
    "embarrassment",
    "fear",
    "guilt",
    "interest",
    "neutral",
    "pain",
    "pride",
    "realization",
    "relief",
    "romantic love",
    "sadness",
    "serenity",
    "shame",
    "negative surprise",
    "positive surprise",
    "sympathy",
    "triumph",
)
"""In the order of their numbers, from 1."""
N_CONTRIBUTORS: Final = 357
TAKES: Final = (1, 2, 3)
CHANNEL: Final = "burst"
NAME: Final = re.compile(r"(\d{6})-(0[1-9]|[12]\d|30)-([123])")


def parse(path: PurePath) -> Clip | None:
    """Read the fields of a file name; None where the file is no clip.

    >>> clip = parse(PurePath("data/mp3/000012-27-3.mp3"))
    >>> clip["speaker"], clip["emotion"], clip["repetition"]
    ('000012', 'negative surprise', 3)
    """
    found = match_name(NAME, path, (".mp3", *SUFFIXES))
    if found is None or not 1 <= int(found[0]) <= N_CONTRIBUTORS:
        return None
    speaker, kind, take = found
    return {
        "clip": path.stem,
        "channel": CHANNEL,
        "speaker": speaker,
        "emotion": KINDS[int(kind) - 1],
        "repetition": int(take),
    }


def expected_clips() -> list[str]:
    """Return the names of all clips of the release, sorted.

    >>> len(expected_clips())
    32130
    """
    numbers = itertools.product(range(1, N_CONTRIBUTORS + 1), range(1, len(KINDS) + 1), TAKES)
    return [f"{contributor:06d}-{kind:02d}-{take}" for contributor, kind, take in numbers]


EMOGATOR: Final = Corpus(
    name="emogator",
    title="EmoGator",
    labels=tuple(sorted(KINDS)),
    parse=parse,
    fields=(Field("repetition", "Take", TAKES), Field("speaker", "Contributor")),
    source=LooseFiles(
        base_url="https://raw.githubusercontent.com/fredbuhl/EmoGator/51eeca515a95f168ab73391cd9e7c975ab964429/data/mp3/",
        names=lambda: [f"{clip}.mp3" for clip in expected_clips()],
        tree="257bfe9ab0ceaa56667792922badd980f148370c",
        size_of_all=523_644_979,
        folder="mp3",
        max_file_bytes=100_000,
        channel=CHANNEL,
    ),
    texts=Texts(
        about="32,130 bursts of voice without words, of thirty kinds, three takes each by 357 people.",
        citation="Buhl (2023)",
        link="https://github.com/fredbuhl/EmoGator",
        domain="bursts of voice without words, made on request",
        notes={
            "stereo": "Contributors recorded by their own devices, some in stereo; the channels are averaged.",
            "odd_rate": "Contributors recorded by their own devices; those of 90 clips had another rate.",
            "same_recording": "The release has 20 such pairs.",
        },
    ),
    licence="Apache-2.0",
    licence_link="https://www.apache.org/licenses/LICENSE-2.0",
    expected=expected_clips,
)
"""The corpus."""
