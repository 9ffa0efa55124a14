"""Submitting a task."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from inductiva import logs
from inductiva.api import tasks as api
from inductiva.api.errors import ApiException
from inductiva.commands.command import Command, as_command
from inductiva.protocol.status import TaskStatusCode
from inductiva.protocol.tasks import CompressionMethod, TaskRequest, TaskStatus, TaskSubmittedInfo
from inductiva.tasks import inputs
from inductiva.tasks.task import Task
from inductiva.utils.durations import Duration, to_seconds
from inductiva.utils.format_utils import bytes_formatter

if TYPE_CHECKING:
    from inductiva.simulators.simulator import Simulator
    from inductiva.types import ComputationalResources

SIM_DIR = "sim_dir"
LARGE_BYTES = 10_000_000
"""Sending more than this takes long enough to be announced."""
_OF_THE_REQUEST = frozenset({"stream_zip", "compress_with"})


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Everything about a run that was asked for, checked."""

    simulator: str
    alias: str | None
    image: str | None
    version: str | None
    input_dir: Path | None
    resource: ComputationalResources
    parameters: Mapping[str, Any]
    storage_dir: str = ""
    remote_assets: list[str] = field(default_factory=list)
    project: str | None = None
    time_to_live: float | None = None
    resubmit_on_preemption: bool = False
    stream_zip: bool = True
    compress_with: CompressionMethod = CompressionMethod.AUTO

    def request(self) -> TaskRequest:
        image = {"container_image": self.image} if self.image is not None else {}
        return TaskRequest(
            simulator=self.simulator,
            resource_pool=self.resource.id,
            extra_params={"sim_dir": SIM_DIR, **image, **self.parameters},
            simulator_name_alias=self.alias,
            storage_path_prefix=self.storage_dir,
            project=self.project,
            container_image=self.image,
            time_to_live_seconds=self.time_to_live,
            resubmit_on_preemption=self.resubmit_on_preemption,
            input_resources=self.remote_assets,
            stream_zip=self.stream_zip,
            compress_with=self.compress_with,
        )


def run_simulation(
    simulator: str,
    input_dir: str | os.PathLike[str] | None,
    *,
    machine_group: ComputationalResources,
    resubmit_on_preemption: bool = False,
    storage_dir: str | None = "",
    simulator_obj: Simulator | None = None,
    remote_assets: str | Sequence[str] | None = None,
    simulator_name_alias: str | None = None,
    project_name: str | None = None,
    time_to_live: Duration | None = None,
    verbose: bool = True,
    **kwargs: Any,
) -> Task:
    """Submit a run to `machine_group`, which is started if it is not, and send its inputs.

    `commands` (texts or `Command`s) and all further arguments travel to the runner as they are; of them
    `container_image`, `env` (variables for all commands) and `run_subprocess_dir` (where they run) are known there.
    Raises ValueError and FileNotFoundError for what is wrong here, ApiException when the server refuses the task.
    """
    assets = [remote_assets] if isinstance(remote_assets, str) else list(remote_assets or ())
    parameters = {name: value for name, value in kwargs.items() if name not in _OF_THE_REQUEST}
    image = parameters.pop("container_image", None)
    submission = Submission(
        simulator=simulator,
        alias=simulator_name_alias,
        image=image,
        version=simulator_obj.version if simulator_obj is not None else None,
        input_dir=inputs.checked_directory(input_dir, assets),
        resource=_checked_resource(machine_group),
        parameters=_checked_parameters(parameters),
        storage_dir=storage_dir or "",
        remote_assets=assets,
        project=project_name,
        time_to_live=None if time_to_live is None else to_seconds(time_to_live, "time_to_live"),
        resubmit_on_preemption=resubmit_on_preemption,
        stream_zip=bool(kwargs.get("stream_zip", True)),
        compress_with=CompressionMethod(kwargs.get("compress_with", CompressionMethod.AUTO)),
    )
    return submit(submission, verbose=verbose)


def _checked_resource(resource: ComputationalResources) -> ComputationalResources:
    from inductiva.resources.groups import Group

    if not isinstance(resource, Group):
        raise ValueError(
            f"a run needs a machine group to run on: on=inductiva.resources.MachineGroup(...); got {resource!r}"
        )
    return resource


