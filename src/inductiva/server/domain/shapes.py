"""What a machine type means on this computer: its shape, its price, and what the user should know."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from inductiva.catalogue import machines
from inductiva.protocol.compute import RegisterGroupRequest
from inductiva.server import problems

MAX_MACHINES = 64
"""Machines of a group: here each is a process of one computer."""


@dataclass(frozen=True, slots=True)
class Host:
    """The computer that the server runs on."""

    name: str
    cpus_logical: int
    cpus_physical: int
    ram_gb: float


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a machine group that its machine type decides."""

    machine_type: str
    zone: str
    cpu_cores_logical: int
    cpu_cores_physical: int
    ram_gb: float
    gpu_count: int | None
    gpu_name: str | None
    list_price: float
    notices: list[str]


def lookup(name: str) -> machines.MachineShape:
    """A machine type of the catalogue. Raises Invalid with the names that are close."""
    types = machines.load()
    shape = types.get(name)
    if shape is None:
        close = types.close_matches(name)
        hint = f"did you mean {', '.join(close)}?" if close else "'inductiva resources available' shows all"
        raise problems.Invalid(f"there is no machine type {name!r}; {hint}")
    return shape


def of_type(host: Host, request: RegisterGroupRequest, count: int) -> Shape:
    """The shape of a machine type, and a notice where this computer is smaller."""
    if not request.machine_type:
        raise problems.Invalid("machine_type is missing; for instance 'c2-standard-4'")
    shape = lookup(request.machine_type)
    threads = request.threads_per_core or shape.threads_per_core
    vcpus = max(1, shape.vcpus * threads // shape.threads_per_core)
    return Shape(
        machine_type=shape.name,
        zone=request.zone or shape.zone,
        cpu_cores_logical=vcpus,
        cpu_cores_physical=max(1, vcpus // threads),
        ram_gb=shape.ram_gb,
        gpu_count=None,
        gpu_name=None,
        list_price=shape.spot_price if request.spot else shape.on_demand_price,
        notices=_notices(host, shape, count),
    )


def _notices(host: Host, shape: machines.MachineShape, count: int) -> list[str]:
    notices = []
    if host.cpus_logical < shape.vcpus * count or host.ram_gb < shape.ram_gb * count * 0.9:
        wanted = f"{count} x {shape.name}" if count > 1 else shape.name
        notices.append(
            f"{wanted} stands for {shape.vcpus * count} vCPUs and {shape.ram_gb * count:g} GB of memory; this computer "
            f"({host.name}) has {host.cpus_logical} and {host.ram_gb:.0f} GB. Tasks run here with what there is."
        )
    return notices


def of_host(host: Host, request: RegisterGroupRequest) -> Shape:
    """The shape of machines that join by themselves, as far as the request says."""
    return Shape(
        machine_type=request.machine_type or "n/a",
        zone=request.zone or "local",
        cpu_cores_logical=request.cpu_cores_logical or host.cpus_logical,
        cpu_cores_physical=request.cpu_cores_physical or host.cpus_physical,
        ram_gb=host.ram_gb,
        gpu_count=request.gpu_count,
        gpu_name=request.gpu_name,
        list_price=0.0,
        notices=[],
    )
