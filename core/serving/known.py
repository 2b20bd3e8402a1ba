"""Recordings that a model was trained on: said to be so, with the answer of the model that never heard their speaker.

What a model says of a clip of its own training tells how well it remembers. Its stored predictions hold the answers of
models of the same recipe that were trained without the clip's speaker: what a new person would get.
"""

import dataclasses
import logging
from collections.abc import Sequence

from core.audio.decode import Waveform
from core.audio.fingerprint import MIN_OVERLAP, fingerprint
from core.corpus.prints import load_prints
from core.errors import ModelError
from core.serving.registry import StoredModel

logger = logging.getLogger(__name__)

LISTENED = 30.0
"""Length of the beginning of a sound that is looked up, in seconds."""


@dataclasses.dataclass(frozen=True)
class KnownClip:
    """A clip that a model was trained on."""

    corpus: str
    """What people call the corpus."""
    clip: str
    """Name of the clip."""
    emotion: str
    """What it was acted, or labelled, as."""
    speaker: str
    """Who speaks."""
    protocol: str
    """Protocol whose models never heard the speaker."""
    answer: str
    """Their answer: the most probable emotion by the mean of their probabilities."""
    probabilities: dict[str, float]
    """Mean over seeds of the probabilities that they gave."""
    is_uncertain: bool
    """Whether that answer is unsure."""
    n_more: int = 0
    """Other clips of the training that were found in the same sound."""

    @property
    def confidence(self) -> float:
        """Probability of ``answer``."""
        return self.probabilities[self.answer]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why that answer is unsure, or nothing."""
        return ("not sure enough",) if self.is_uncertain else ()

    def __str__(self) -> str:
        doubt = "unsure, perhaps " if self.is_uncertain else ""
        if self.n_more:
            return (
                f"it holds {self.n_more + 1} recordings of {self.corpus} that this model was trained on, {self.clip} "
                f"({self.emotion}) first; its answers for them are memory: a model that never heard the speaker "
                f"answers the first {doubt}{self.answer}, {self.confidence:.0%}"
            )
        return (
            f"it holds a recording of {self.corpus} that this model was trained on ({self.clip}, {self.emotion}); "
            f"a model that never heard the speaker answers {doubt}{self.answer}, {self.confidence:.0%}"
        )


def recognise(
    waveform: Waveform, model: StoredModel, stretches: Sequence[tuple[float, float]] = ()
) -> KnownClip | None:
    """Tell whether a sound is a recording that a model was trained on, or holds some.

    Parameters
    ----------
    waveform : Waveform
        As from ``core.audio.decode.decode``.
    model : StoredModel
        The model.
    stretches : sequence of (float, float)
        Beginnings and ends of its voices, in seconds, each of which is looked up; by default, the beginning of the
        sound is, as a whole.

    Returns
    -------
    KnownClip or None
        None also where no fingerprints of the model's corpus are stored, or its predictions tell nothing of the clip or
        cannot be read: an answer does not wait for them.
    """
    prints = load_prints(model.manifest.corpus.name)
    if prints is None:
        return None
    found: list[str] = []
    for start, end in stretches or [(0.0, LISTENED)]:
        sound = fingerprint(waveform.y[int(start * waveform.sr) : int(end * waveform.sr)], waveform.sr)
        clip = prints.find(sound) if sound.shape[1] >= MIN_OVERLAP else ""
        found += [clip] if clip and clip not in found else []
    try:
        first = _unheard(found[0], model) if found else None
        return dataclasses.replace(first, n_more=len(found) - 1) if first else None
    except ModelError as error:
        logger.warning("A recording of the training is not said to be one: %s", error)
        return None


def _unheard(clip: str, model: StoredModel) -> KnownClip | None:
    """Return what models of the recipe that never heard its speaker say of a clip."""
    rows = [row for row in model.predictions_of(clip) if row["protocol"] == model.main_protocol]
    if not rows:
        return None
    labels = model.manifest.labels
    probabilities = {label: sum(float(row[label]) for row in rows) / len(rows) for label in labels}
    answer = max(probabilities, key=lambda label: probabilities[label])
    threshold = model.threshold
    return KnownClip(
        corpus=model.manifest.corpus.title,
        clip=clip,
        emotion=rows[0]["y_true"],
        speaker=rows[0]["speaker"],
        protocol=model.main_protocol,
        answer=answer,
        probabilities=probabilities,
        is_uncertain=threshold is None or probabilities[answer] < threshold,
    )
