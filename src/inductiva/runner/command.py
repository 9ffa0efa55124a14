"""One command of a simulation: its words, its place, what is written around it in the logs."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inductiva.protocol.commands import CommandSpec, MPISettings, problem
from inductiva.protocol.runner import Work
from inductiva.protocol.watch import LogStream
from inductiva.runner import files
from inductiva.runner.sandbox import ARTIFACTS, Sandbox
from inductiva.runner.workspace import Workspace

_FOOTER = "\n -------\n"


def words(command: CommandSpec) -> list[str]:
    """The command as it is executed, `mpirun` and its options first where asked for."""
    return [*_mpi_prefix(command.mpi_config), *shlex.split(command.cmd)]


def _mpi_prefix(settings: MPISettings | None) -> list[str]:
    if settings is None:
        return []
    prefix = ["mpirun"]
    for name, value in settings.options.items():
        prefix += _option(name, value)
    return prefix


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}"] if value else []
    return [f"--{name}", str(value)]


def text(command: CommandSpec) -> str:
    """The command line as its user wrote it, `mpirun` and its options first where asked for."""
    return " ".join([*map(shlex.quote, _mpi_prefix(command.mpi_config)), command.cmd])


def problem_of(work: Work) -> str | None:
    """What is wrong with the commands of a task; None when all can be run. Nothing runs unless all are well-formed."""
    params = work.params
    if not params.commands:
        return "The task has no commands: give the simulator at least one."
    for index, command in enumerate(params.commands):
        found = problem(command.cmd, command.prompts)
        if found:
            return f"Command {index + 1} of {len(params.commands)} cannot be run: {found}."
        if found := _problem_of_variables({**params.env, **command.env}):
            return f"Command {index + 1} of {len(params.commands)} cannot be run: {found}."
    if params.run_subprocess_dir is not None and relative_directory(params.run_subprocess_dir) is None:
        return f"run_subprocess_dir {params.run_subprocess_dir!r} must be a relative path inside the input directory."
    if relative_directory(params.sim_dir) is None:
        return f"sim_dir {params.sim_dir!r} must be a relative path inside the input archive."
    return None


def _problem_of_variables(values: Mapping[str, str]) -> str | None:
    for name, value in values.items():
        if not name or "=" in name or "\0" in name + value:
            return f"{name!r} is no name of an environment variable, or its value contains a NUL byte"
    return None


def relative_directory(name: str) -> str | None:
    """`name` in its shortest form (`.` for the top); None when it leads out."""
    short = posixpath.normpath(name.replace("\\", "/") or ".")
    return None if short.startswith(("/", "../")) or short == ".." or "\0" in short else short


def directory_inside(work: Work) -> str:
    """Where the commands run, as they see it."""
    return posixpath.normpath(posixpath.join(ARTIFACTS, work.params.run_subprocess_dir or "."))


def directory_outside(work: Work, workspace: Workspace) -> Path | None:
    """Where the commands run on the machine; None when there is no such directory inside the artifacts."""
    if work.params.run_subprocess_dir is None:
        return workspace.artifacts
    path = workspace.artifacts / work.params.run_subprocess_dir
    real, top = path.resolve(), workspace.artifacts.resolve()
    return real if real.is_dir() and real.is_relative_to(top) else None


def write_header(
    workspace: Workspace, sandbox: Sandbox, command: CommandSpec, directory: str, env: Mapping[str, str]
) -> None:
    """The lines before a command's output, in both logs."""
    head = f"# COMMAND: {words(command)!r}\n# Working directory: {directory}\n# Env: {dict(env)!r}\n"
    notice = f"# Sandbox: none ({' '.join(sandbox.reason.split())})\n" if sandbox.bwrap is None else ""
    files.append(workspace.log(LogStream.STDOUT), f"{head}\n")
    files.append(workspace.log(LogStream.STDERR), f"{head}{notice}\n")


def write_footer(workspace: Workspace) -> None:
    """The lines after a command's output, in both logs."""
    for stream in LogStream:
        files.append(workspace.log(stream), _FOOTER)
