"""`inductiva tasks list` and `inductiva tasks info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from inductiva.cli.options import Many, Number, TaskId
from inductiva.cli.output import Answer, read_command

if TYPE_CHECKING:
    from inductiva.protocol.tasks import TaskWithPagination

_PAGE = 500


def _listed(limit: int | None, status: str | None, project: str | None) -> TaskWithPagination:
    """The newest `limit` tasks, or all. A task submitted meanwhile shifts the pages: what was seen is left out."""
    from inductiva.api import tasks

    size = _PAGE if limit is None else min(limit, _PAGE)
    found = tasks.page(1, size, status=status, project=project)
    seen = {task.task_id for task in found.tasks}
    number, full = 2, len(found.tasks) == size
    while full and (limit is None or len(found.tasks) < limit):
        page = tasks.page(number, size, status=status, project=project).tasks
        found.tasks += [task for task in page if task.task_id not in seen]
        seen.update(task.task_id for task in page)
        number, full = number + 1, len(page) == size
    del found.tasks[len(found.tasks) if limit is None else limit :]
    return found


def _named(ids: tuple[str, ...]) -> TaskWithPagination:
    from inductiva.api import tasks
    from inductiva.protocol.tasks import TaskWithPagination

    return TaskWithPagination(len(ids), [tasks.info(task_id) for task_id in ids])


def _known_status(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    from inductiva.tasks.query import known_status

    try:
        return None if text is None else known_status(text.strip().lower()).value
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@read_command(
    click.option("-n", "--last-n", type=Number(min=1), metavar="N", help="The newest N tasks (10 unless given)."),
    click.option("-a", "--all", "every", is_flag=True, help="All tasks."),
    click.option("-i", "--id", "ids", cls=Many, metavar="ID", type=TaskId(), help="These tasks."),
    click.option("-p", "--project-name", metavar="NAME", help="Only tasks of this project."),
    click.option(
        "--status", metavar="CODE", callback=_known_status, help="Only tasks in this status, such as 'success'."
    ),
)
def list_tasks(
    last_n: int | None, every: bool, ids: tuple[str, ...], project_name: str | None, status: str | None
) -> Answer:
    """List tasks, newest first.

    JSON: {"total_size": number that match, "tasks": [fields as in the REST API]}.
    """
    if (last_n is not None) + every + bool(ids) > 1:
        raise click.UsageError("--last-n, --all and --id exclude one another; give one of them")
    if ids and (project_name or status):
        raise click.UsageError("--id names the tasks; it does not go with --project-name or --status")
    found = _named(ids) if ids else _listed(None if every else last_n or 10, status, project_name)

    def text() -> str:
        from inductiva.cli import task_table

        return task_table.render(found.tasks)

    return Answer(found, text)


@read_command(click.argument("task_id", metavar="ID", type=TaskId()))
def info(task_id: str) -> Answer:
    """Show the report of a task: timeline, data, cost.

    JSON: the task as in the REST API, with its whole "status_history".
    """
    from inductiva.api import tasks

    task = tasks.info(task_id)

    def text() -> str:
        from datetime import UTC, datetime

        from inductiva.tasks.report import render_task

        return "\n" + render_task(task, datetime.now(UTC))

    return Answer(task, text)
