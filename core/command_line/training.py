"""Commands from the corpus to the trained model: index, download, train."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from core.command_line.bars import shown_progress
from core.command_line.options import Scheduler
from core.config import data_folder
from core.settings import PROGRAM
from core.work.parallel import on_cluster

if TYPE_CHECKING:
    from core.corpus.base import Corpus
    from core.corpus.catalogue import Place

commands: Final = typer.Typer()


@commands.command(epilog=f"Example: {PROGRAM} index --corpus ravdess")
def index(
    *,
    corpus: Annotated[str | None, typer.Option(help="Name of the corpus; by default the first that is there.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that read and extract.")] = 2,
    scheduler: Scheduler = None,
) -> None:
    """Find the clips of a corpus, report what is wrong, extract features."""
    from core.corpus.catalogue import find_place

    with on_cluster(scheduler):
        _index(find_place(corpus), jobs)


def _index(place: "Place", n_jobs: int) -> None:
    from core.audio.features.reference import ReferenceFeatures
    from core.corpus.index import distinct_clips
    from core.corpus.integrity import check_integrity
    from core.corpus.prints import prints_path, write_prints
    from core.corpus.store import FeatureStore
    from core.operations.pipeline import FEATURES, read_index

    with shown_progress() as report:
        found = read_index(place, n_jobs=n_jobs, report=report)
    for field, value in dataclasses.asdict(check_integrity(found, place.corpus)).items():
        number = f"{len(value):,}" if isinstance(value, tuple) else f"{value:,}"
        names = ": " + ", ".join(map(str, value[:6])) if isinstance(value, tuple) and value else ""
        more = ", ..." if isinstance(value, tuple) and len(value) > 6 else ""
        print(f"{field.replace('_', ' ')}: {number}{names}{more}")
    for row in found[found["error"] != ""].itertuples():
        print(f"not readable: {row.path}: {row.error}")
    clips = distinct_clips(found)
    store = FeatureStore(data_folder() / FEATURES, ReferenceFeatures())
    with shown_progress() as report:
        store.update(clips, place.root, n_jobs=n_jobs, report=report)
    with shown_progress() as report:
        write_prints(clips, place.root, prints_path(place.corpus.name), n_jobs=n_jobs, report=report)


@commands.command(epilog=f"Example: {PROGRAM} download --channel speech --folder ~/ravdess")
def download(
    *,
    corpus: Annotated[str | None, typer.Option(help="Name of the corpus; by default the first that is known.")] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="Channel that is wanted; repeatable; by default all.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder for the clips; by default one in the data folder.")
    ] = None,
    kaggle: Annotated[bool, typer.Option("--kaggle", help="From Kaggle, by the package kagglehub.")] = False,
    mirror: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of a folder with the archives or files of the record.")
    ] = None,
) -> None:
    """Fetch a corpus; goes on where it was cut off."""
    from core.corpus.catalogue import download_folder, list_places
    from core.corpus.download import download_corpus, download_from_kaggle, source_of
    from core.corpus.known import default_corpus, load_corpus

    wanted = load_corpus(corpus) if corpus else default_corpus()
    channels = channel or list(source_of(wanted).counts)
    folder = folder or download_folder(wanted)
    print(_describe(wanted), file=sys.stderr)
    with shown_progress() as report:
        if kaggle:
            download_from_kaggle(wanted, channels, folder, report=report)
        else:
            base_url = f"{mirror.rstrip('/')}/" if mirror else None
            download_corpus(wanted, channels, folder, mirror=base_url, report=report)
    print(folder)
    if folder.resolve() not in [place.root.resolve() for place in list_places()]:
        print(f"Set {wanted.root_variable} to {folder} to use it.")


def _describe(corpus: "Corpus") -> str:
    """Return what a corpus is, by whom, and under which licence, in two lines."""
    texts = corpus.texts
    sources = ", ".join(filter(None, (texts.citation, texts.link)))
    link = f" ({corpus.licence_link})" if corpus.licence_link else ""
    return f"{corpus.title}: {texts.about} {sources}\nLicence: {corpus.licence}{link}"


@commands.command(epilog=f"Example: {PROGRAM} train --recipe voice --protocol reference --seed 0 --seed 1")
def train(
    *,
    recipe: Annotated[str, typer.Option(help="Name of the recipe.")] = "reference",
    corpus: Annotated[
        list[str] | None,
        typer.Option(help="Name of the corpus, by default the first that is there; repeatable: others train too."),
    ] = None,
    tried: Annotated[list[str] | None, typer.Option("--try", help="Corpus that only evaluates; repeatable.")] = None,
    protocol: Annotated[
        list[str] | None, typer.Option(help="Protocol to evaluate by; repeatable; by default all.")
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Seed; repeatable; by default 0.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Another number of epochs than the recipe's.")] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="Channel whose clips are used; repeatable; by default all."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Folds trained side by side.")] = 2,
    scheduler: Scheduler = None,
    studies: Annotated[
        bool, typer.Option("--studies", help="Also try degraded sound, personal baselines and missing parts.")
    ] = False,
    feedback: Annotated[bool, typer.Option("--feedback", help="Also train on sounds that users let us keep.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Put the new model in use if it is not worse.")] = False,
) -> None:
    """Train a recipe, evaluate it, store the model; goes on where it was cut off."""
    from core.corpus.catalogue import find_place
    from core.learning.reports.cards import results_table
    from core.operations.models.promotion import CONSOLE, promote_by_job
    from core.operations.pipeline import retrain
    from core.operations.spec import TrainingSpec
    from core.serving.registry import Registry

    spec = TrainingSpec(
        recipe=recipe,
        corpus=find_place(corpus[0] if corpus else None).corpus.name,
        others=tuple(corpus or ())[1:],
        tried=tuple(tried or ()),
        protocols=tuple(protocol or ()),
        seeds=tuple(seed or [0]),
        epochs=epochs,
        channels=tuple(channel or ()),
        studies=studies,
        feedback=feedback,
    )
    with on_cluster(scheduler), shown_progress() as report:
        model = retrain(spec, n_jobs=jobs, report=report)
    print(f"{model.name}\n\n{results_table(model.metrics())}")
    if promote or not Registry().has_champion():
        print(f"\n{promote_by_job(CONSOLE, model.name)}")


@commands.command(epilog=f"Example: {PROGRAM} pretrain --corpus emogator")
def pretrain(
    *,
    corpus: Annotated[
        list[str] | None, typer.Option(help="Name of a corpus of sounds to learn from; emogator by default.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Another number of epochs than the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, order and augmentations.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that read and extract.")] = 2,
) -> None:
    """Teach an encoder on corpora of other sounds, and store it; goes on where it was cut off."""
    from core.corpus.catalogue import find_place
    from core.learning.encoders import EncoderRecipe
    from core.operations.pretraining import pretrain as teach_and_store

    recipe = EncoderRecipe(seed=seed)
    if epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=epochs)
    with shown_progress() as report:
        folder = teach_and_store(recipe, list(map(find_place, corpus or ["emogator"])), n_jobs=jobs, report=report)
    print(folder.name)
