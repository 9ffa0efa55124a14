"""What a simulation runs."""

from inductiva.commands.command import Command
from inductiva.commands.mpi import MPIConfig

__all__ = ["Command", "MPIConfig"]
