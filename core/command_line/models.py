"""Commands on stored models: promote, evaluate, compare, predict, export, warm-up."""

import json
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from core.command_line.answers import print_answers, write_answers
from core.command_line.options import Scheduler
from core.errors import SoundWebError
from core.settings import PROGRAM
from core.work.parallel import on_cluster

commands: Final = typer.Typer()


@commands.command(epilog=f"Example: {PROGRAM} promote voice-f4251e35")
def promote(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    *,
    confirm: Annotated[str, typer.Option(help="The name again, where something speaks against it.")] = "",
) -> None:
    """Put a stored model in use, where it is not worse than the one that is; noted in the audit."""
    from core.operations.models.promotion import promote_from_console

    promote_from_console(model, confirm)
    print(f"{model} is in use.")


@commands.command(epilog=f"Example: {PROGRAM} evaluate voice-f4251e35 --json")
def evaluate(
    model: Annotated[str | None, typer.Argument(help="Name of the model; by default the one in use.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Compute a stored model's figures again from its predictions."""
    from core.learning.reports.cards import describe_studies, results_table
    from core.serving.publishing import evaluate_again
    from core.serving.registry import Registry

    stored = Registry().load(model)
    metrics = evaluate_again(stored)
    if as_json:
        print(json.dumps(metrics))
        return
    print(f"{stored.name}\n\n{results_table(metrics)}")
    print("\n".join(["", *describe_studies(stored.studies(), stored.predictions())]))


@commands.command(epilog=f"Example: {PROGRAM} compare voice-f4251e35 reference-402dca03")
def compare(
    model: Annotated[str, typer.Argument(help="Name of a model.")],
    other: Annotated[str, typer.Argument(help="Name of another model.")],
) -> None:
    """Compare two stored models on the same clips."""
    from core.learning.reports.cards import describe_comparison
    from core.serving.registry import Registry

    registry = Registry()
    first, second = registry.load(model), registry.load(other)
    print(f"{first.name} against {second.name}\n")
    print("\n".join(describe_comparison(first.predictions(), second.predictions())))


@commands.command(
    epilog=f"Example: {PROGRAM} predict talk.wav song.mp3 --json, "
    f"or {PROGRAM} predict recordings --output answers.parquet"
)
def predict(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Sound files; with --output, one folder.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(help="Table to write of all sounds below a folder: .parquet, .csv or .jsonl; goes on if cut off."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that answer, with --output.")] = 2,
    scheduler: Scheduler = None,
    model: Annotated[str | None, typer.Option(help="Name of the model; by default the one in use.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a file.")] = False,
    part: Annotated[str, typer.Option(help="Channel or track, where a file holds several voices.")] = "",
) -> None:
    """Recognise the emotion in sound files, or in all below a folder."""
    if output is None:
        if folders := [name for name in files if Path(name).is_dir()]:
            raise SoundWebError(f"{folders[0]!r} is a folder. Name a table for its answers: --output answers.parquet.")
        print_answers(files, model=model, as_json=as_json, part=part)
    elif as_json or len(files) > 1:
        raise SoundWebError("With --output, name one folder, and no --json: the ending of the output says the form.")
    else:
        with on_cluster(scheduler):
            write_answers(Path(files[0]), output, model=model, part=part, n_jobs=jobs)


@commands.command(epilog=f"Example: {PROGRAM} export reference-402dca03 exported")
def export(
    model: Annotated[
        str, typer.Argument(help="Name of the model, or 'champion' for the one in use; its recipe must be 'reference'.")
    ],
    folder: Annotated[Path, typer.Argument(help="Folder to write into.")],
    *,
    form: Annotated[Literal["reference"], typer.Option("--format", help="model.h5 and scaler.pkl.")] = "reference",
) -> None:
    """Write a stored model for other programs."""
    from core.serving.exports import export_reference

    del form  # there is one
    for path in export_reference(None if model == "champion" else model, folder):
        print(path)


@commands.command(name="warm-up", epilog=f"Example: {PROGRAM} warm-up")
def warm_up() -> None:
    """Prepare an installation, once: take over the models that ship, make what the first answer needs."""
    from core.serving import predictor
    from core.serving.takeover import take_over

    take_over()
    print("Preparing the signal processing, once per installation ...", flush=True)
    predictor.warm_up()
    print("Ready.")
