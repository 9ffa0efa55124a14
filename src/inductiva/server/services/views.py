"""Rows as the structs of the REST protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select

from inductiva.protocol.compute import (
    CostPerHour,
    CPUInfo,
    DynamicDiskResizeConfig,
    GPUInfo,
    MachineGroup,
    MachineGroupStatus,
    MachineGroupType,
    MachineInfo,
    Provider,
)
from inductiva.protocol.status import STATUSES, TaskStatusCode
from inductiva.protocol.tasks import (
    OPERATION_ALIASES,
    CompressionMethod,
    Executer,
    OperationName,
    OperationStatus,
    OrchestrationFee,
    Task,
    TaskMetrics,
    TaskOperation,
    TaskPositionInQueue,
    TaskStatus,
    TaskStatusInfo,
    TaskWithStatusHistory,
)
from inductiva.protocol.times import to_wire
from inductiva.server.db.schema import machine_groups, machines, projects, task_events, task_operations, tasks
from inductiva.server.services.queue import tasks_ahead
from inductiva.server.services.tasks import input_path, metadata_of, output_path

REGION = "local"
Row = Mapping[str, Any]

QUERY: Select[Any] = (
    select(
        tasks,
        projects.c.name.label("project_name"),
        machine_groups.c.name.label("group_name"),
        machine_groups.c.machine_type,
        machine_groups.c.provider_id,
        machines.c.cpu_count_logical,
        machines.c.cpu_count_physical,
        machines.c.memory_bytes,
        machines.c.host_name,
    )
    .join(projects, projects.c.id == tasks.c.project_id)
    .join(machine_groups, machine_groups.c.id == tasks.c.group_id)
    .outerjoin(machines, machines.c.id == tasks.c.runner_id)
)
"""What `task_fields` needs of a task."""

FREE = OrchestrationFee(amount=0.0, charged=False)


def position(connection: Connection, row: Row) -> TaskPositionInQueue | None:
    """How many are ahead of a task that is in the queue."""
    if row["status"] != TaskStatusCode.SUBMITTED:
        return None
    return TaskPositionInQueue(tasks_ahead(connection, row["group_id"], row["queue_seq"]))


def task_status(connection: Connection, row: Row) -> TaskStatus:
    status = TaskStatusCode(row["status"])
    return TaskStatus(row["id"], status, STATUSES[status].terminal, position(connection, row))


def _seconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)


def metrics(row: Row) -> TaskMetrics:
    """What the runner measured, and what follows from the timestamps."""
    derived = {
        "total_seconds": _seconds(row["created_at"], row["ended_at"]),
        "queue_time_seconds": _seconds(row["input_submitted_at"], row["started_at"]),
        "computation_seconds": _seconds(row["computation_started_at"], row["computation_ended_at"]),
    }
    known = {name: value for name, value in derived.items() if value is not None} | row["metrics"]
    return msgspec.convert(known, TaskMetrics, strict=False)


def executer(row: Row) -> Executer | None:
    """The machine of a task; None until one has taken it."""
    if row["runner_id"] is None:
        return None
    joined = row["provider_id"] == Provider.LOCAL
    return Executer(
        uuid=row["runner_id"],
        cpu_count_logical=row["cpu_count_logical"] or 0,
        cpu_count_physical=row["cpu_count_physical"] or 0,
        memory=row["memory_bytes"] or 0,
        n_mpi_hosts=1,
        vm_type="n/a" if joined else row["machine_type"],
        vm_name=f"{row['group_name']}-{row['runner_id'].partition('-')[0]}",
        host_type=row["provider_id"],
        error_detail=row["error_detail"],
    )


def task_fields(row: Row, metadata: dict[str, str]) -> dict[str, Any]:
    """The fields of a `Task`."""
    status = TaskStatusCode(row["status"])
    info = STATUSES[status]
    return {
        "task_id": row["id"],
        "status": status,
        "status_alias": info.alias,
        "simulator": row["simulator"],
        "project": row["project_name"],
        "is_terminated": info.terminal,
        "num_retries": row["num_retries"],
        "storage_path": row["storage_path"],
        "storage_input_path": input_path(row),
        "storage_output_path": output_path(row),
        "storage_region": REGION,
        "container_image": row["container_image"],
        "create_time": to_wire(row["created_at"]),
        "input_submit_time": to_wire(row["input_submitted_at"]),
        "start_time": to_wire(row["started_at"]),
        "computation_start_time": to_wire(row["computation_started_at"]),
        "computation_end_time": to_wire(row["computation_ended_at"]),
        "end_time": to_wire(row["ended_at"]),
        "estimated_computation_cost": 0.0,
        "metrics": metrics(row),
        "executer": executer(row),
        "machine_group_name": row["group_name"],
        "machine_group_id": row["group_id"],
        "error_detail": row["error_detail"],
        "input_resources": row["input_resources"] or [],
        "stream_zip": row["stream_zip"],
        "compress_with": CompressionMethod(row["compress_with"]) if row["compress_with"] else None,
        "task_metadata": metadata,
        "extra_params": row["extra_params"],
        "resubmit_on_preemption": row["resubmit_on_preemption"],
        "duration_seconds": _seconds(row["started_at"], row["ended_at"]),
        "orchestration_fee": FREE,
    }


def task(row: Row, metadata: dict[str, str]) -> Task:
    return Task(**task_fields(row, metadata))


def find(connection: Connection, task_id: str) -> Row:
    """The row of an existing task with what `task_fields` needs."""
    return dict(connection.execute(QUERY.where(tasks.c.id == task_id)).mappings().one())


def task_with_history(connection: Connection, row: Row) -> TaskWithStatusHistory:
    """A task with its timeline, read from its event log."""
    fields = task_fields(row, metadata_of(connection, row["id"]))
    return TaskWithStatusHistory(**fields, status_history=_history(connection, row))


def _history(connection: Connection, row: Row) -> list[TaskStatusInfo]:
    events = connection.execute(
        select(task_events).where(task_events.c.task_id == row["id"]).order_by(task_events.c.seq)
    ).mappings()
    history = [_entry(TaskStatusCode.PENDING_INPUT, row["created_at"], None)]
    starts = [row["created_at"]]
    for event in events:
        if event["status"] == history[-1].status:
            continue
        history[-1].end_timestamp = to_wire(event["time"])
        history.append(_entry(TaskStatusCode(event["status"]), event["time"], event["machine_id"]))
        starts.append(event["time"])
    for operation in _operations(connection, row["id"]):
        # An operation belongs to the status in which it began.
        index = max((i for i, start in enumerate(starts) if start <= operation["started_at"]), default=0)
        history[index].operations.append(_operation(operation))
    return history


def _entry(status: TaskStatusCode, time: float, machine_id: str | None) -> TaskStatusInfo:
    info = STATUSES[status]
    return TaskStatusInfo(
        status=status,
        timestamp=to_wire(time) or "",
        description=info.description,
        alias=info.alias,
        operations=[],
        machine_id=machine_id,
    )


def _operations(connection: Connection, task_id: str) -> Sequence[Row]:
    query = select(task_operations).where(task_operations.c.task_id == task_id)
    rows = connection.execute(query.order_by(task_operations.c.attempt, task_operations.c.started_at)).mappings()
    return [dict(row) for row in rows]


def _operation(row: Row) -> TaskOperation:
    name = OperationName(row["name"])
    return TaskOperation(
        name=name,
        alias=OPERATION_ALIASES[name],
        start_timestamp=to_wire(row["started_at"]) or "",
        status=OperationStatus(row["status"]),
        attributes=row["attributes"],
        end_timestamp=to_wire(row["ended_at"]),
    )


def group(
    row: Row, machine_rows: Sequence[Row], current: Mapping[str, str], idle_seconds: float | None
) -> MachineGroup:
    """A machine group. `current`: task id by machine id; `idle_seconds` None while it has something to do."""
    open_machines = [machine for machine in machine_rows if machine["terminated_at"] is None]
    started = row["status"] == MachineGroupStatus.STARTED
    price = row["list_price"]
    reason = f"This computer's machines cost nothing (list price of {row['machine_type']}: {price:g} US$ an hour)"
    resize = row["dynamic_disk_resize_config"]
    return MachineGroup(
        id=row["id"],
        name=row["name"],
        zone=row["zone"],
        machine_type=row["machine_type"],
        provider_id=Provider(row["provider_id"]),
        type=MachineGroupType(row["type"]),
        status=MachineGroupStatus(row["status"]),
        started=started,
        spot=row["spot"],
        is_elastic=row["is_elastic"],
        num_vms=len(open_machines) if started and open_machines else row["num_vms"],
        min_vms=row["min_vms"],
        max_vms=row["max_vms"],
        quota_usage={
            "max_price_hour": 0.0,
            "max_vcpus": float(row["cpu_cores_logical"] * row["max_vms"]),
            "max_instances": float(row["max_vms"]),
        },
        cost_per_hour=CostPerHour(min=0.0, max=0.0, min_reason=reason, max_reason=reason, current=0.0),
        cpu_info=CPUInfo(row["cpu_cores_logical"], row["cpu_cores_physical"]),
        gpu_info=GPUInfo(row["gpu_count"], row["gpu_name"] or "unknown") if row["gpu_count"] else None,
        machines=[_machine(machine, current.get(machine["id"])) for machine in machine_rows],
        threads_per_core=row["threads_per_core"],
        disk_size_gb=None if row["disk_size_gb"] is None else int(row["disk_size_gb"]),
        total_ram_gb=None if row["ram_gb"] is None else int(row["ram_gb"]),
        max_idle_time=row["max_idle_time"],
        idle_seconds=None if idle_seconds is None else int(idle_seconds),
        auto_terminate_ts=to_wire(row["auto_terminate_at"]),
        creation_timestamp=to_wire(row["created_at"]),
        deletion_timestamp=to_wire(row["terminated_at"]),
        dynamic_disk_resize_config=msgspec.convert(resize, DynamicDiskResizeConfig) if resize else None,
        custom_vm_image=row["custom_vm_image"],
        provider_description="This computer",
        notices=row["notices"],
    )


def _machine(row: Row, current_task: str | None) -> MachineInfo:
    return MachineInfo(
        uuid=row["id"],
        cpu_count_logical=row["cpu_count_logical"] or 0,
        cpu_count_physical=row["cpu_count_physical"] or 0,
        memory_bytes=row["memory_bytes"] or 0,
        host_name=row["host_name"],
        started_at=to_wire(row["started_at"]),
        terminated_at=to_wire(row["terminated_at"]),
        last_seen_at=to_wire(row["last_seen_at"]),
        current_task_id=current_task,
    )
