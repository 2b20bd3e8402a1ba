"""A sound of any length over time, and a live stream.

A file is told by its stretches of voice, each answered as ``Predictor.predict`` answers it; between them nobody speaks.
A live stream does not know yet where a stretch will end: every ``hop`` seconds the last ``length`` seconds are
answered, exactly as a file of the same samples would be. Where no voice was heard for ``pause`` seconds there is no
answer, and the next window begins behind the pause, so that no window mixes what stands on both sides of one.

Both come as windows of ``hop`` seconds. What is smoothed and summed up over windows stands in
``core.serving.segments``.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from core.audio.assess import assess, level_of
from core.audio.decode import Waveform
from core.audio.pitch import median_pitch
from core.config import SAMPLE_RATE
from core.serving.prediction import Piece, Prediction, summarize
from core.serving.predictor import Predictor


@dataclasses.dataclass(frozen=True)
class TimelineConfig:
    """Windows of a timeline."""

    length: float = 3.0
    """Longest window of a live stream, in seconds."""
    hop: float = 0.5
    """Time between the ends of two windows, in seconds."""
    pause: float = 0.5
    """Time without a voice after which there is no speech in a live stream, in seconds."""

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
    """Sample behind the last one that the window tells."""
    prediction: Prediction | Piece | None
    """The answer for what was analysed; None where nobody spoke."""
    level: float
    """Level of the stretch that the window tells, in dBFS."""
    pitch: float | None
    """Median pitch of that stretch, in Hz; None where nothing is voiced."""

    @property
    def stop(self) -> int:
        """Sample behind the last one that was analysed."""
        return round(self.prediction.end * SAMPLE_RATE) if isinstance(self.prediction, Piece) else self.last

    @property
    def start(self) -> float:
        """Beginning of the stretch that the window tells, in seconds."""
        return self.begin / SAMPLE_RATE

    @property
    def end(self) -> float:
        """End of that stretch, in seconds."""
        return self.last / SAMPLE_RATE


class Listener:
    """Answers the windows of one live stream, in their order.

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
        since = begin - pause if self._speech is None else self._speech
        first = max(last - len(y), since)
        waveform = Waveform.of_samples(y[len(y) - (last - first) :])
        assessment = assess(waveform)
        stretches = []
        if assessment.refusal is None:
            stretches = self.predictor.find(waveform)
        if not stretches or stretches[-1].last < len(waveform.y) - pause:
            self._speech = None
            return Window(begin, first, last, None, level, None)
        self._speech = since
        prediction = self.predictor.conclude(stretches, waveform, assessment, shift=self.shift)
        return Window(begin, first, last, prediction, level, median_pitch(told, SAMPLE_RATE))


def follow(
    blocks: Iterable[NDArray[np.float32]],
    predictor: Predictor,
    config: TimelineConfig | None = None,
    *,
    shift: NDArray[np.float32] | None = None,
) -> Iterator[Window]:
    """Tell a sound from its beginning to its end; holds no more of it than a few seconds and a block.

    Parameters
    ----------
    blocks : iterable of np.ndarray [shape=(n,), dtype=float32]
        The sound at ``core.config.SAMPLE_RATE``, as from ``core.audio.stream.Stream``.
    predictor : Predictor
        The model.
    config : TimelineConfig, optional
        Length of the windows: its ``hop``.
    shift : np.ndarray, optional
        As for ``Predictor.predict``.

    Yields
    ------
    Window
        Without gaps. All windows of a stretch have its answer; the stretches are those of ``Predictor.predict``.
    """
    hop = (config or TimelineConfig()).hop_samples
    finder = predictor.finder()
    kept, told = np.zeros(0, np.float32), 0

    def tell(until: int, piece: Piece | None) -> Iterator[Window]:
        """Yield the windows up to a sample."""
        nonlocal kept, told
        while told < until:
            n = min(hop, until - told)
            y, kept = kept[:n], kept[n:]
            pitch = median_pitch(y, SAMPLE_RATE) if piece else None
            first = round(piece.start * SAMPLE_RATE) if piece else told
            yield Window(told, first, told + n, piece, level_of(y), pitch)
            told += n

    end = np.zeros(0, np.float32)
    for block in itertools.chain(blocks, [end]):
        kept = np.concatenate([kept, block])
        for stretch in finder.feed(block, is_last=block is end):
            yield from tell(stretch.first, None)
            yield from tell(stretch.last, predictor.answer(stretch, shift=shift))
        # Whole windows alone, so that they are the same whatever the blocks.
        yield from tell(told + max(finder.settled - told, 0) // hop * hop, None)
    yield from tell(told + len(kept), None)


def summarize_windows(windows: Sequence[Window], model: str, *, notes: Sequence[str] = ()) -> Prediction:
    """Return the answer for a whole file from its windows.

    Parameters
    ----------
    windows : sequence of Window
        As from ``follow``, with at least one answer among them.
    model : str
        Name of the model.
    notes : sequence of str
        What was wrong with the recording.

    Returns
    -------
    Prediction
        As ``Predictor.predict_file`` gives it.
    """
    pieces = {w.prediction.start: w.prediction for w in windows if isinstance(w.prediction, Piece)}
    return summarize(list(pieces.values()), duration=windows[-1].end, model=model, notes=notes)
