"""Machine groups: machines with a queue of their own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple, Self

from inductiva import logs
from inductiva.api import compute, users
from inductiva.api.errors import ApiException
from inductiva.commands.mpi import MPIConfig
from inductiva.protocol import compute as wire
from inductiva.protocol.compute import MachineGroupStatus, MachineGroupType, Provider
from inductiva.protocol.times import from_wire, to_wire
from inductiva.resources import text, validation
from inductiva.resources.utils import provider_of
from inductiva.utils.format_utils import seconds_formatter

FREE_SPACE_THRESHOLD_GB = 5
QUOTA_POLL_SECONDS = 60.0
_NEVER_YEAR = 9999


class VCPUCount(NamedTuple):
    """Virtual CPUs of a group (of an elastic one when it is largest) and of each machine."""

    total: int
    per_machine: int


@dataclass(eq=False, repr=False)
class Group:
    """What all machine groups have in common. Making one registers it at the server; `start()` starts its machines.

    `max_idle_time` (minutes or timedelta, None for no limit) ends the group when nothing has run for so long;
    `auto_terminate_minutes` or `auto_terminate_ts` (aware) end it then in any case. Raises ValueError for an argument
    that cannot be, ApiException when the server refuses the group.
    """

    machine_type: str
    zone: str | None = None
    provider: str = "GCP"
    threads_per_core: int = 2
    data_disk_gb: int = 10
    max_idle_time: int | timedelta | None = 3
    auto_terminate_ts: datetime | None = None
    auto_terminate_minutes: float | None = None
    spot: bool = True
    mpi_config: MPIConfig | None = None
    mpi_version: str = "4.1.6"
    np: int | None = None
    use_hwthread_cpus: bool = True

    label: ClassVar[str] = "Machine Group"
    is_elastic: ClassVar[bool] = False
    allow_auto_start: ClassVar[bool] = True

    def __post_init__(self) -> None:
        validation.machine_type(self.machine_type)
        validation.threads_per_core(self.threads_per_core)
        self.provider = provider_of(self.provider)
        self.max_idle_time = validation.idle_time(self.max_idle_time)
        self.auto_terminate_ts = validation.end(self.auto_terminate_ts, self.auto_terminate_minutes)
        self._check_size()
        self._take(compute.register(self._request()))
        logs.teller()(text.banner(self))

    def _check_size(self) -> None:
        raise NotImplementedError

    def _size(self) -> dict[str, Any]:
        """The fields of the register request that say how many machines."""
        raise NotImplementedError

    @property
    def auto_resize_gb(self) -> int | None:
        """Up to what size the disk grows by itself; None when it does not."""
        size: int | None = getattr(self, "auto_resize_disk_max_gb", None)
        return size

    def _request(self) -> wire.RegisterGroupRequest:
        idle = validation.idle_time(self.max_idle_time)
        growth = self.auto_resize_gb
        return wire.RegisterGroupRequest(
            provider_id=Provider(self.provider),
            machine_type=self.machine_type,
            zone=self.zone,
            threads_per_core=self.threads_per_core,
            disk_size_gb=self.data_disk_gb,
            max_idle_time=None if idle is None else idle.total_seconds(),
            auto_terminate_ts=None if self.auto_terminate_ts is None else to_wire(self.auto_terminate_ts.timestamp()),
            spot=self.spot,
            is_elastic=self.is_elastic,
            dynamic_disk_resize_config=None
            if growth is None
            else wire.DynamicDiskResizeConfig(FREE_SPACE_THRESHOLD_GB, growth),
            **self._size(),
        )

    @classmethod
    def from_api_response(cls, resp: wire.MachineGroup) -> Self:
        """The group that the server describes."""
        group = object.__new__(cls)
        group._take(resp)
        return group

    def _take(self, given: wire.MachineGroup) -> None:
        """Become what the server says."""
        self.id, self.name = given.id, given.name
        self.machine_type, self.zone = given.machine_type, given.zone
        self.provider, self.spot = given.provider_id, given.spot
        self.status, self.started = given.status, given.started
        self.threads_per_core = given.threads_per_core or self.threads_per_core
        self.data_disk_gb = given.disk_size_gb or self.data_disk_gb
        self.total_ram_gb = given.total_ram_gb
        self.active_machines, self.min_vms, self.max_vms = given.num_vms, given.min_vms, given.max_vms
        self.quota_usage = given.quota_usage
        self.cost_per_hour = given.cost_per_hour
        self.machines = given.machines
        self.notices = given.notices
        self.cpu_info, self.gpu_info = given.cpu_info, given.gpu_info
        self.max_idle_time = None if given.max_idle_time is None else timedelta(seconds=given.max_idle_time)
        self.idle_time = None if given.idle_seconds is None else timedelta(seconds=given.idle_seconds)
        self.auto_terminate_ts = _moment(given.auto_terminate_ts)
        self.create_time = _moment(given.creation_timestamp)
        self._take_size(given)

    def _take_size(self, given: wire.MachineGroup) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f'{self.short_name()}(name="{self.name}")'

    def __str__(self) -> str:
        return f"{self.label} {self.name}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def short_name(self) -> str:
        """The name of the class."""
        return type(self).__name__

    def active_machines_to_str(self) -> str:
        """Running machines of all, as `1/1`."""
        return f"{self.active_machines}/{self.max_vms}"

    # Processors

    @property
    def n_vcpus(self) -> VCPUCount:
        """Virtual CPUs in total and of each machine."""
        per_machine = self.cpu_info.cpu_cores_logical
        return VCPUCount(per_machine * self.max_vms, per_machine)

    @property
    def available_vcpus(self) -> int:
        """Virtual CPUs that one task can use."""
        return self.n_vcpus.per_machine

    def get_available_mpi_slots(self, use_hwthread: bool | None = None) -> int:
        """MPI processes that one task can run: one a hardware thread, or one a core when those are not used."""
        use = self.use_hwthread_cpus if use_hwthread is None else use_hwthread
        threads = 1 if use else self.threads_per_core
        return max(1, self.available_vcpus // threads)

    def has_gpu(self) -> bool:
        return self.gpu_count() > 0

    def gpu_count(self) -> int:
        """GPUs that one task can use."""
        return 0 if self.gpu_info is None else self.gpu_info.gpu_count

    def set_mpi_config(
        self,
        mpi_config: MPIConfig | None = None,
        mpi_version: str = "4.1.6",
        np: int | None = None,
        use_hwthread_cpus: bool = True,
    ) -> None:
        """How commands run under MPI here: a whole configuration, or version, processes and use of threads."""
        self.mpi_config, self.mpi_version = mpi_config, mpi_version
        self.np, self.use_hwthread_cpus = np, use_hwthread_cpus

    def get_mpi_config(self) -> MPIConfig:
        """How commands run under MPI here; `np` is `available_vcpus` unless it was set."""
        if self.mpi_config is not None:
            return self.mpi_config
        np = self.available_vcpus if self.np is None else self.np
        return MPIConfig(self.mpi_version, np=np, use_hwthread_cpus=self.use_hwthread_cpus)

    # Starting and ending

    def can_start_resource(self) -> bool:
        """Whether the account's quotas leave room for this group."""
        quotas = users.quotas()
        own = {**self.quota_usage, "max_price_hour": self.cost_per_hour.max}
        for name in ("max_price_hour", "max_vcpus", "max_instances"):
            quota = quotas.get(name)
            if quota is None or quota.max_allowed is None:
                continue
            if (quota.in_use or 0.0) + own.get(name, 0.0) > quota.max_allowed:
                return False
        return True

    def start(self, wait_for_quotas: bool = False, verbose: bool = True) -> bool | None:
        """Start the machines. Returns True when they run, None when they did already.

        `wait_for_quotas` looks once a minute until the account's quotas leave room.
        """
        if self.started:
            logs.teller(verbose)(f"{self} is already started.")
            return None
        while wait_for_quotas and not self.can_start_resource():
            logs.teller(verbose)("Waiting for the account's quotas to leave room for the group...")
            time.sleep(QUOTA_POLL_SECONDS)
        tell = logs.teller(verbose)
        # What costs nothing runs on this computer, where nobody has to be told to be patient.
        tell(f"Starting {self!r}.{' This may take a few minutes.' if self.cost_per_hour.max else ''}")
        begun = time.monotonic()
        compute.start(self.id)
        self.started, self.status = True, MachineGroupStatus.STARTED
        self.active_machines = self.min_vms if self.is_elastic else self.max_vms
        tell(f"{self} successfully started in {seconds_formatter(time.monotonic() - begun)}.")
        if verbose:
            self._tell_quotas("used by resource")
        return True

    def terminate(self, verbose: bool = True) -> bool | None:
        """End the group and its machines: what waits in its queue ends, what runs is stopped and stored.

        Returns True, None when the group was not started.
        """
        if not self.started:
            logs.warn(f"{self} is not started, so there is nothing to terminate.")
            return None
        compute.terminate(self.id)
        self.started, self.status, self.active_machines = False, MachineGroupStatus.SHUTTING_DOWN, 0
        logs.teller(verbose)(f"Termination of {self} requested.")
        if verbose:
            self._tell_quotas("freed by resource")
        return True

    def _tell_quotas(self, header: str) -> None:
        if self.provider is Provider.LOCAL or not any(self.quota_usage.values()):
            return
        try:
            quotas = users.quotas()
        except ApiException as error:
            logs.warn(f"The account's quotas could not be read: {error}")
            return
        if any(quota.max_allowed is not None for name, quota in quotas.items() if name in self.quota_usage):
            logs.teller()(text.quota_table(self.quota_usage, quotas, header))

    def quota_usage_table_str(self, header: str) -> str:
        """The account's quotas and the group's share of them, as a table."""
        try:
            return text.quota_table(self.quota_usage, users.quotas(), header)
        except ApiException as error:
            return f"The account's quotas could not be read: {error}"

    def estimate_cloud_cost(self, verbose: bool = True) -> float:
        """US dollars an hour, of an elastic group when it is largest."""
        logs.teller(verbose)("\n".join(text.cost_lines(self)))
        return self.cost_per_hour.max


