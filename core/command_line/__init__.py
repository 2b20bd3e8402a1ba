"""Command line: ``python -m core COMMAND``, a module for each group of commands."""
