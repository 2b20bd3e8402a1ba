"""Commands from the corpus to the trained model: index, download, train."""

import dataclasses
from pathlib import Path
from typing import Annotated, Final

import typer

from core.command_line.bars import shown_progress
from core.config import FeatureConfig, corpus_root, data_folder, download_folder
from core.labels import CHANNELS

commands: Final = typer.Typer()


def _known_channels(channels: list[str] | None) -> list[str] | None:
    """Refuse what is no channel."""
    for channel in channels or ():
        if channel not in CHANNELS:
            raise typer.BadParameter(f"{channel!r} is not one of {', '.join(CHANNELS)}.")
    return channels


@commands.command(epilog="Example: RAVDESS_ROOT=~/ravdess python -m core index")
def index() -> None:
    """Find the clips of RAVDESS, report what is wrong, extract features."""
    from core.corpus.index import distinct_clips
    from core.corpus.integrity import check_integrity
    from core.corpus.store import FeatureStore
    from core.operations.pipeline import FEATURES, configured_corpus, read_index

    root = configured_corpus()
    with shown_progress() as report:
        found = read_index(root, report=report)
    for field, value in dataclasses.asdict(check_integrity(found)).items():
        number = f"{len(value):,}" if isinstance(value, tuple) else f"{value:,}"
        names = ": " + ", ".join(map(str, value[:6])) if isinstance(value, tuple) and value else ""
        more = ", ..." if isinstance(value, tuple) and len(value) > 6 else ""
        print(f"{field.replace('_', ' ')}: {number}{names}{more}")
    store = FeatureStore(data_folder() / FEATURES, FeatureConfig())
    with shown_progress() as report:
        store.update(distinct_clips(found), root, report=report)


@commands.command(epilog="Example: python -m core download --speech --folder ~/ravdess")
def download(
    *,
    speech: Annotated[bool, typer.Option("--speech", help="The speech clips; by default speech and song.")] = False,
    song: Annotated[bool, typer.Option("--song", help="The song clips.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Folder for the clips; by default ravdess in the data folder.")
    ] = None,
    kaggle: Annotated[bool, typer.Option("--kaggle", help="From Kaggle, by the package kagglehub.")] = False,
    mirror: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of a folder with the archives of Zenodo's record.")
    ] = None,
) -> None:
    """Fetch RAVDESS (CC BY-NC-SA 4.0); goes on where it was cut off."""
    from core.corpus.download import ZENODO, download_corpus, download_from_kaggle

    chosen = {"speech": speech, "song": song}
    channels = [channel for channel, is_chosen in chosen.items() if is_chosen] or list(chosen)
    folder = folder or download_folder()
    with shown_progress() as report:
        if kaggle:
            download_from_kaggle(channels, folder, report=report)
        else:
            base_url = f"{mirror.rstrip('/')}/" if mirror else ZENODO.base_url
            download_corpus(channels, folder, source=dataclasses.replace(ZENODO, base_url=base_url), report=report)
    print(folder)
    if folder.resolve() != (corpus_root() or Path()).resolve():
        print(f"Set RAVDESS_ROOT to {folder} to use it.")


@commands.command(epilog="Example: python -m core train --recipe voice --protocol reference --seed 0 --seed 1")
def train(
    *,
    recipe: Annotated[str, typer.Option(help="Name of the recipe.")] = "reference",
    protocol: Annotated[
        list[str] | None, typer.Option(help="Protocol to evaluate by; repeatable; by default all.")
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Seed; repeatable; by default 0.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Another number of epochs than the recipe's.")] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(metavar="|".join(CHANNELS), callback=_known_channels, help="Repeatable; by default both."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Folds trained side by side.")] = 2,
    studies: Annotated[
        bool, typer.Option("--studies", help="Also try degraded sound, personal baselines and missing parts.")
    ] = False,
    feedback: Annotated[bool, typer.Option("--feedback", help="Also train on sounds that users let us keep.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Put the new model in use.")] = False,
) -> None:
    """Train a recipe, evaluate it, store the model; goes on where it was cut off."""
    from core.corpus.splits import PROTOCOLS
    from core.learning.reports.cards import results_table
    from core.operations.pipeline import configured_corpus, retrain
    from core.operations.spec import TrainingSpec
    from core.serving.registry import Registry

    configured_corpus()
    spec = TrainingSpec(
        recipe=recipe,
        protocols=tuple(protocol or PROTOCOLS),
        seeds=tuple(seed or [0]),
        epochs=epochs,
        channels=tuple(channel or CHANNELS),
        studies=studies,
        feedback=feedback,
    )
    with shown_progress() as report:
        model = retrain(spec, n_jobs=jobs, report=report)
    registry = Registry()
    if promote or not registry.has_champion():
        registry.promote(model.name)
    print(f"{model.name}\n\n{results_table(model.metrics())}")