def _moment(given: str | None) -> datetime | None:
    """A time of the wire; one in the year 9999 means never."""
    moment = None if given is None else from_wire(given)
    return None if moment is None or moment.year >= _NEVER_YEAR else moment


@dataclass(eq=False, repr=False)
class MachineGroup(Group):
    """A fixed number of machines that share a queue; each task runs on one of them.

    `byoc=True` registers machines of your own (provider LOCAL), under the name `mg_name` if given: they join with
    `inductiva task-runner launch NAME`.
    """

    byoc: bool = False
    mg_name: str | None = None
    auto_resize_disk_max_gb: int | None = None
    num_machines: int = 1

    def _check_size(self) -> None:
        validation.count("num_machines", self.num_machines, 1)
        validation.disk(self.data_disk_gb, self.auto_resize_disk_max_gb)
        validation.own_machines(self.byoc, self.mg_name, self.num_machines, self.auto_resize_disk_max_gb)
        if self.byoc:
            self.provider = Provider.LOCAL

    def _size(self) -> dict[str, Any]:
        return {"num_vms": self.num_machines, "name": self.mg_name}

    def _take_size(self, given: wire.MachineGroup) -> None:
        self.num_machines = given.max_vms
        growth = given.dynamic_disk_resize_config
        self.auto_resize_disk_max_gb = None if growth is None else growth.max_disk_size_gb


