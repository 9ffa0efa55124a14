"""`inductiva tasks list-files|tail|top|last-modified-file`: looking into a task's working directory."""

from __future__ import annotations

import sys
from typing import Any

import click

from inductiva.cli.options import Command, Number, TaskId
from inductiva.cli.output import Answer, read_command


def _look(task_id: str, operation: str) -> Any:
    from inductiva.protocol.watch import LiveOperation
    from inductiva.tasks import live

    return live.one(task_id, LiveOperation(operation))


@read_command(click.argument("task_id", metavar="ID", type=TaskId()))
def list_files(task_id: str) -> Answer:
    """Show the files in a task's working directory.

    They are those of the stored outputs when the task has ended.

    JSON: {"files": nested list of names and {directory: [...]}}.
    """
    found = _look(task_id, "ls")

    def text() -> str:
        from inductiva.tasks.live import tree_lines

        return "\n".join(tree_lines(found)) or "No files."

    return Answer({"files": found}, text)


@read_command(click.argument("task_id", metavar="ID", type=TaskId()))
def last_modified_file(task_id: str) -> Answer:
    """Show which file a task wrote last, and when.

    JSON: {"most_recent_file", "most_recent_timestamp", "now_timestamp", "time_since_last_mod"}, in seconds.
    """
    found = _look(task_id, "last_modified_file")

    def text() -> str:
        from inductiva.tasks.live import last_modified_text

        return last_modified_text(found)

    return Answer(found, text)


@read_command(click.argument("task_id", metavar="ID", type=TaskId()))
def top(task_id: str) -> Answer:
    """Show the processes of the machine that runs a task.

    JSON: {"top": text}.
    """
    found = _look(task_id, "top")
    return Answer({"top": found}, lambda: str(found))


@click.command(cls=Command)
@click.argument("task_id", metavar="ID", type=TaskId())
@click.argument("filenames", nargs=-1, required=True, metavar="FILE...")
@click.option("-l", "--lines", default=10, show_default=True, type=Number(min=0), metavar="N", help="Lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is appended, until the task ends or Ctrl-C.")
def tail(task_id: str, filenames: tuple[str, ...], lines: int, follow: bool) -> None:
    """Show the last lines of files of a task.

    FILE is a path below the working directory, as 'inductiva tasks list-files ID' shows it.
    """
    from inductiva.tasks import live

    live.tail(task_id, filenames, lines, follow=follow, wait=False, fout=sys.stdout)
