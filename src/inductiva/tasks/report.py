"""The report of a task, as `inductiva tasks info`, `task.print_summary()` and `str(task.info)` show it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from inductiva.protocol.status import STATUSES, TaskStatusCode
from inductiva.protocol.tasks import TaskOperation, TaskStatusInfo, TaskWithStatusHistory
from inductiva.utils.format_utils import (
    bytes_formatter,
    currency_formatter,
    datetime_formatter,
    local_zone,
    short_timedelta_formatter,
)

if TYPE_CHECKING:
    from inductiva.tasks.info import TaskInfo

_LABEL = 25
_TIME = 20
_DURATION = 15
_HOUR = 3600.0


def render(info: TaskInfo) -> str:
    """The report of a task as its information says now."""
    fields = {"status_history": [], **info.to_dict()}
    return render_task(msgspec.convert(fields, TaskWithStatusHistory), datetime.now(UTC))


def render_task(task: TaskWithStatusHistory, now: datetime) -> str:
    """The report of a task: status, timeline, data, cost. `now` (aware) is the end of what still goes on."""
    blocks = [_status(task), _timeline(task, now), _data(task), _cost(task)]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _status(task: TaskWithStatusHistory) -> list[str]:
    detail = task.error_detail or (task.executer.error_detail if task.executer else None)
    return [f"Task status: {task.status_alias}", *([f"Status detail: {detail}"] if detail else [])]


def _timeline(task: TaskWithStatusHistory, now: datetime) -> list[str]:
    if not task.status_history:
        return []
    label = max(_LABEL, *(len(entry.alias) for entry in task.status_history))
    lines = [f"Timeline ({local_zone(task.status_history[0].timestamp)}):"]
    for entry in task.status_history:
        terminal = STATUSES[entry.status].terminal
        time = f"at {datetime_formatter(entry.timestamp):<{_TIME}}"
        lines.append(f"\t{entry.alias:<{label}} {time} {_duration(entry, terminal, now)}".rstrip())
        lines += _operations(entry, terminal, now)
    return lines


def _duration(part: TaskStatusInfo | TaskOperation, terminal: bool, now: datetime) -> str:
    """`1.2 s`; what has not ended is `3.4 s (ongoing)`; a terminal status lasts for ever, so it has none."""
    start = part.timestamp if isinstance(part, TaskStatusInfo) else part.start_timestamp
    if part.end_timestamp is None and terminal:
        return ""
    end = now if part.end_timestamp is None else datetime.fromisoformat(part.end_timestamp)
    # The clocks of server and client may differ; nothing lasts less than no time.
    seconds = max(0.0, (end - datetime.fromisoformat(start)).total_seconds())
    text = f"{seconds:.1f} s"
    if seconds >= _HOUR:
        text += f" ({short_timedelta_formatter(timedelta(seconds=seconds))})"
    return text if part.end_timestamp is not None else f"{text} (ongoing)"


def _operations(entry: TaskStatusInfo, terminal: bool, now: datetime) -> Iterator[str]:
    labelled = [(operation, _operation_label(entry, operation)) for operation in entry.operations]
    shown = [(operation, label) for operation, label in labelled if label]
    for index, (operation, label) in enumerate(shown):
        branch = "└>" if index == len(shown) - 1 else "├>"
        yield f"\t\t{branch} {_duration(operation, terminal, now):<{_DURATION}} {label}"


def _operation_label(entry: TaskStatusInfo, operation: TaskOperation) -> str | None:
    """A command and how it failed; for a machine that was taken back, what the machine did; else nothing."""
    command = operation.attributes.get("command")
    if command is None:
        return operation.alias if entry.status is TaskStatusCode.SPOT_INSTANCE_PREEMPTED else None
    code = operation.attributes.get("exit_code")
    return f"{command}  (exit code {code})" if code else str(command)


def _row(label: str, value: str) -> str:
    return f"\t{label + ':':<{_LABEL}} {value}"


def _data(task: TaskWithStatusHistory) -> list[str]:
    unknown = "N/A" if task.is_terminated else "N/A until the task ends"
    metrics = task.metrics
    zipped, unzipped, files = metrics.output_zipped_size_bytes, metrics.output_size_bytes, metrics.output_total_files
    return [
        "Data:",
        _row("Size of zipped output", unknown if zipped is None else bytes_formatter(zipped)),
        _row("Size of unzipped output", unknown if unzipped is None else bytes_formatter(unzipped)),
        _row("Number of output files", unknown if files is None else str(files)),
    ]


def _cost(task: TaskWithStatusHistory) -> list[str]:
    """One line when there is no fee, else the total and its two parts."""
    computation, fee = task.estimated_computation_cost, task.orchestration_fee
    if computation is not None:
        known = currency_formatter(computation)
    else:
        known = "N/A" if task.is_terminated else "N/A until the task ends"
    if fee is None or not fee.charged or not fee.amount:
        return [f"Estimated computation cost (US$): {known}"]
    total = currency_formatter((computation or 0.0) + fee.amount)
    return [
        f"Total estimated cost (US$): {total}",
        f"\tEstimated computation cost (US$): {known}",
        f"\tTask orchestration fee (US$): {currency_formatter(fee.amount)}",
    ]
