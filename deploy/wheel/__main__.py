"""``soundweb run``, and every command of ``python -m core`` as ``soundweb COMMAND``."""

import os
import sys

import typer
from soundweb import APP, set_up


def main() -> int:
    """Run a command and return its exit status."""
    set_up()
    from core.command_line import application, endings
    from core.serving.takeover import take_over

    application.application.command(
        epilog="Example: soundweb run --server.port 8600",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(run)
    return endings.status_of(take_over) or application.main()


def run(context: typer.Context) -> None:
    """Start the app on http://localhost:8501; takes the options of 'streamlit run'."""
    # In place of this process, so that who ends it ends the server; -P: no file of this folder takes a module's place.
    program = [sys.executable, "-P", "-m", "streamlit", "run", str(APP / "soundwebapp.py"), *context.args]
    os.execv(program[0], program)  # noqa: S606 - a list, and no shell


if __name__ == "__main__":
    sys.exit(main())
