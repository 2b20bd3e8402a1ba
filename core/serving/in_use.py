"""What answers: the model in use; while that one cannot be loaded, the last that could."""

import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.errors import ModelError
from core.serving.registry import Registry

if TYPE_CHECKING:
    from core.serving.predictor import Predictor

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class InUse:
    """What answers at this moment."""

    predictor: "Predictor"
    """The model, ready to answer."""
    problem: str = ""
    """Why the model that should be in use cannot be loaded; empty where it is this one."""


class LastGood:
    """Remembers what answered last; safe to share among threads.

    Parameters
    ----------
    registry : Registry
        Where the models are.
    load : callable
        Returns a stored model ready to answer, by its name; raises ``ModelError``.
    """

    def __init__(self, registry: Registry, load: "Callable[[str], Predictor]") -> None:
        self._registry, self._load = registry, load
        self._lock = threading.Lock()
        self._last: Predictor | None = None
        self._problem = ""

    @property
    def is_loaded(self) -> bool:
        """Whether a model answered before."""
        return self._last is not None

    def get(self) -> InUse:
        """Return what answers.

        Raises
        ------
        ModelError
            If the model in use cannot be loaded, and neither can one that was in use before it.
        """
        try:
            found = InUse(self._load(self._registry.champion()))
        except ModelError as error:
            found = self._fall_back(error)
        with self._lock:
            self._last = found.predictor
            if found.problem and found.problem != self._problem:
                logger.warning("%s goes on answering: %s", found.predictor.model.name, found.problem)
            self._problem = found.problem
        return found

    def _fall_back(self, error: ModelError) -> InUse:
        """Return what answered last; in a new process, the last of the models in use before that can be loaded."""
        if self._last is not None:
            return InUse(self._last, str(error))
        for name in self._registry.used_before():
            try:
                return InUse(self._load(name), str(error))
            except ModelError:
                continue
        raise error
