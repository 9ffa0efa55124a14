"""Finding machine groups."""

from __future__ import annotations

from inductiva.api import compute
from inductiva.protocol import compute as wire
from inductiva.protocol.compute import MachineGroupType
from inductiva.resources.groups import ElasticMachineGroup, MachineGroup, MPICluster

AnyGroup = MachineGroup | ElasticMachineGroup | MPICluster

__all__ = ["get", "get_by_name"]


def from_wire(given: wire.MachineGroup) -> AnyGroup:
    """A group as the object of its class."""
    if given.type is MachineGroupType.MPI:
        return MPICluster.from_api_response(given)
    if given.is_elastic or given.type is MachineGroupType.ELASTIC:
        return ElasticMachineGroup.from_api_response(given)
    return MachineGroup.from_api_response(given)


def get() -> list[AnyGroup]:
    """The account's active machine groups."""
    return [from_wire(given) for given in compute.groups()]


def get_by_name(machine_name: str) -> AnyGroup:
    """The machine group of this name, with its `machines`. Raises `NotFoundException` when there is none."""
    return from_wire(compute.group(machine_name))
