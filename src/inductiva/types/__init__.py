"""Types for annotations."""

from inductiva.commands import Command
from inductiva.resources import ElasticMachineGroup, MachineGroup, MPICluster

ComputationalResources = MachineGroup | ElasticMachineGroup | MPICluster
Commands = list[str | Command]

__all__ = ["Commands", "ComputationalResources"]
