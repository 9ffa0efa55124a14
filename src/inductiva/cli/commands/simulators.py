"""`inductiva simulators list|install`."""

from __future__ import annotations

import subprocess
import sys

import click

from inductiva.cli.errors import FAILED, OK
from inductiva.cli.output import Answer, read_command


@read_command(click.option("--dev", is_flag=True, help="Development versions as well."))
def list_simulators(dev: bool) -> Answer:
    """List simulators and their versions.

    JSON: {"production": {name: [versions]}, "development": {...}}; a version ending in "_gpu" needs a GPU.
    """
    from inductiva.api import catalogue

    images = catalogue.available_images()
    branches = {"production": images.production, **({"development": images.development} if dev else {})}
    return Answer(images, lambda: "".join(_branch(name, versions) for name, versions in branches.items()))


def _branch(name: str, versions: dict[str, list[str]]) -> str:
    from inductiva.utils import tables

    rows = [
        [simulator, ", ".join(known)] for simulator, known in sorted(versions.items(), key=lambda row: row[0].lower())
    ]
    if not rows:
        return f"\n No {name} simulators.\n"
    return f"\n {name.capitalize()} simulators\n{tables.render_for_terminal(['Simulator', 'Versions'], rows)}"


@click.command()
@click.argument("name", metavar="NAME[==VERSION]")
@click.option("--check", is_flag=True, help="Only tell whether it is there: exit code 0 if it is, else 1.")
@click.option("--json", "as_json", is_flag=True, help="Print the environment as one JSON document.")
def install(name: str, check: bool, as_json: bool) -> int:
    """Provide a simulator on this machine.

    NAME is that of 'inductiva simulators list', such as splishsplash. A first run does it as well; when it was done
    before, that run starts at once.
    """
    options = [*(["--check"] if check else []), *(["--json"] if as_json else [])]
    command = [sys.executable, "-m", "inductiva.runner", "install", name, *options]
    return FAILED if subprocess.run(command, check=False).returncode else OK
