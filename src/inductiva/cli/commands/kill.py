"""`inductiva tasks kill`."""

from __future__ import annotations

import time

import click

from inductiva.cli.confirm import confirm
from inductiva.cli.each import for_each
from inductiva.cli.errors import FAILED, Refused
from inductiva.cli.options import Command, Many, TaskId

_PENDING, _KILLED = "pending-kill", "killed"


def _killable() -> list[str]:
    """The user's tasks that have not ended."""
    from inductiva.api import tasks

    found, number = [], 1
    while page := tasks.page(number, 500, active=True).tasks:
        found += [task.task_id for task in page if not task.is_terminated and task.status != _PENDING]
        number += 1
    return found


def _request(task_id: str) -> None:
    from inductiva.api import tasks

    now = tasks.status(task_id)
    if now.is_terminated:
        raise Refused(f"the task has already ended ({now.status}), there is nothing to kill")
    tasks.kill(task_id)
    click.echo(f"Kill of task {task_id} requested.")


def _wait(task_id: str, deadline: float) -> None:
    """Until the task is killed. Raises Refused when it ended otherwise, or has not ended at `deadline`."""
    from inductiva.tasks import watch

    change = watch.until(task_id, lambda change: change.is_terminated, max(0.0, deadline - time.monotonic()))
    if change is None:
        raise Refused(f"it has not ended yet; the request stands, 'inductiva tasks info {task_id}' shows its end")
    if change.status != _KILLED:
        raise Refused(f"the task ended on its own before it was killed ({change.alias})")
    click.echo(f"Task {task_id} killed.")


@click.command(cls=Command)
@click.argument("ids", nargs=-1, metavar="[ID]...", type=TaskId())
@click.option("--id", "more_ids", cls=Many, metavar="ID", type=TaskId(), help="The same as an argument.")
@click.option(
    "-w",
    "--wait-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Wait up to SECONDS until the tasks have ended; otherwise only ask for it.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--all", "every", is_flag=True, help="All tasks that have not ended.")
def kill(ids: tuple[str, ...], more_ids: tuple[str, ...], wait_timeout: float | None, yes: bool, every: bool) -> int:
    """Kill tasks. What they have written until then is stored.

    Exit code 1 when a task had ended already, is unknown, or has not ended in time.
    """
    named = [*ids, *more_ids]
    if every == bool(named):
        raise click.UsageError("give the ids of the tasks, or --all")
    chosen = _killable() if every else list(dict.fromkeys(named))
    if not chosen:
        raise Refused("no task is waiting or running, there is nothing to kill")
    confirm(f"Kill {len(chosen)} task{'s'[: len(chosen) != 1]}?", chosen, yes=yes)
    requested: list[str] = []

    def request(task_id: str) -> None:
        _request(task_id)
        requested.append(task_id)

    code = for_each(chosen, request)
    if wait_timeout is not None:
        deadline = time.monotonic() + wait_timeout
        code = for_each(requested, lambda task_id: _wait(task_id, deadline)) or code
    return FAILED if code else 0
