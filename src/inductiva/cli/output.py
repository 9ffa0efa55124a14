"""Read commands: one answer shown as text or as one JSON document, once or again and again."""

from __future__ import annotations

import functools
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

import click

from inductiva.cli.options import Command, Watch

P = ParamSpec("P")
_CLEAR = "\033[H\033[2J\033[3J"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a read command found. `data`: for `--json`, anything msgspec can encode; `text` draws it for people."""

    data: Any
    text: Callable[[], str]


def read_command(*parameters: Callable[..., Any]) -> Callable[[Callable[P, Answer]], Command]:
    """Makes a command of a function that finds an answer; adds `--json` and `--watch`.

    `parameters`: `click.argument(…)` and `click.option(…)`, in the order of the help.
    """

    def decorate(find: Callable[P, Answer]) -> Command:
        @functools.wraps(find)
        def show(*args: P.args, **options: P.kwargs) -> None:
            as_json, seconds = bool(options.pop("json")), options.pop("watch")
            if not isinstance(seconds, float):
                _print(find(*args, **options), as_json)
            elif as_json:
                raise click.UsageError("--watch redraws a screen for people; ask for --json in a loop of your own")
            else:
                _watch(lambda: find(*args, **options), seconds)

        command: Callable[..., Any] = show
        every: list[Callable[..., Any]] = [*parameters, _JSON, _WATCH]
        for parameter in reversed(every):
            command = parameter(command)
        return click.command(cls=Command)(command)

    return decorate


def _positive(_context: click.Context, _parameter: click.Parameter, seconds: float | None) -> float | None:
    if seconds is not None and not 0 < seconds < float("inf"):
        raise click.BadParameter("give a number of seconds above 0")
    return seconds


_JSON = click.option("--json", is_flag=True, help="Print one JSON document and nothing else.")
_WATCH = click.option(
    "-w",
    "--watch",
    cls=Watch,
    type=float,
    metavar="[SECONDS]",
    callback=_positive,
    help="Redraw every SECONDS (2 unless given) until Ctrl-C.",
)


def _print(answer: Answer, as_json: bool) -> None:
    click.echo(to_json(answer.data) if as_json else answer.text())


def to_json(data: Any) -> str:
    """Indented JSON text."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def _watch(find: Callable[[], Answer], seconds: float) -> None:
    screen = sys.stdout.isatty()
    while True:
        # Found before the screen is cleared, so that it never stays empty while a server answers.
        lines = [f"Every {seconds:g} s until Ctrl-C, now {time.strftime('%H:%M:%S')}", *find().text().splitlines()]
        if screen:
            lines = _fit(lines, shutil.get_terminal_size().lines)
        click.echo((_CLEAR if screen else "") + "\n".join(lines))
        time.sleep(seconds)


def _fit(lines: list[str], height: int) -> list[str]:
    """What a screen of `height` lines can show: the start, and how much more there is. The cursor needs a line."""
    room = max(1, height - 1)
    if len(lines) <= room:
        return lines
    shown = max(1, room - 1)
    return [*lines[:shown], f"… {len(lines) - shown} more lines"]
