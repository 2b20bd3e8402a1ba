"""Options that several commands have."""

from typing import Annotated, TypeAlias

import typer

Scheduler: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Dask scheduler, such as tcp://host:8786, whose workers take the place of --jobs."
    ),
]
