"""One command of a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from inductiva.commands.mpi import MPIConfig
from inductiva.protocol.commands import CommandSpec, problem


class Command:
    """A program with its arguments, what to answer when it asks, and its environment.

    `prompts` go to its standard input, one a line. No shell runs the command, so there are no pipes, variables or
    wild cards: put such a line into a script of the input directory and run `bash SCRIPT`.
    Raises ValueError when the command or a prompt is malformed, TypeError when `mpi_config` is no `MPIConfig`.
    """

    def __init__(
        self,
        cmd: str,
        *prompts: str,
        mpi_config: MPIConfig | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(cmd, str):
            raise ValueError(f"a command must be a str; {cmd!r} is a {type(cmd).__name__}")
        for prompt in prompts:
            if not isinstance(prompt, str):
                raise ValueError(f"a prompt of command {cmd!r} must be a str; {prompt!r} is not")
        if mpi_config is not None and not isinstance(mpi_config, MPIConfig):
            raise TypeError(f"mpi_config of command {cmd!r} must be an MPIConfig; {mpi_config!r} is not")
        if trouble := problem(cmd, list(prompts)):
            raise ValueError(trouble)
        self.cmd = cmd
        self.prompts = list(prompts)
        self.mpi_config = mpi_config
        self.env = {str(name): str(value) for name, value in (env or {}).items()}

    def to_wire(self) -> CommandSpec:
        mpi = self.mpi_config.to_wire() if self.mpi_config is not None else None
        return CommandSpec(self.cmd, list(self.prompts), mpi, dict(self.env))

    def to_dict(self) -> dict[str, Any]:
        """`{cmd, prompts, mpi_config, env}`, as it goes to the server."""
        plain: dict[str, Any] = msgspec.to_builtins(self.to_wire())
        return plain

    @staticmethod
    def commands_to_dicts(commands: Sequence[str | Command]) -> list[dict[str, Any]]:
        """`to_dict` of each; a plain text is a command without prompts."""
        return [as_command(command).to_dict() for command in commands]

    def __repr__(self) -> str:
        return f"Command({self.cmd!r})"


def as_command(command: str | Command) -> Command:
    """`command` itself, or a `Command` made of its text. Raises ValueError for anything else."""
    if isinstance(command, Command):
        return command
    if not isinstance(command, str):
        raise ValueError(f"a command must be a str or a Command; {command!r} is a {type(command).__name__}")
    return Command(command)
