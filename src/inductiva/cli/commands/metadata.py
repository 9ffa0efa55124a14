"""`inductiva tasks metadata get|set|unset`."""

from __future__ import annotations

import click

from inductiva.cli.errors import Refused
from inductiva.cli.options import TaskId
from inductiva.cli.output import Answer, read_command


@read_command(click.argument("task_id", metavar="ID", type=TaskId()))
def get(task_id: str) -> Answer:
    """Show the metadata of a task.

    JSON: an object of texts.
    """
    from inductiva.api import tasks
    from inductiva.utils import tables

    found = tasks.get_metadata(task_id)
    rows = [[key, value] for key, value in sorted(found.items())]
    return Answer(found, lambda: tables.render_for_terminal(["Key", "Value"], rows) if rows else "\nNo metadata.\n")


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals and value):
            raise click.UsageError(f"{word!r} is not KEY=VALUE with both parts; 'tasks metadata unset' removes a key")
        pairs[key] = value
    return pairs


@click.command("set")
@click.argument("task_id", metavar="ID", type=TaskId())
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
def set_(task_id: str, pairs: tuple[str, ...]) -> None:
    """Set metadata of a task; other keys stay."""
    from inductiva.tasks import Task

    task = Task(task_id)
    changes = _pairs(pairs)
    task.set_metadata({**task.get_metadata(), **changes})


@click.command()
@click.argument("task_id", metavar="ID", type=TaskId())
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
def unset(task_id: str, keys: tuple[str, ...]) -> None:
    """Remove metadata of a task."""
    from inductiva.tasks import Task

    task = Task(task_id)
    found = task.get_metadata()
    unknown = [key for key in keys if key not in found]
    if unknown:
        raise Refused(f"the task has no metadata {', '.join(unknown)}; it has: {', '.join(sorted(found)) or 'none'}")
    task.set_metadata({key: value for key, value in found.items() if key not in keys})
