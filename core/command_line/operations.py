"""Commands of the server's operation: job, admin, backup, restore."""

import getpass
import logging
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from core.settings import PROGRAM

commands: Final = typer.Typer()
admin: Final = typer.Typer(
    help="The administrator's password, from the server's console.", epilog=f"Example: {PROGRAM} admin reset"
)
commands.add_typer(admin, name="admin")


@commands.command(epilog=f"Example: {PROGRAM} job 7 --attempt 1")
def job(
    number: Annotated[int, typer.Argument(metavar="JOB", help="Number of the job.")],
    *,
    attempt: Annotated[int, typer.Option(min=1, help="Number of the attempt.")],
) -> None:
    """Carry out a queued training; the Admin page starts this."""
    from core.operations.jobs.worker import work

    logging.getLogger("core").setLevel(logging.INFO)
    work(number, attempt)


@admin.command(epilog=f"Example: {PROGRAM} admin reset")
def reset() -> None:
    """Forget the password, print a new unlock code."""
    from core.operations.access import sign_in
    from core.operations.database import require_database

    print(f"Database: {require_database()}", file=sys.stderr)
    code = sign_in.reset()
    print(f"Unlock code: {code}" if code else f"{sign_in.HASH_VARIABLE} is set and holds: change it there.")


@admin.command(epilog=f"Example: {PROGRAM} admin enter")
def enter() -> None:
    """Print a code that signs in once, within minutes, also while others are guessing passwords."""
    from core.operations.access import sign_in
    from core.operations.database import require_database

    print(f"Database: {require_database()}", file=sys.stderr)
    minutes = sign_in.CODE_LIFE.total_seconds() / 60
    print(f"Sign-in code, for {minutes:.0f} minutes: {sign_in.make_console_code()}")


@admin.command(name="hash", epilog=f"Example: export SOUNDWEB_ADMIN_HASH=$({PROGRAM} admin hash)")
def hash_of_password() -> None:
    """Read a password, print its hash for secrets."""
    from core.operations.access.passwords import hash_password

    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    print(hash_password(password))


@commands.command(epilog=f"Example: {PROGRAM} backup soundweb.zip")
def backup(file: Annotated[Path, typer.Argument(help="File to write; must be new.")]) -> None:
    """Write models, database and sounds of feedback into one file."""
    from core.command_line.bars import shown_progress
    from core.operations.backup.writing import back_up
    from core.operations.database import require_database

    print(f"Database: {require_database()}", file=sys.stderr)
    with shown_progress() as report:
        held = back_up(file, report)
    kept = f"{held.models} models and encoders, {held.rows:,} rows and {held.sounds:,} sounds"
    print(f"{file} holds {kept}. Keep it secret.")


@commands.command(epilog=f"Example: {PROGRAM} restore soundweb.zip")
def restore(file: Annotated[Path, typer.Argument(help="File that 'backup' wrote.")]) -> None:
    """Bring back what 'backup' wrote, into an empty database."""
    from core.command_line.bars import shown_progress
    from core.operations.backup.restoring import restore as bring_back

    with shown_progress() as report:
        held = bring_back(file, report)
    for note in held.notes:
        print(note, file=sys.stderr)
    print(f"Restored {held.models} models and encoders, {held.rows:,} rows and {held.sounds:,} sounds.")
