"""Any program in a container image of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from inductiva.simulators.options import CommandList, InputDir, RunOptions
from inductiva.simulators.simulator import PROTOCOL, Device, Simulator
from inductiva.tasks.task import Task

if TYPE_CHECKING:
    from inductiva.types import ComputationalResources

_SCHEMES = ("docker://", "inductiva://")


class CustomImage(Simulator):
    """An image by its address: `docker://user/image:tag`, or `inductiva://folder/file.sif` in your storage.

    Raises ValueError for anything else.
    """

    supports_mpi_cluster = True

    def __init__(self, container_image: str) -> None:
        given: object = container_image
        if not isinstance(given, str) or not given.startswith(_SCHEMES):
            raise ValueError(
                f"container_image must begin with {' or '.join(_SCHEMES)}, such as 'docker://user/image:tag'; "
                f"it is {container_image!r}"
            )
        self.simulator = PROTOCOL
        self.simulator_name_alias = None
        self.container_image = container_image
        self._listed, self._device = [], Device.CPU

    @property
    def version(self) -> str | None:
        """An image has no version but its address."""
        return None

    @property
    def name(self) -> str:
        return "Custom Image"

    def run(
        self,
        input_dir: InputDir,
        commands: CommandList,
        *,
        on: ComputationalResources,
        **options: Unpack[RunOptions],
    ) -> Task:
        """Run `commands` (texts or `Command`s) one after the other on the machine group `on`. Returns at once.

        The first that fails ends the run. Options are those of `RunOptions`. Raises ValueError, FileNotFoundError for
        input that cannot be, ApiException when the server refuses the task.
        """
        return self._submit(input_dir, _listed(commands), on=on, options=options)


def _listed(commands: CommandList) -> CommandList:
    if isinstance(commands, str) or not commands:
        raise ValueError(f"commands must be a list with at least one text or Command; it is {commands!r}")
    return commands