@dataclass(eq=False, repr=False)
class ElasticMachineGroup(Group):
    """Machines that come and go with the length of their queue, from `min_machines` to `max_machines`."""

    label = "Elastic Machine Group"
    is_elastic = True

    auto_resize_disk_max_gb: int | None = None
    min_machines: int = 1
    max_machines: int = 2

    def _check_size(self) -> None:
        validation.elastic(self.min_machines, self.max_machines)
        validation.disk(self.data_disk_gb, self.auto_resize_disk_max_gb)

    def _size(self) -> dict[str, Any]:
        return {"num_vms": self.min_machines, "min_vms": self.min_machines, "max_vms": self.max_machines}

    def _take_size(self, given: wire.MachineGroup) -> None:
        self.min_machines, self.max_machines = given.min_vms, given.max_vms
        growth = given.dynamic_disk_resize_config
        self.auto_resize_disk_max_gb = None if growth is None else growth.max_disk_size_gb

    def active_machines_to_str(self) -> str:
        return f"{self.active_machines}/{self.max_vms} (max)"


@dataclass(eq=False, repr=False)
class MPICluster(Group):
    """Machines that work together on one task by MPI."""

    label = "MPI Cluster"

    num_machines: int = 2

    def _check_size(self) -> None:
        validation.count("num_machines", self.num_machines, 1)
        validation.disk(self.data_disk_gb)

    def _size(self) -> dict[str, Any]:
        return {"num_vms": self.num_machines, "type": MachineGroupType.MPI}

    def _take_size(self, given: wire.MachineGroup) -> None:
        self.num_machines = given.max_vms

    @property
    def available_vcpus(self) -> int:
        return self.n_vcpus.total

    def gpu_count(self) -> int:
        return super().gpu_count() * self.num_machines
