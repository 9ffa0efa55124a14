"""Tasks on the REST wire. Field names are those of the published protocol."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from inductiva.protocol.status import TaskStatusCode
from inductiva.protocol.times import Timestamp


class CompressionMethod(StrEnum):
    AUTO = "AUTO"
    SEVEN_Z = "SEVEN_Z"


class OperationName(StrEnum):
    EXEC_COMMAND = "exec_command"
    DOWNLOAD_CONTAINER = "download_container"
    DOWNLOAD_INPUT = "download_input"
    UNCOMPRESS_INPUT = "uncompress_input"
    COMPRESS_OUTPUT = "compress_output"
    UPLOAD_OUTPUT = "upload_output"


OPERATION_ALIASES: dict[OperationName, str] = {
    OperationName.EXEC_COMMAND: "Execute command",
    OperationName.DOWNLOAD_CONTAINER: "Prepare simulator",
    OperationName.DOWNLOAD_INPUT: "Download input",
    OperationName.UNCOMPRESS_INPUT: "Unpack input",
    OperationName.COMPRESS_OUTPUT: "Pack output",
    OperationName.UPLOAD_OUTPUT: "Upload output",
}


class OperationStatus(StrEnum):
    RUNNING = "RUNNING"
    OK = "OK"
    FAILED = "FAILED"


class TaskRequest(msgspec.Struct):
    """Body of `POST /tasks/submit`. An `Idempotency-Key` header makes sending it again harmless."""

    simulator: str
    resource_pool: str
    extra_params: dict[str, Any] = {}
    simulator_name_alias: str | None = None
    storage_path_prefix: str | None = ""
    project: str | None = None
    container_image: str | None = None
    time_to_live_seconds: float | None = None
    resubmit_on_preemption: bool = False
    input_resources: list[str] | None = None
    stream_zip: bool | None = True
    compress_with: CompressionMethod | None = CompressionMethod.AUTO


class TaskPositionInQueue(msgspec.Struct):
    tasks_ahead: int


class OrchestrationFee(msgspec.Struct):
    amount: float
    charged: bool
    currency: str = "USD"


class TaskSubmittedInfo(msgspec.Struct):
    id: str
    status: TaskStatusCode
    is_terminated: bool
    position_in_queue: TaskPositionInQueue | None = None
    storage_region: str | None = None
    time_to_live_seconds: float | None = None
    orchestration_fee: OrchestrationFee | None = None
    input_upload_url: str | None = None
    """Where to PUT the input archive. Only this server tells; without it, ask `GET /storage/signed-urls`."""


class TaskStatus(msgspec.Struct):
    id: str
    status: TaskStatusCode
    is_terminated: bool
    position_in_queue: TaskPositionInQueue | None = None


class TaskMetrics(msgspec.Struct):
    """Seconds and bytes of each phase; None until known."""

    total_seconds: float | None = None
    container_image_download_seconds: float | None = None
    container_image_size_bytes: int | None = None
    queue_time_seconds: float | None = None
    computation_seconds: float | None = None
    input_upload_seconds: float | None = None
    input_download_seconds: float | None = None
    input_decompression_seconds: float | None = None
    output_upload_seconds: float | None = None
    input_zipped_size_bytes: int | None = None
    input_size_bytes: int | None = None
    output_total_files: int | None = None
    output_size_bytes: int | None = None
    output_zipped_size_bytes: int | None = None
    output_compression_seconds: float | None = None


class Executer(msgspec.Struct):
    """The machine that runs or ran a task. `memory` in bytes."""

    uuid: str
    cpu_count_logical: int
    cpu_count_physical: int
    memory: int
    n_mpi_hosts: int
    vm_type: str
    host_type: str
    vm_name: str | None = None
    error_detail: str | None = None


class TaskOperation(msgspec.Struct):
    name: OperationName
    alias: str
    start_timestamp: Timestamp
    status: OperationStatus
    attributes: dict[str, Any]
    end_timestamp: Timestamp | None = None


class TaskStatusInfo(msgspec.Struct):
    """One entry of a task's timeline."""

    status: TaskStatusCode
    timestamp: Timestamp
    description: str
    alias: str
    operations: list[TaskOperation]
    machine_id: str | None = None
    end_timestamp: Timestamp | None = None


class TaskMachineOperation(msgspec.Struct):
    machine_id: str
    type: str
    start_timestamp: Timestamp
    description: str
    info: dict[str, Any]
    end_timestamp: Timestamp | None = None


class TaskStep(msgspec.Struct):
    type: str
    start_timestamp: Timestamp
    duration: float | None = None


class Task(msgspec.Struct, kw_only=True):
    """A task in a list."""

    task_id: str
    status: TaskStatusCode
    status_alias: str
    simulator: str
    project: str
    is_terminated: bool
    num_retries: int
    storage_path: str | None = None
    storage_input_path: str | None = None
    storage_output_path: str | None = None
    storage_region: str | None = None
    container_image: str | None = None
    create_time: Timestamp | None = None
    input_submit_time: Timestamp | None = None
    start_time: Timestamp | None = None
    computation_start_time: Timestamp | None = None
    computation_end_time: Timestamp | None = None
    end_time: Timestamp | None = None
    estimated_computation_cost: float | None = None
    metrics: TaskMetrics = msgspec.field(default_factory=TaskMetrics)
    executer: Executer | None = None
    machine_group_name: str | None = None
    machine_group_id: str | None = None
    error_detail: str | None = None
    input_resources: list[str] | None = None
    stream_zip: bool = True
    compress_with: CompressionMethod | None = None
    task_metadata: dict[str, str] | None = None
    extra_params: dict[str, Any] | None = None
    resubmit_on_preemption: bool = False
    duration_seconds: float | None = None
    orchestration_fee: OrchestrationFee | None = None


class TaskWithStatusHistory(Task, kw_only=True):
    """One task with its whole timeline, `GET /tasks/{id}`."""

    status_history: list[TaskStatusInfo]
    machine_operations: list[TaskMachineOperation] = []
    steps: list[TaskStep] | None = None


class TaskWithPagination(msgspec.Struct):
    total_size: int
    tasks: list[Task]
