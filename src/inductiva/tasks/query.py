"""Finding tasks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from inductiva.api import tasks as api
from inductiva.protocol.status import TaskStatusCode
from inductiva.tasks.names import simulator_shown
from inductiva.tasks.task import Task

PAGE_SIZE = 500


def known_status(status: str) -> TaskStatusCode:
    """The status of this name. Raises ValueError, with close matches, when there is none."""
    try:
        return TaskStatusCode(status)
    except ValueError:
        names = [code.value for code in TaskStatusCode]
        close = difflib.get_close_matches(str(status).lower().replace(" ", "-"), names, n=3)
        advice = " or ".join(map(repr, close)) or f"one of {', '.join(names)}"
        raise ValueError(f"{status!r} is no task status; use {advice}") from None


def _filter(status: str | None) -> str | None:
    return None if status is None else known_status(status).value


def get(last_n: int = 5, status: str | None = None, project: str | None = None) -> list[Task]:
    """The `last_n` newest tasks, newest first, with this status and in this project if given.

    Raises ValueError when `last_n` is less than 1 or `status` is unknown.
    """
    if last_n < 1:
        raise ValueError(f"last_n must be at least 1; it is {last_n}")
    known = _filter(status)
    if last_n <= PAGE_SIZE:
        return [Task.from_api_info(info) for info in api.newest(last_n, status=known, project=project)]
    return [task for _, task in zip(range(last_n), _all(known, project), strict=False)]


def _all(status: str | None, project: str | None) -> Iterator[Task]:
    number, seen = 1, set[str]()
    while True:
        page = api.page(number, PAGE_SIZE, status=status, project=project)
        # A task that was submitted meanwhile shifts the pages: what was seen comes again.
        fresh = [info for info in page.tasks if info.task_id not in seen]
        seen.update(info.task_id for info in fresh)
        yield from map(Task.from_api_info, fresh)
        if len(page.tasks) < PAGE_SIZE:
            return
        number += 1


def get_all(status: str | None = None, project: str | None = None) -> list[Task]:
    """Every task, newest first, with this status and in this project if given."""
    return list(_all(_filter(status), project))


def get_tasks(last_n: int = 10, project: str | None = None, status: str | None = None) -> list[Task]:
    """As `get`; all tasks when `last_n` is 0 or less."""
    if last_n <= 0:
        return get_all(status=status, project=project)
    return get(last_n=last_n, status=status, project=project)


def _resource(task: Task) -> str | None:
    executer = task.info.executer
    if executer is None:
        return None
    machine = executer.vm_name if executer.vm_type == "n/a" else executer.vm_type
    hosts = f" x{executer.n_mpi_hosts}" if executer.n_mpi_hosts > 1 else ""
    return f"{executer.host_type} {machine}{hosts}"


def _time(task: Task) -> str | None:
    from inductiva.utils.format_utils import seconds_formatter

    seconds = task.info.computation_seconds()
    if seconds is None:
        return None
    return f"{'' if task.info.is_terminal else '*'}{seconds_formatter(seconds)}"


def to_dict(list_of_tasks: Iterable[Task]) -> Mapping[str, list[object]]:
    """The tasks as columns of a table. A computation time with `*` before it goes on."""
    tasks = list(list_of_tasks)
    return {
        "ID": [task.id for task in tasks],
        "Simulator": [simulator_shown(task.info.simulator, task.info.container_image) for task in tasks],
        "Status": [task.info.status_alias for task in tasks],
        "Submitted": [task.info.input_submit_time for task in tasks],
        "Started": [task.info.start_time for task in tasks],
        "Computation Time": [_time(task) for task in tasks],
        "Resource Type": [_resource(task) for task in tasks],
    }
