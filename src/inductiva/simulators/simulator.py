"""What all simulators have in common."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from inductiva import logs
from inductiva.commands.command import Command, as_command
from inductiva.resources.groups import ElasticMachineGroup, Group, MachineGroup, MPICluster
from inductiva.simulators import versions
from inductiva.simulators.methods import list_available_images
from inductiva.simulators.options import CommandList, InputDir
from inductiva.tasks import inputs
from inductiva.tasks.run import run_simulation
from inductiva.tasks.task import Task

if TYPE_CHECKING:
    from inductiva.types import ComputationalResources

REPOSITORY = "docker://inductiva/kutu"
PROTOCOL = "arbitrary_commands"
"""What the server calls every simulator: the commands say it all."""


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


class Simulator:
    """A program of the catalogue. `version`: one that it has, or "latest" (as None); `device`: auto, cpu or gpu.

    `use_dev` takes development images. Raises ValueError for a version that does not exist or an unknown device.
    """

    image_name: ClassVar[str] = ""
    """The program's name in the catalogue; the class's in lower case when empty."""
    alias: ClassVar[str | None] = None
    """What tasks show as their simulator."""
    supports_mpi_cluster: ClassVar[bool] = False

    def __init__(self, version: str | None = None, use_dev: bool = False, device: str = "auto") -> None:
        self.simulator = PROTOCOL
        self.simulator_name_alias = self.alias
        self._use_dev = bool(use_dev)
        self._device = _device(device)
        self._listed = self._listing()
        self._version = self._chosen(version)
        self.container_image: str | None = self._image(gpu=self._device is Device.GPU)
        channel = "development" if use_dev else "production"
        logs.teller()(f"■ Using {channel} image of {self.name} version {self.version}\n")

    def _listing(self) -> list[str]:
        """Versions of the program. Raises ValueError when the catalogue does not have it."""
        images = list_available_images()["development" if self._use_dev else "production"]
        listed = images.get(self._image_name())
        if not listed:
            raise ValueError(
                f"the server has no {'development' if self._use_dev else 'production'} image of {self.name}; "
                f"it has {', '.join(sorted(images)) or 'none at all'}"
            )
        return listed

    def _image_name(self) -> str:
        return self.image_name or type(self).__name__.lower()

    def _chosen(self, version: str | None) -> str:
        known = versions.plain(self._listed)
        if version is None or version == versions.LATEST:
            return known[-1]
        if not isinstance(version, str):
            raise ValueError(f"version must be a text; {version!r} is a {type(version).__name__}")
        if version not in known:
            raise ValueError(f"{self.name} has no version {version!r}; it has {', '.join(known)}")
        return version

    def _image(self, *, gpu: bool) -> str:
        ends = (versions.GPU_SUFFIX if gpu else "") + ("_dev" if self._use_dev else "")
        return f"{REPOSITORY}:{self._image_name()}_v{self._version}{ends}"

    @property
    def version(self) -> str | None:
        """The program's version."""
        return self._version

    @property
    def name(self) -> str:
        """The program's name."""
        return type(self).__name__

    @property
    def image_uri(self) -> str | None:
        """The image that runs (on a machine with a GPU it may have the suffix `_gpu`)."""
        return self.container_image

    @classmethod
    def get_supported_resources(cls) -> set[type[Group]]:
        """The classes of machine groups that this simulator runs on."""
        single: set[type[Group]] = {MachineGroup, ElasticMachineGroup}
        return single | {MPICluster} if cls.supports_mpi_cluster else single

    def _check_resource(self, resource: Any) -> None:
        if resource is None:
            raise ValueError("a run needs a machine group to run on: on=inductiva.resources.MachineGroup(...)")
        supported = self.get_supported_resources()
        if type(resource) not in supported:
            names = ", ".join(sorted(kind.__name__ for kind in supported))
            raise ValueError(f"{self.name} runs on {names}; it does not run on {resource!r}")
        if self._device is Device.GPU and not resource.has_gpu():
            raise ValueError(f'{self.name} was made with device="gpu", but {resource!r} has no GPU')

    def _image_on(self, resource: ComputationalResources) -> str | None:
        """The image for a machine group: that for GPUs where there are some, unless told otherwise."""
        if self._device is Device.CPU or not resource.has_gpu():
            return self.container_image
        if self._device is Device.GPU or versions.has_gpu_image(self._listed, self._version):
            return self._image(gpu=True)
        logs.warn(f"{resource!r} has a GPU, which {self.name} {self.version} does not use")
        return self.container_image

    def _submit(
        self,
        input_dir: InputDir,
        commands: CommandList,
        *,
        on: ComputationalResources,
        options: Mapping[str, Any],
        needs: Sequence[str] = (),
    ) -> Task:
        """Check and submit. `needs` are files of the input directory; with remote assets they may come from there."""
        self._check_resource(on)
        extra = dict(options)
        if not extra.get("remote_assets"):
            inputs.check_files(inputs.checked_directory(input_dir, ()), needs)
        cleanup = _cleanup(extra.pop("on_finish_cleanup", None))
        return run_simulation(
            self.simulator,
            input_dir,
            machine_group=on,
            simulator_obj=self,
            simulator_name_alias=self.simulator_name_alias,
            project_name=extra.pop("project", None),
            container_image=extra.pop("container_image", None) or self._image_on(on),
            commands=[*map(as_command, commands), *cleanup],
            **extra,
        )


def _device(given: str) -> Device:
    try:
        return Device(str(given).lower())
    except ValueError:
        raise ValueError(f"device must be 'auto', 'cpu' or 'gpu'; it is {given!r}") from None


def _cleanup(given: str | CommandList | None) -> list[Command]:
    """What runs last: a script of the input directory, or commands."""
    if given is None:
        return []
    if isinstance(given, str):
        return [Command(f"bash {shlex.quote(given)}")]
    return [as_command(command) for command in given]
