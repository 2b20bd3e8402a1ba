"""What an administrator does with stored models: look over, put in use behind a gate, take back, delete.

An action is noted in the transaction in which it is done: nothing is done that cannot be noted.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

from core.errors import AnotherInUse, ModelError
from core.learning.evaluation import ALL_CLIPS, subsets_of
from core.operations.access import audit
from core.operations.access.sessions import require_admin
from core.operations.database import writing
from core.serving.registry import Registry, StoredModel

CONSOLE: Final = "console"
"""Who acts at the command line, for the audit."""
GATE_CHANNEL: Final = "speech"
"""Channel whose unweighted average recall decides."""


@dataclasses.dataclass(frozen=True)
class Gate:
    """Whether a model may take the place of the one in use without a second thought."""

    model: str
    """Name of the model."""
    recall: float | None
    """Its unweighted average recall on unseen speakers' speech; None where it was not evaluated so."""
    used: str | None
    """Name of the model in use, if any."""
    used_recall: float | None
    """The same figure of the model in use."""
    n_clips: int = 0
    """Clips that the model was evaluated on for it."""
    used_n_clips: int = 0
    """The same of the model in use."""
    main_protocol: str = ""
    """Protocol that the figure is of."""
    corpus: str = ""
    """Name of the corpus that the model was evaluated by."""
    used_corpus: str = ""
    """The same of the model in use."""
    recorded: str = ""
    """Name of the model in use, even where it cannot answer; empty where there is none."""

    @property
    def objection(self) -> str:
        """Why a typed confirmation is needed; empty where none is."""
        if self.recall is None:
            return f"{self.model} was not evaluated on unseen speakers ({self.main_protocol}, {GATE_CHANNEL})"
        if self.used is not None and self.corpus != self.used_corpus:
            return (
                f"{self.model} was evaluated by the corpus {self.corpus}, {self.used}, which is in use, by "
                f"{self.used_corpus}: their figures cannot be compared"
            )
        if self.used_recall is not None and self.recall < self.used_recall:
            return (
                f"{self.model} finds {self.recall:.1%} of unseen speakers' emotions, "
                f"{self.used}, which is in use, {self.used_recall:.1%}"
            )
        if self.n_clips < self.used_n_clips:
            return (
                f"{self.model} was evaluated on {self.n_clips:,} clips of unseen speakers, "
                f"{self.used}, which is in use, on {self.used_n_clips:,}"
            )
        return ""


@dataclasses.dataclass(frozen=True)
class Overview:
    """A stored model in a line."""

    name: str
    """Its name."""
    is_used: bool
    """Whether it is in use."""
    problem: str
    """Why it cannot be loaded; empty where it can. Then the rest is missing."""
    created: str = ""
    """When it was published, in UTC."""
    recipe: str = ""
    """Name of its recipe."""
    channels: tuple[str, ...] = ()
    """Channels that it was trained on, and ``feedback`` where sounds of users were added."""
    recalls: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Unweighted average recall by protocol and channel, as ``speaker-emobox, speech``."""
    size: int = 0
    """Of its files, in bytes."""


def list_models(registry: Registry | None = None) -> list[Overview]:
    """Return all stored models, the one in use first, broken ones with what is wrong."""
    return [_overview(name, model, is_used=is_used) for name, model, is_used in load_models(registry or Registry())]


def load_models(registry: Registry) -> Iterator[tuple[str, StoredModel | ModelError, bool]]:
    """Load all stored models, the one in use first.

    Yields
    ------
    name : str
        Name of a model.
    model : StoredModel or ModelError
        The model, whose metrics can be read; or why it cannot be used.
    is_used : bool
        Whether it is in use.
    """
    try:
        used = registry.champion()
    except ModelError:
        used = ""
    for name in sorted(registry.names(), key=lambda name: (name != used, name)):
        model: StoredModel | ModelError
        try:
            model = registry.load(name)
            model.metrics()
        except ModelError as error:
            model = error
        yield name, model, name == used


def _overview(name: str, model: StoredModel | ModelError, *, is_used: bool) -> Overview:
    if isinstance(model, ModelError):
        return Overview(name, is_used, str(model))
    manifest, metrics = model.manifest, model.metrics()
    return Overview(
        name=name,
        is_used=is_used,
        problem="",
        created=manifest.created,
        recipe=manifest.recipe["name"],
        channels=(*manifest.corpus.channels, *(["feedback"] if manifest.corpus.n_feedback else [])),
        recalls={
            f"{protocol}, {channel}": report[channel]["unweighted_average_recall"]["mean"]
            for protocol, report in metrics.items()
            for channel in subsets_of(report)
            if channel != ALL_CLIPS
        },
        size=sum(path.stat().st_size for path in model.folder.iterdir()),
    )


def evaluate_promotion(name: str, registry: Registry | None = None) -> Gate:
    """Compare a model with the one in use by the figure that decides.

    Raises
    ------
    ModelError
        If the model cannot be loaded.
    """
    registry = registry or Registry()
    model = registry.load(name)
    recall, n_clips = _speaker_independent_recall(model)
    gate = Gate(name, recall, None, None, n_clips, main_protocol=model.main_protocol, corpus=model.manifest.corpus.name)
    try:
        gate = dataclasses.replace(gate, recorded=registry.champion())
        used = registry.load(gate.recorded)
        used_recall, used_n_clips = _speaker_independent_recall(used)
    except ModelError:  # none, or one that cannot answer or has no figures: any model is better
        return gate
    return dataclasses.replace(
        gate,
        used=used.name,
        used_recall=used_recall,
        used_n_clips=used_n_clips,
        used_corpus=used.manifest.corpus.name,
    )


def _speaker_independent_recall(model: StoredModel) -> tuple[float | None, int]:
    """Return the unweighted average recall on unseen speakers' speech, and of how many clips; None where of none."""
    figures = model.metrics().get(model.main_protocol, {}).get(GATE_CHANNEL)
    return (None, 0) if figures is None else (float(figures["unweighted_average_recall"]["mean"]), figures["n_clips"])


