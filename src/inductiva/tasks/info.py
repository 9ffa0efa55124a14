"""What is known of a task at one moment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec

from inductiva.protocol import tasks as wire
from inductiva.protocol.status import RUNNING, TaskStatusCode
from inductiva.protocol.times import from_wire

_TIME_LABELS = {
    "total_seconds": "Total",
    "input_upload_seconds": "Input upload",
    "queue_time_seconds": "Time in queue",
    "container_image_download_seconds": "Simulator preparation",
    "input_download_seconds": "Input download",
    "input_decompression_seconds": "Input unpacking",
    "computation_seconds": "Computation",
    "output_upload_seconds": "Output upload",
}
_DATA_LABELS = {
    "output_zipped_size_bytes": "Size of zipped output",
    "output_size_bytes": "Size of unzipped output",
    "output_total_files": "Number of output files",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured quantity (seconds, bytes or a count); `value` is None until it is known."""

    label: str
    value: float | None


class _Record:
    """Fields by attribute and, as scripts that read the raw answer do, by key."""

    def __getitem__(self, name: str) -> Any:
        if name not in {field.name for field in fields(self)}:  # type: ignore[arg-type]
            raise KeyError(name)
        return getattr(self, name)


@dataclass(frozen=True)
class Operation(_Record):
    """One thing that was done while a status lasted, such as a command that ran."""

    name: str
    alias: str
    status: str
    start_timestamp: datetime
    end_timestamp: datetime | None
    attributes: dict[str, Any]


@dataclass(frozen=True)
class StatusEntry(_Record):
    """One status in a task's timeline."""

    status: TaskStatusCode
    alias: str
    description: str
    timestamp: datetime
    end_timestamp: datetime | None
    machine_id: str | None
    operations: list[Operation]


def _time(text: str | None) -> datetime | None:
    return None if text is None else from_wire(text)


def _operation(given: wire.TaskOperation) -> Operation:
    start = from_wire(given.start_timestamp)
    end = _time(given.end_timestamp)
    return Operation(given.name.value, given.alias, given.status.value, start, end, given.attributes)


def _entry(given: wire.TaskStatusInfo) -> StatusEntry:
    return StatusEntry(
        given.status,
        given.alias,
        given.description,
        from_wire(given.timestamp),
        _time(given.end_timestamp),
        given.machine_id,
        [_operation(operation) for operation in given.operations],
    )


def _metrics(values: wire.TaskMetrics, labels: dict[str, str]) -> SimpleNamespace:
    return SimpleNamespace(**{name: Metric(label, getattr(values, name)) for name, label in labels.items()})


class TaskInfo:
    """A task as it was when the server was asked.

    Times are aware datetimes in UTC (None until they happened), sizes bytes, durations seconds, costs US dollars.
    `status_history` is empty when the task came from a list, which does not carry it.
    """

    def __init__(self, task: wire.Task) -> None:
        self._wire = task
        history = task.status_history if isinstance(task, wire.TaskWithStatusHistory) else []
        self.task_id = task.task_id
        self.status = task.status
        self.status_alias = task.status_alias
        self.simulator = task.simulator
        self.storage_path = task.storage_path
        self.storage_input_path = task.storage_input_path
        self.storage_output_path = task.storage_output_path
        self.storage_region = task.storage_region
        self.container_image = task.container_image
        self.project = task.project
        self.machine_group_name = task.machine_group_name
        self.error_detail = task.error_detail
        self.task_metadata = dict(task.task_metadata or {})
        self.create_time = _time(task.create_time)
        self.input_submit_time = _time(task.input_submit_time)
        self.start_time = _time(task.start_time)
        self.computation_start_time = _time(task.computation_start_time)
        self.computation_end_time = _time(task.computation_end_time)
        self.end_time = _time(task.end_time)
        self.estimated_computation_cost = task.estimated_computation_cost
        self.orchestration_fee = task.orchestration_fee
        self.executer = task.executer
        self.time_metrics = _metrics(task.metrics, _TIME_LABELS)
        self.data_metrics = _metrics(task.metrics, _DATA_LABELS)
        self.status_history = [_entry(entry) for entry in history]
        self.is_submitted = task.status is TaskStatusCode.SUBMITTED
        self.is_running = task.status in RUNNING
        self.is_terminal = task.is_terminated

    def computation_seconds(self, now: datetime | None = None) -> float | None:
        """How long the simulation has computed, up to `now` while it does; None before it started."""
        return self._elapsed(self.time_metrics.computation_seconds.value, self.computation_start_time, now)

    def total_seconds(self, now: datetime | None = None) -> float | None:
        """From the task's creation to its end, up to `now` while it goes on."""
        return self._elapsed(self.time_metrics.total_seconds.value, self.create_time, now)

    def _elapsed(self, measured: float | None, start: datetime | None, now: datetime | None) -> float | None:
        if measured is not None or self.is_terminal or start is None:
            return measured
        return max(0.0, ((now or datetime.now(UTC)) - start).total_seconds())

    def machine_type(self) -> str | None:
        """`GCP-c2-standard-4`; None before a machine took the task."""
        return None if self.executer is None else f"{self.executer.host_type}-{self.executer.vm_type}"

    def to_dict(self) -> dict[str, Any]:
        """The server's answer as plain JSON types."""
        plain: dict[str, Any] = msgspec.to_builtins(self._wire)
        return plain

    def get_task_time(self) -> str:
        """How long the task has computed, as `h:mm:ss`; "N/A" before it started."""
        from inductiva.utils.format_utils import seconds_formatter

        seconds = self.computation_seconds()
        return "N/A" if seconds is None else seconds_formatter(seconds)

    def __str__(self) -> str:
        from inductiva.tasks.report import render

        return render(self)

    __repr__ = __str__
