"""Tasks as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from inductiva.protocol.status import STATUSES
from inductiva.protocol.tasks import Task
from inductiva.tasks.names import simulator_shown
from inductiva.utils import tables
from inductiva.utils.format_utils import (
    MISSING,
    Emphasis,
    ansi_enabled,
    datetime_formatter,
    emphasis_formatter,
    local_time,
    local_zone,
    seconds_formatter,
)

HEADERS = ("ID", "Simulator", "Status", "Submitted", "Started", "Computation time", "Resource type")


def computation_time(task: Task, now: datetime) -> str:
    """`0:01:40`; while the simulation runs, `0:00:12 so far`; `n/a` before."""
    if task.metrics.computation_seconds is not None:
        return seconds_formatter(task.metrics.computation_seconds)
    if task.computation_start_time is None:
        return MISSING
    if task.computation_end_time is None and task.is_terminated:
        return MISSING
    end = now if task.computation_end_time is None else local_time(task.computation_end_time)
    seconds = max(0.0, (end - local_time(task.computation_start_time)).total_seconds())
    return f"{seconds_formatter(seconds)}{' so far' if task.computation_end_time is None else ''}"


def resource_type(task: Task) -> str:
    """`GCP c2d-highcpu-4`, with ` x2` for two MPI hosts; `n/a` before a machine took the task."""
    machine = task.executer
    if machine is None:
        return MISSING
    hosts = f" x{machine.n_mpi_hosts}" if machine.n_mpi_hosts > 1 else ""
    # A machine of the user's own has no type, but a name.
    kind = machine.vm_name if machine.vm_type == MISSING else machine.vm_type
    return f"{machine.host_type} {kind or MISSING}{hosts}"


def status(task: Task, colour: bool) -> str:
    """The status as users know it: green for success, red for a failure."""
    if not colour or not task.is_terminated:
        return task.status_alias
    known = STATUSES.get(task.status)
    return emphasis_formatter(task.status_alias, Emphasis.RED if known and known.failed else Emphasis.GREEN)


def render(tasks: Sequence[Task]) -> str:
    """The tasks, one a row, and what zone the times are in."""
    if not tasks:
        return "\nNo tasks.\n"
    now, colour = datetime.now(UTC), ansi_enabled()
    rows = [
        [
            task.task_id,
            simulator_shown(task.simulator, task.container_image),
            status(task, colour),
            datetime_formatter(task.input_submit_time or task.create_time),
            datetime_formatter(task.start_time),
            computation_time(task, now),
            resource_type(task),
        ]
        for task in tasks
    ]
    table = tables.render_for_terminal(HEADERS, rows)
    return f"{table}\n Times are {local_zone()}. More of one task: inductiva tasks info ID\n"
