"""A sound of any length over time: sliding windows, each answered as a sound of its own.

Every ``hop`` seconds the last ``length`` seconds are answered by ``Predictor.predict``, exactly as a file of the same
samples would be. Where no voice was heard for ``pause`` seconds there is no answer, and the next window begins behind
the pause, so that no window mixes what stands on both sides of one. A stretch of time is told by the first window that
holds all of it. What is smoothed and summed up over windows stands in ``core.serving.segments``.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from core.audio.assess import assess, level_of
from core.audio.decode import Waveform
from core.audio.gate import ends_in_voice
from core.audio.pitch import median_pitch
from core.config import SAMPLE_RATE
from core.serving.predictor import Prediction, Predictor


@dataclasses.dataclass(frozen=True)
class TimelineConfig:
    """Windows of a timeline."""

    length: float = 3.0
    """Longest window, in seconds."""
    hop: float = 0.5
    """Time between the ends of two windows, in seconds."""
    pause: float = 0.5
    """Time without a voice after which there is no speech, in seconds."""

    @property
    def length_samples(self) -> int:
        """Longest window, in samples."""
        return round(self.length * SAMPLE_RATE)

    @property
    def hop_samples(self) -> int:
        """Distance between the ends of two windows, in samples."""
        return round(self.hop * SAMPLE_RATE)


LIVE: TimelineConfig = TimelineConfig(hop=0.25)
"""Windows of a live stream: twice as many, so that a word is seen sooner."""


@dataclasses.dataclass(frozen=True)
class Window:
    """A stretch of a sound that was answered, or in which nobody spoke."""

    begin: int
    """First sample of the stretch of time that the window tells: where the one before it ended."""
    first: int
    """First sample that was analysed."""
    last: int
    """Sample behind the last one; also the end of the stretch that the window tells."""
    prediction: Prediction | None
    """The answer for samples ``first`` to ``last``; None where nobody spoke."""
    level: float
    """Level of the stretch that the window tells, in dBFS."""
    pitch: float | None
    """Median pitch of that stretch, in Hz; None where nothing is voiced."""

    @property
    def start(self) -> float:
        """Beginning of the stretch that the window tells, in seconds."""
        return self.begin / SAMPLE_RATE

    @property
    def end(self) -> float:
        """End of that stretch, in seconds."""
        return self.last / SAMPLE_RATE


class Listener:
    """Answers the windows of one sound, in their order.

    Parameters
    ----------
    predictor : Predictor
        The model.
    config : TimelineConfig, optional
        Length and pause of the windows.
    shift : np.ndarray, optional
        As for ``Predictor.predict``.
    """

    def __init__(
        self,
        predictor: Predictor,
        config: TimelineConfig | None = None,
        *,
        shift: NDArray[np.float32] | None = None,
    ) -> None:
        self.predictor, self.config, self.shift = predictor, config or TimelineConfig(), shift
        self._told = 0
        self._speech: int | None = None

    def listen(self, y: NDArray[np.float32], last: int) -> Window:
        """Answer a window.

        Parameters
        ----------
        y : np.ndarray [shape=(n,), dtype=float32]
            The samples before ``last``, at ``core.config.SAMPLE_RATE``: as many as ``config.length``, fewer only where
            the sound has no more.
        last : int
            Where the window ends, in samples from the beginning of the sound; later than that of the window before.

        Returns
        -------
        Window
        """
        begin, self._told = self._told, last
        told = y[-(last - begin) :]
        level, pause = level_of(told), round(self.config.pause * SAMPLE_RATE)
        if not ends_in_voice(y, SAMPLE_RATE, self.config.pause):
            self._speech = None
            return Window(begin, max(last - len(y), 0), last, None, level, None)
        if self._speech is None:
            self._speech = begin - pause
        first = max(last - len(y), self._speech)
        waveform = Waveform.of_samples(y[len(y) - (last - first) :])
        assessment = assess(waveform, voice=True)  # where its end holds one, it does
        prediction = None
        if assessment.refusal is None:
            prediction = self.predictor.predict(waveform, assessment, shift=self.shift)
        return Window(begin, first, last, prediction, level, median_pitch(told, SAMPLE_RATE))


def follow(
    blocks: Iterable[NDArray[np.float32]],
    predictor: Predictor,
    config: TimelineConfig | None = None,
    *,
    shift: NDArray[np.float32] | None = None,
) -> Iterator[Window]:
    """Answer a sound window by window; holds no more of it than a window and a block.

    Parameters
    ----------
    blocks : iterable of np.ndarray [shape=(n,), dtype=float32]
        The sound at ``core.config.SAMPLE_RATE``, as from ``core.audio.stream.stream``.
    predictor : Predictor
        The model.
    config : TimelineConfig, optional
        The windows.
    shift : np.ndarray, optional
        As for ``Predictor.predict``.

    Yields
    ------
    Window
        Without gaps from the beginning of the sound to its end.
    """
    config = config or TimelineConfig()
    listener = Listener(predictor, config, shift=shift)
    length, hop = config.length_samples, config.hop_samples
    kept, total, last = np.zeros(0, np.float32), 0, hop
    for block in blocks:
        kept, total = np.concatenate([kept, block]), total + len(block)
        while last <= total:
            yield listener.listen(kept[: len(kept) - (total - last)][-length:], last)
            last += hop
        kept = kept[-(length + hop) :]
    if total > last - hop:
        yield listener.listen(kept[-length:], total)
