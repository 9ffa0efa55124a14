"""The arguments that the `run` of every simulator takes besides its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypedDict

from inductiva.commands.command import Command
from inductiva.utils.durations import Duration

CommandList = Sequence[str | Command]
InputDir = str | os.PathLike[str] | None


class RunOptions(TypedDict, total=False):
    """Keyword arguments of every `run`. Others than these travel to the machine as they are.

    storage_dir: folder in storage below which the task's files go.
    resubmit_on_preemption: queue the task again when its machine is lost.
    remote_assets: paths in storage, or `<task id>/output.zip`, that are put into the working directory first.
    project: name of a project, made when there is none.
    time_to_live: how long the task may compute: seconds, or a text such as "10m" or "1h30m".
    on_finish_cleanup: a script of the input directory, or commands, to run last.
    verbose: False says nothing about this run.
    container_image: an image instead of the simulator's own.
    env: environment variables for all commands.
    run_subprocess_dir: folder of the working directory that the commands run in.
    stream_zip, compress_with: how the outputs are packed.
    save_on_preemption: store outputs when a spot machine is taken back.
    """

    storage_dir: str | None
    resubmit_on_preemption: bool
    remote_assets: str | Sequence[str] | None
    project: str | None
    time_to_live: Duration | None
    on_finish_cleanup: str | CommandList | None
    verbose: bool
    container_image: str | None
    env: Mapping[str, str]
    run_subprocess_dir: str
    stream_zip: bool
    compress_with: str
    save_on_preemption: bool
