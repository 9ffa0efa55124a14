"""Running a command under MPI."""

from __future__ import annotations

from typing import Any

from inductiva.protocol.commands import MPISettings


class MPIConfig:
    """Run a command under `mpirun` of OpenMPI `version`.

    Options are those of the launcher: `MPIConfig("4.1.6", np=4, use_hwthread_cpus=True)` gives
    `mpirun --np 4 --use-hwthread-cpus`; True is the bare option, False leaves it out.
    """

    def __init__(self, version: str, **options: Any) -> None:
        self.version = version
        self.options: dict[str, Any] = {name.replace("_", "-"): value for name, value in options.items()}

    def to_dict(self) -> dict[str, Any]:
        return {"version": self.version, "options": dict(self.options)}

    def to_wire(self) -> MPISettings:
        return MPISettings(self.version, dict(self.options))

    def __repr__(self) -> str:
        options = "".join(f", {name.replace('-', '_')}={value!r}" for name, value in self.options.items())
        return f"MPIConfig({self.version!r}{options})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MPIConfig) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]
