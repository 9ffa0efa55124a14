"""`inductiva server …`: the user's own server on this machine."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import click

import inductiva
from inductiva.cli.errors import FAILED, OK, Refused
from inductiva.cli.options import Number
from inductiva.cli.output import Answer, read_command, to_json

if TYPE_CHECKING:
    from inductiva.api.embedded import EmbeddedStatus
    from inductiva.protocol.embedded import ServerInfo

_VARIABLES = ("INDUCTIVA_API_URL", "INDUCTIVA_API_KEY", "INDUCTIVA_MACHINES_CATALOGUE_API_URL")
_POLL_SECONDS = 0.2


def _row(label: str, value: object) -> str:
    return f" {label + ':':<10} {value}"


def _text(found: EmbeddedStatus) -> str:
    if found.info is None:
        first = " The server does not run; the next command or script that needs it starts it."
    else:
        first = f" The server runs at {found.info.url} (process {found.info.pid}, version {found.info.version})."
    lines = ["", first, _row("Data", found.data_dir), _row("Log", found.log), ""]
    if inductiva.api_url:
        lines += [f" INDUCTIVA_API_URL is set: other commands and scripts talk to {inductiva.api_url}.", ""]
    return "\n".join(lines)


@read_command()
def status() -> Answer:
    """Show whether the server runs, and where. Starts nothing.

    JSON: {"running", "url", "pid", "version", "data_dir", "log"}; the second to fourth are null when it does not run.
    """
    from inductiva.api import session

    found = session.embedded_status()
    info = found.info
    data = {
        "running": found.running,
        "url": info.url if info else None,
        "pid": info.pid if info else None,
        "version": info.version if info else None,
        "data_dir": str(found.data_dir),
        "log": str(found.log),
    }
    return Answer(data, lambda: _text(found))


def _start() -> ServerInfo:
    from inductiva.api import session

    return session.start_embedded()


@click.command()
def start() -> None:
    """Start the server, unless it runs."""
    info = _start()
    click.echo(f"The server runs at {info.url} (process {info.pid}).")


@click.command()
def stop() -> None:
    """Stop the server; running simulations go on.

    Their results wait for the server, which the next command or script that needs it starts again.
    """
    from inductiva.api import session

    click.echo("The server has stopped." if session.stop_embedded() else "The server did not run.")


@click.command()
def restart() -> None:
    """Stop the server and start it again.

    Running simulations go on.
    """
    from inductiva.api import session

    session.stop_embedded()
    info = _start()
    click.echo(f"The server runs at {info.url} (process {info.pid}).")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object of the variables.")
@click.option("--unset", is_flag=True, help="Print commands that take the variables back.")
def env(as_json: bool, unset: bool) -> None:
    """Print shell commands that point other programs at this server. Starts the server if need be.

    Use: eval "$(inductiva server env)". The server keeps its address when it is started again, if it can.
    """
    if unset:
        if as_json:
            raise click.UsageError("--unset prints shell commands; it does not go with --json")
        click.echo("\n".join(f"unset {name}" for name in _VARIABLES))
        return
    from inductiva.api import keys

    url = _start().url
    values = dict(zip(_VARIABLES, (url, keys.embedded_key().value, url), strict=True))
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())
    click.echo(to_json(values) if as_json else exports)


def _follow(path: Path) -> None:
    """Writes what comes after the end of a file, until Ctrl-C."""
    with path.open(encoding="utf-8", errors="replace") as log:
        log.seek(0, 2)
        while True:
            text = log.read()
            if text:
                click.echo(text, nl=False)
            else:
                time.sleep(_POLL_SECONDS)


@click.command()
@click.option("-l", "--lines", default=50, show_default=True, type=Number(min=0), help="The last lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on as the server writes more, until Ctrl-C.")
def logs(lines: int, follow: bool) -> None:
    """Show what the server says."""
    from inductiva.api import session

    path = session.embedded_status().log
    if not path.exists():
        raise Refused(f"the server has never run here: there is no {path}")
    with path.open(encoding="utf-8", errors="replace") as log:
        click.echo("".join(deque(log, lines)), nl=False)
    if follow:
        _follow(path)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def fsck(as_json: bool) -> int:
    """Check that the server's data is whole and consistent. The server may run or not.

    Exit code 1 when something is wrong.
    """
    from inductiva.api import session

    root = session.embedded_status().data_dir
    command = [sys.executable, "-m", "inductiva.server", "fsck", "--data-dir", str(root)]
    code = subprocess.run([*command, *(["--json"] if as_json else [])], check=False).returncode
    return code if code in (OK, FAILED) else FAILED