def promote(token: str, name: str, confirmation: str | None = None, *, registry: Registry | None = None) -> Gate:
    """Put a model in use; sessions answer with it from their next prediction on.

    Parameters
    ----------
    token : str
        Of an administrator who is signed in.
    name : str
        Name of the model.
    confirmation : str, optional
        The name again, typed, where the gate has an objection.
    registry : Registry, optional
        Where models are stored.

    Returns
    -------
    Gate
        What was compared.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    AnotherInUse
        If another model was put in use while the gate compared.
    ModelError
        If the model cannot be loaded, is in use, or the gate's objection is not answered.
    """
    return _promote(require_admin(token), name, confirmation, registry or Registry())


def promote_from_console(name: str, confirmation: str | None = None, *, registry: Registry | None = None) -> Gate:
    """Put a model in use from the server's console, behind the same gate; arguments and errors as for ``promote``.

    Raises
    ------
    AnotherInUse
        If another model was put in use while the gate compared.
    ModelError
        If the model cannot be loaded, is in use, or the gate's objection is not answered.
    """
    return _promote(CONSOLE, name, confirmation, registry or Registry())


def _promote(actor: str, name: str, confirmation: str | None, registry: Registry) -> Gate:
    gate = evaluate_promotion(name, registry)
    if gate.used == name:
        raise ModelError(f"The model {name!r} is in use already.")
    if gate.objection and confirmation != name:
        audit.record(actor, "promotion refused", name, gate.objection)
        raise ModelError(f"{gate.objection}. To put it in use all the same, type its name, or give it by --confirm.")
    detail = f"instead of {gate.used}" + (f"; confirmed although {gate.objection}" if gate.objection else "")
    with writing() as connection:
        audit.record(actor, "promote", name, detail, within=connection)
        registry.promote(name, instead_of=gate.recorded)
    return gate


def promote_by_job(actor: str, name: str, *, registry: Registry | None = None) -> str:
    """Put the model of a job in use where the gate has no objection, or none is in use yet; return what was done.

    Where another model is put in use meanwhile, the gate compares with that one.

    Parameters
    ----------
    actor : str
        Who asked for the job.
    name : str
        Name of the model.
    registry : Registry, optional
        Where models are stored.

    Returns
    -------
    str
        A sentence for the job.
    """
    registry = registry or Registry()
    while True:
        with contextlib.suppress(AnotherInUse):
            return _promote_by_job(actor, name, registry)


def _promote_by_job(actor: str, name: str, registry: Registry) -> str:
    gate = evaluate_promotion(name, registry)
    if gate.used == name:
        return f"{name} was in use already."
    if gate.objection and gate.used is not None:
        audit.record(actor, "promotion by job refused", name, gate.objection)
        return f"Not put in use: {gate.objection}."
    with writing() as connection:
        audit.record(actor, "promote by job", name, f"instead of {gate.used}", within=connection)
        registry.promote(name, instead_of=gate.recorded)
    return f"{name} is in use."


def roll_back(token: str, expected: str, *, registry: Registry | None = None) -> str:
    """Put the model in use that was so before, and return its name.

    Parameters
    ----------
    token : str
        Of an administrator who is signed in.
    expected : str
        Name of that model, as it was shown: somebody else may have gone back to it since.
    registry : Registry, optional
        Where models are stored.

    Returns
    -------
    str

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    AnotherInUse
        If it is another model by now.
    ModelError
        If there was none, or it cannot be loaded.
    """
    actor = require_admin(token)
    registry = registry or Registry()
    with writing() as connection:
        audit.record(actor, "roll back", expected, within=connection)
        return registry.roll_back(expected)


def delete(token: str, name: str, confirmation: str, *, registry: Registry | None = None) -> None:
    """Delete a model that is not in use.

    Raises
    ------
    NotSignedIn
        If nobody is signed in with the token.
    ModelError
        If its name was not typed as confirmation, there is no such model, or it is in use.
    """
    actor = require_admin(token)
    if confirmation != name:
        raise ModelError(f"Type the name {name!r} to delete this model for good.")
    with writing() as connection:
        audit.record(actor, "delete", name, within=connection)
        (registry or Registry()).delete(name)
