"""All commands together; what one of them needs is imported within it."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from core import __version__
from core.command_line import models, operations, training
from core.command_line.endings import INTERRUPTED, status_of
from core.errors import SoundWebError
from core.settings import PROGRAM

application: Final = typer.Typer(
    help="Emotion recognition in speech and song.",
    epilog=f"Example: {PROGRAM} predict talk.wav",
    add_completion=False,
)
for group in (training, models, operations):
    application.add_typer(group.commands)


def _print_version(is_asked: bool) -> None:  # noqa: FBT001 - as the library calls it
    if is_asked:
        print(__version__)
        raise typer.Exit


@application.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    del version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    return status_of(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> None:
    command = typer.main.get_command(application)
    try:
        status = command.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except typer.TyperException as error:
        raise SoundWebError(_explain(error)) from error
    except SystemExit as error:  # what reads the output has closed it
        raise BrokenPipeError from error
    if status == INTERRUPTED:
        raise KeyboardInterrupt


def _explain(error: typer.TyperException) -> str:
    """Return in one line what is wrong with the words of a command, and where to read more."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message}. See '{path} --help'."
