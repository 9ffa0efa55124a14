"""Machines to run on."""

from inductiva.resources import machine_groups, utils
from inductiva.resources.groups import ElasticMachineGroup, MachineGroup, MPICluster
from inductiva.resources.machine_groups import get
from inductiva.resources.machine_types import MachineTypeInfo, estimate_machine_cost, get_available_machine_types

__all__ = [
    "ElasticMachineGroup",
    "MPICluster",
    "MachineGroup",
    "MachineTypeInfo",
    "estimate_machine_cost",
    "get",
    "get_available_machine_types",
    "machine_groups",
    "utils",
]
