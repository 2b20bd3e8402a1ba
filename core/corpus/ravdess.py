"""RAVDESS: 24 actors who speak and sing two sentences in eight emotions.

A file name has seven two-digit fields: modality (03 is audio only), channel, emotion, intensity, statement, repetition,
actor. The ending is no part of the clip's name. Actors with odd numbers are male. Song has no disgust and no surprise,
actor 18 did not sing, and neutral has no strong intensity.

References
----------
Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS).
PLoS ONE 13(5): e0196391. https://doi.org/10.1371/journal.pone.0196391
Luna-Jimenez C et al. (2021). Multimodal emotion recognition on RAVDESS dataset using transfer learning.
Sensors 21(22): 7665 (five folds of actors).
Ma Z et al. (2024). EmoBox: Multilingual multi-corpus speech emotion recognition toolkit and benchmark.
Interspeech 2024, arXiv:2406.07162 (six folds of actors).
"""

import itertools
import re
from pathlib import PurePath
from typing import Final

from core.corpus.base import Clip, Corpus, Field, Listeners, Texts
from core.corpus.names import match_name
from core.corpus.sources import Archive, Source
from core.errors import CorpusError
from core.labels import EMOTIONS

CHANNEL_CODES: Final = {"01": "speech", "02": "song"}
EMOTION_CODES: Final = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
INTENSITY_CODES: Final = {"01": "normal", "02": "strong"}
STATEMENT_CODES: Final = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
ACTORS: Final = tuple(f"{number:02d}" for number in range(1, 25))
SILENT_SINGER: Final = "18"
"""The actor without songs."""
NO_SONG: Final = ("disgust", "surprised")
NAME: Final = re.compile(r"03-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")
SAMPLE_ACTOR: Final = "12"


def gender_of(actor: str) -> str:
    """Return the gender of an actor: odd numbers are male, even numbers female.

    >>> gender_of("01"), gender_of("24")
    ('male', 'female')
    """
    return "male" if int(actor) % 2 else "female"


def parse(path: PurePath) -> Clip | None:
    """Read the fields of a file name; None where the file is no clip.

    >>> clip = parse(PurePath("Actor_12/03-01-06-01-02-01-12.wav"))
    >>> clip["channel"], clip["emotion"], clip["intensity"], clip["speaker"], clip["gender"]
    ('speech', 'fearful', 'normal', '12', 'female')
    >>> parse(PurePath("notes.wav"))
    """
    found = match_name(NAME, path)
    if found is None:
        return None
    channel, emotion, intensity, statement, repetition, actor = found
    return {
        "clip": path.stem,
        "channel": CHANNEL_CODES[channel],
        "emotion": EMOTION_CODES[emotion],
        "intensity": INTENSITY_CODES[intensity],
        "statement": STATEMENT_CODES[statement],
        "repetition": int(repetition),
        "speaker": actor,
        "gender": gender_of(actor),
    }


def parse_name(clip: str) -> Clip:
    """Return the fields of a clip's name.

    Raises
    ------
    CorpusError
        If the name is not one of the release.
    """
    found = parse(PurePath(f"{clip}.wav"))
    if found is None:
        raise CorpusError(f"{clip!r} is not the name of a clip of RAVDESS; expected one like '03-01-06-01-02-01-12'.")
    return found


def expected_clips() -> list[str]:
    """Return the names of all 2,452 audio-only clips of the release, sorted.

    >>> len(expected_clips())
    2452
    """
    fields = (CHANNEL_CODES, EMOTION_CODES, INTENSITY_CODES, STATEMENT_CODES, ("01", "02"), ACTORS)
    names = ("-".join(("03", *codes)) for codes in itertools.product(*fields))
    return sorted(name for name in names if _is_released(parse_name(name)))


def _is_released(clip: Clip) -> bool:
    has_intensity = not (clip["emotion"] == "neutral" and clip["intensity"] == "strong")
    is_sung = clip["emotion"] not in NO_SONG and clip["speaker"] != SILENT_SINGER
    return has_intensity and (clip["channel"] == "speech" or is_sung)


def _folds(*folds: tuple[int, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(f"{actor:02d}" for actor in fold) for fold in folds)


RAVDESS: Final = Corpus(
    name="ravdess",
    title="RAVDESS",
    labels=EMOTIONS,
    parse=parse,
    fields=(
        Field("channel", "Channel", ("speech", "song")),
        Field("intensity", "Intensity", ("normal", "strong")),
        Field("statement", "Sentence", tuple(STATEMENT_CODES.values())),
        Field("repetition", "Repetition", (1, 2)),
        Field("speaker", "Actor", ACTORS),
        Field("gender", "Gender", ("female", "male")),
    ),
    folds={
        "speaker-luna": _folds(
            (2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22)
        ),
        "speaker-emobox": _folds(
            (1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22)
        ),
    },
    protocol_texts={
        "speaker-luna": "unseen speakers, 5 folds of actors (Luna-Jimenez et al. 2021)",
        "speaker-emobox": "unseen speakers, 6 folds of actors (EmoBox, Ma et al. 2024)",
    },
    source=Source(
        base_url="https://zenodo.org/records/1188976/files/",
        archives={
            "speech": Archive(
                name="Audio_Speech_Actors_01-24.zip",
                size=208_468_073,
                md5="bc696df654c87fed845eb13823edef8a",
                n_clips=1440,
                unpacked=513_462_676,
                kaggle="uwrfkaggler/ravdess-emotional-speech-audio",
            ),
            "song": Archive(
                name="Audio_Song_Actors_01-24.zip",
                size=225_505_317,
                md5="5411230427d67a21e18aa4d466e6d1b9",
                n_clips=1012,
                unpacked=452_182_614,
                kaggle="uwrfkaggler/ravdess-emotional-song-audio",
            ),
        },
        place=lambda archive, clip: PurePath(PurePath(archive.name).stem, f"Actor_{clip['speaker']}"),
    ),
    texts=Texts(
        about="2,452 short recordings of 24 actors who speak and sing two sentences in eight emotions.",
        citation="Livingstone & Russo (2018)",
        link="https://doi.org/10.5281/zenodo.1188976",
        domain="acted North American English speech and song",
        notes={
            "stereo": "Six clips of the release are; both channels are averaged.",
            "same_recording": "The release has one such pair.",
            "gaps": "Song has no disgust and no surprise, actor 18 did not sing, and neutral has no strong intensity.",
        },
    ),
    licence="CC BY-NC-SA 4.0",
    licence_link="https://creativecommons.org/licenses/by-nc-sa/4.0/",
    rate=48_000,
    expected=expected_clips,
    samples=tuple(f"03-01-{code}-01-01-01-{SAMPLE_ACTOR}" for code in EMOTION_CODES),
    listeners=Listeners(0.624, "speech", "https://doi.org/10.1371/journal.pone.0196391", "Livingstone & Russo 2018"),
)
"""The corpus."""
