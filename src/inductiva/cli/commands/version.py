"""`inductiva version`."""

from __future__ import annotations

from inductiva import __version__
from inductiva.cli.output import Answer, read_command


@read_command()
def version() -> Answer:
    """Print the version.

    JSON: {"version"}.
    """
    return Answer({"version": __version__}, lambda: f"inductiva {__version__}")
