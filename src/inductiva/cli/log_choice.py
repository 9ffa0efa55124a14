"""Which task `inductiva logs` means: an id, `SUBMITTED`, `STARTED-2`, … Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inductiva.cli.errors import Refused
from inductiva.protocol.tasks import Task

_MODE = re.compile(r"(SUBMITTED|STARTED)(?:-(\d+))?", re.IGNORECASE)
LOOK_BACK = 500
"""How many of the newest tasks are considered: as many as one request gives."""


def is_mode(text: str) -> bool:
    """Whether `text` names a task by its place and not by its id."""
    return _MODE.fullmatch(text) is not None


def chosen(mode: str, tasks: Sequence[Task]) -> str:
    """The id of the task that `mode` means: `STARTED` the one started last, `STARTED-1` the one before it.

    `SUBMITTED` counts by the time of submission. Raises Refused when there are fewer tasks.
    """
    match = _MODE.fullmatch(mode)
    if match is None:
        raise ValueError(f"{mode!r} is neither SUBMITTED nor STARTED, with or without -N")
    kind, back = match[1].upper(), int(match[2] or 0)
    timed = [((task.start_time if kind == "STARTED" else task.create_time) or "", task.task_id) for task in tasks]
    # Times on the wire have one zone and one number of digits, so their texts sort as they do.
    found = sorted((pair for pair in timed if pair[0]), reverse=True)
    if back >= len(found):
        done = "1 task has been" if len(found) == 1 else f"{len(found) or 'no'} tasks have been"
        raise Refused(f"{mode} names no task: {done} {kind.lower()}")
    return found[back][1]
