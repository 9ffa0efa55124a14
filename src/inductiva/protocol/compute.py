"""Machine groups on the REST wire."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from inductiva.protocol.times import Timestamp


class MachineGroupType(StrEnum):
    STANDARD = "standard"
    MPI = "mpi"
    ELASTIC = "elastic"


class MachineGroupStatus(StrEnum):
    REGISTERED = "registered"
    STARTING = "starting"
    START_FAILED = "start_failed"
    STARTED = "started"
    SHUTTING_DOWN = "shutting_down"
    SHUTDOWN_FAILED = "shutdown_failed"
    TERMINATED = "terminated"


class Provider(StrEnum):
    GCP = "GCP"
    LOCAL = "LOCAL"


class DynamicDiskResizeConfig(msgspec.Struct):
    free_space_threshold_gb: int
    max_disk_size_gb: int


class RegisterGroupRequest(msgspec.Struct, kw_only=True):
    """Body of `POST /compute/group`. `max_idle_time` in seconds."""

    provider_id: Provider = Provider.GCP
    machine_type: str | None = None
    name: str | None = None
    type: MachineGroupType | None = None
    num_vms: int | None = None
    min_vms: int | None = None
    max_vms: int | None = None
    is_elastic: bool = False
    spot: bool = False
    zone: str | None = None
    threads_per_core: int | None = None
    disk_size_gb: float | None = None
    max_idle_time: float | None = None
    auto_terminate_ts: Timestamp | None = None
    dynamic_disk_resize_config: DynamicDiskResizeConfig | None = None
    custom_vm_image: str | None = None
    cpu_cores_logical: int | None = None
    cpu_cores_physical: int | None = None
    gpu_count: int | None = None
    gpu_name: str | None = None


class MachineInfo(msgspec.Struct, kw_only=True):
    """One machine of a group."""

    uuid: str
    cpu_count_logical: int
    cpu_count_physical: int
    memory_bytes: int
    host_name: str | None = None
    started_at: Timestamp | None = None
    terminated_at: Timestamp | None = None
    last_seen_at: Timestamp | None = None
    current_task_id: str | None = None
    disk_size_gb: float | None = None


class CPUInfo(msgspec.Struct):
    cpu_cores_logical: int
    cpu_cores_physical: int


class GPUInfo(msgspec.Struct):
    gpu_count: int
    gpu_name: str


class CostPerHour(msgspec.Struct, kw_only=True):
    """US dollars an hour."""

    min: float
    max: float
    min_reason: str
    max_reason: str
    current: float | None = None
    currency: str = "USD"


class MachineGroup(msgspec.Struct, kw_only=True):
    """A machine group (the published client calls this shape VMGroupConfig)."""

    id: str
    name: str
    zone: str
    machine_type: str
    provider_id: Provider
    type: MachineGroupType
    status: MachineGroupStatus
    started: bool
    spot: bool
    is_elastic: bool
    num_vms: int
    min_vms: int
    max_vms: int
    quota_usage: dict[str, float]
    cost_per_hour: CostPerHour
    cpu_info: CPUInfo
    machines: list[MachineInfo] = []
    gpu_info: GPUInfo | None = None
    threads_per_core: int | None = None
    disk_size_gb: int | None = None
    total_ram_gb: int | None = None
    max_idle_time: float | None = None
    idle_seconds: int | None = None
    auto_terminate_ts: Timestamp | None = None
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    dynamic_disk_resize_config: DynamicDiskResizeConfig | None = None
    custom_vm_image: str | None = None
    provider_description: str | None = None
    notices: list[str] = []
    """What the user should know, such as a machine that is smaller than the type asked for (ours; others ignore it)."""


class MachinePrice(msgspec.Struct):
    """US dollars an hour."""

    on_demand_price: float
    preemptible_price: float
