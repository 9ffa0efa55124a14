"""`docs/cli.md`, made from the commands themselves. `docs/generate.py` writes it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from inductiva.cli.lazy import LazyGroup
from inductiva.cli.main import build

_WIDTH = 100

_INTRODUCTION = """# The command line

Generated from the commands' own help by `docs/generate.py`; do not edit.

Commands talk to the server that `INDUCTIVA_API_URL` names; without it to your own server on this machine, which is
started when it is needed.

## What holds for every command

| exit code | meaning |
|---|---|
| 0 | done; also when the reader of the output left early (`\\| head`) |
| 1 | it failed or was refused: the server said no, an unknown id, nothing to kill, a task that does not run |
| 2 | wrong usage: an unknown command or option, arguments that do not go together |
| 3 | the server cannot be reached |
| 130 | ended by Ctrl-C |

Errors are one line on standard error that says what was wrong and what to do next.

`--json` prints one JSON document on standard output and nothing else. Its keys are those of the REST API (times as
ISO 8601 in UTC, sizes in bytes, durations in seconds, prices in US dollars); each command's help names its own.

`-w`/`--watch [SECONDS]` redraws the answer until Ctrl-C.

Times for people are in the local zone, which is named once; the year is shown when it is not this year. Colours go
to terminals only, and never when `NO_COLOR` or `INDUCTIVA_DISABLE_ANSI` is set.

## Commands
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and group below `inductiva`, with its full name, in the order of the help."""
    root = build()
    yield from _below(root, "inductiva", click.Context(root, info_name="inductiva"))


def _below(group: LazyGroup, path: str, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            raise LookupError(f"{path} lists {name} but does not have it")
        yield f"{path} {name}", command
        if isinstance(command, LazyGroup):
            yield from _below(command, f"{path} {name}", context)


def _help(path: str, command: click.Command) -> str:
    context = click.Context(
        command, info_name=path, terminal_width=_WIDTH, max_content_width=_WIDTH, help_option_names=["-h", "--help"]
    )
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def render() -> str:
    """The whole page."""
    sections = [
        f"### {path}\n\n```text\n{_help(path, command)}\n```\n"
        for path, command in commands()
        if not isinstance(command, LazyGroup)
    ]
    return _INTRODUCTION + "\n" + "\n".join(sections)