def _checked_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as plain JSON. Raises ValueError for a malformed command or what cannot travel."""
    plain = dict(parameters)
    if "commands" in plain:
        plain["commands"] = commands_to_wire(plain["commands"])
    for name, value in plain.items():
        try:
            msgspec.json.encode(value)
        except TypeError as error:
            raise ValueError(f"argument {name!r} cannot be sent to the machine: {error}") from error
    return plain


def commands_to_wire(commands: Sequence[Any]) -> list[dict[str, Any]]:
    """Commands as dicts. Raises ValueError for a malformed one, or when there is none."""
    if isinstance(commands, str) or not isinstance(commands, Sequence):
        raise ValueError(f"commands must be a list of texts or Command objects; got {commands!r}")
    if not commands:
        raise ValueError("there are no commands to run")
    return [_from_dict(command).to_dict() for command in commands]


def _from_dict(command: Any) -> Command:
    """A command of a list, which may already have the form of the wire."""
    if not isinstance(command, dict):
        return as_command(command)
    from inductiva.commands.mpi import MPIConfig

    mpi = command.get("mpi_config")
    config = MPIConfig(mpi["version"], **mpi.get("options", {})) if mpi else None
    return Command(command["cmd"], *command.get("prompts", ()), mpi_config=config, env=command.get("env"))


def submit(submission: Submission, *, verbose: bool) -> Task:
    """Make the task and send its inputs. When that fails, or is interrupted, the task is killed."""
    tell = logs.teller(verbose)
    # Packing is planned before anything is made on the server: a file that cannot be read is found here.
    packed = inputs.entries(submission.input_dir)
    if not submission.resource.started:
        submission.resource.start(verbose=verbose)
    submitted = api.submit(submission.request(), str(uuid.uuid4()))
    task = Task(submitted.id)
    tell(_information(submission, submitted))
    try:
        status = _send_inputs(submission, submitted, packed, verbose) or api.status(task.id)
    except BaseException:
        _kill_unfinished(task)
        raise
    task.note_status(status.status)
    tell(_what_next(task, status))
    return task


def _send_inputs(
    submission: Submission, submitted: TaskSubmittedInfo, packed: list[Any], verbose: bool
) -> TaskStatus | None:
    """Upload and tell the server. Returns the task's status when the answer carries it."""
    if submitted.status is not TaskStatusCode.PENDING_INPUT:
        return None
    tell = logs.teller(verbose)
    size = sum(entry.size for entry in packed if entry.source is not None)
    if size > LARGE_BYTES:
        tell(f"Packing and uploading {bytes_formatter(size)}...")
    path = "/".join(filter(None, (submission.storage_dir.strip("/"), submitted.id, "input.zip")))
    sent = inputs.upload(path, submitted.storage_region, packed, verbose=verbose, given=submitted.input_upload_url)
    tell(f"Uploaded the input: {bytes_formatter(size)}, packed {bytes_formatter(sent)}.")
    answer = api.input_uploaded(submitted.id)
    try:
        return msgspec.json.decode(answer, type=TaskStatus)
    except msgspec.MsgspecError:
        return None


def _kill_unfinished(task: Task) -> None:
    try:
        api.kill(task.id)
    except ApiException as error:
        logs.warn(f"Task {task.id} has no input and could not be killed: {error}")


def _information(submission: Submission, submitted: TaskSubmittedInfo) -> str:
    resource = submission.resource
    where = f"{resource} with {resource.machine_type} machines"
    rows = [
        ("ID", submitted.id),
        ("Simulator", submission.alias or "Custom Image"),
        ("Version", submission.version),
        ("Image", submission.image),
        ("Local input directory", submission.input_dir),
        ("Remote assets", ", ".join(submission.remote_assets) or None),
        ("Project", submission.project),
    ]
    lines = ["■ Task Information:"]
    lines += [f"\t· {label + ':':<22} {value}" for label, value in rows if value is not None]
    lines += ["\t· Submitting to the following computational resources:", f" \t\t· {where}"]
    if resource.spot:
        lines.append(f"\t· Restart On Preemption: {submission.resubmit_on_preemption}")
    if submitted.time_to_live_seconds is not None:
        lines.append(f"\t· Time to live:          {submitted.time_to_live_seconds:g} s of computation")
    return "\n".join([*lines, "", f"■ Task {submitted.id} submitted to the queue of the {where}.", ""])


def _what_next(task: Task, status: TaskStatus) -> str:
    # A task that has no position has left the queue already.
    ahead = status.position_in_queue.tasks_ahead if status.position_in_queue is not None else 0
    return "\n".join(
        [
            "",
            f"Number of tasks ahead in the queue: {ahead}.",
            f"· Its state:                inductiva tasks list --id {task.id}",
            f"· What it writes:           inductiva logs {task.id}",
            f"· Its files while it runs:  inductiva tasks list-files {task.id}",
            f"· Everything about it:      inductiva tasks info {task.id}",
            "",
        ]
    )
