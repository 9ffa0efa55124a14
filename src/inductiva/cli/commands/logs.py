"""`inductiva logs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import click

from inductiva.cli import log_choice
from inductiva.cli.errors import Refused
from inductiva.cli.options import Command, Number, TaskId

if TYPE_CHECKING:
    from inductiva.protocol.watch import LogStream, LogText, StatusChange
    from inductiva.tasks.watch import Watch

LINES = 10


def _task_id(mode: str) -> str:
    from inductiva.api import tasks

    if log_choice.is_mode(mode):
        return log_choice.chosen(mode, tasks.newest(log_choice.LOOK_BACK))
    return TaskId().convert(mode, None, None)


class _Printer:
    """Writes each stream to its own standard stream; stderr's text in red on a terminal.

    Where a terminal shows both, the frame of each command, which is in both, is shown once.
    """

    def __init__(self, streams: frozenset[LogStream], colour: bool) -> None:
        from inductiva.protocol.watch import LogStream
        from inductiva.tasks.headers import WithoutFrames
        from inductiva.utils.format_utils import ansi_enabled

        self._targets: dict[LogStream, TextIO] = {LogStream.STDOUT: sys.stdout, LogStream.STDERR: sys.stderr}
        self._streams = streams
        self._red = colour and ansi_enabled(sys.stderr)
        together = len(streams) > 1 and sys.stdout.isatty() and sys.stderr.isatty()
        self._unframed = WithoutFrames() if together else None
        self._rest = ""

    def write(self, chunk: LogText) -> None:
        if chunk.stream not in self._streams:
            return
        target = self._targets[chunk.stream]
        errors = target is sys.stderr
        text = self._own_lines(chunk.text) if errors and self._unframed else chunk.text
        target.write(_red(text) if text and errors and self._red else text)
        target.flush()

    def _own_lines(self, text: str) -> str:
        """The whole lines so far without frames; the start of an unfinished one is kept until it is whole."""
        *lines, self._rest = (self._rest + text).split("\n")
        return "".join(f"{line}\n" for line in self._unframed(lines)) if self._unframed else text

    def close(self) -> None:
        """Show what ended without the end of a line."""
        if self._rest:
            sys.stderr.write(_red(self._rest) if self._red else self._rest)
            sys.stderr.flush()
            self._rest = ""


def _red(text: str) -> str:
    from inductiva.utils.format_utils import Emphasis, emphasis_formatter

    return emphasis_formatter(text, Emphasis.RED)


def _not_started(message: StatusChange) -> bool:
    from inductiva.protocol.status import ON_MACHINE

    return not message.is_terminated and message.status not in ON_MACHINE


def _follow(watch: Watch, printer: _Printer, task_id: str, wait: bool) -> None:
    """Until the task has ended and the last byte was shown. Raises Refused for one that has not started."""
    from inductiva.protocol.watch import End, LogText, StatusChange

    while not isinstance(message := watch.next(), End):
        if isinstance(message, LogText):
            printer.write(message)
        elif isinstance(message, StatusChange):
            if _not_started(message) and not wait:
                raise Refused(
                    f"task {task_id} has not started ({message.alias}); 'inductiva logs --wait {task_id}' waits for it"
                )
            click.echo(f"■ {message.description}{f' {message.detail}' if message.detail else ''}", err=True)


@click.command(cls=Command)
@click.argument("mode", default="SUBMITTED", metavar="[ID|SUBMITTED[-N]|STARTED[-N]]")
@click.option("--stdout", "only_stdout", is_flag=True, help="Only the standard output.")
@click.option("--stderr", "only_stderr", is_flag=True, help="Only the standard error.")
@click.option("--no-color", is_flag=True, help="Do not show standard error in red.")
@click.option("-w", "--wait", is_flag=True, help="Wait for a task that has not started.")
@click.option(
    "-l",
    "--lines",
    type=Number(min=0),
    metavar="N",
    help=f"Begin with the last N lines; {LINES} unless given, and all of them when the task has ended.",
)
def logs(mode: str, only_stdout: bool, only_stderr: bool, no_color: bool, wait: bool, lines: int | None) -> None:
    """Show what a task prints, as it prints it, until it ends.

    SUBMITTED, the default, is the task submitted last, STARTED the one started last; with -N the one N before it.

    The task's standard output goes to this command's standard output, its standard error to this command's.
    """
    from inductiva.api import tasks
    from inductiva.protocol.watch import LogStream
    from inductiva.tasks.watch import Watch

    task_id = _task_id(mode)
    if lines is None and not tasks.status(task_id).is_terminated:
        lines = LINES
    both = only_stdout == only_stderr
    streams = frozenset(LogStream) if both else frozenset({LogStream.STDOUT if only_stdout else LogStream.STDERR})
    printer = _Printer(streams, colour=not no_color)
    with Watch(task_id, logs=True, tail=lines) as watch:
        _follow(watch, printer, task_id, wait)
    printer.close()
