"""Emotions, and the codes of RAVDESS file names.

The order of ``EMOTIONS`` is the order of every probability vector and confusion matrix: alphabetical, as
scikit-learn's ``LabelEncoder`` gives it.

References
----------
Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS).
PLoS ONE 13(5): e0196391. https://doi.org/10.1371/journal.pone.0196391
"""

from typing import Final

EMOTIONS: Final = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")

CHANNELS: Final = ("song", "speech")
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

N_ACTORS: Final = 24


def gender_of(actor: int) -> str:
    """Return the gender of an actor: odd numbers are male, even numbers female.

    >>> gender_of(1), gender_of(24)
    ('male', 'female')
    """
    return "male" if actor % 2 else "female"
