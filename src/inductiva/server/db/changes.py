"""What a committed transition tells the rest of the server."""

from __future__ import annotations

from dataclasses import dataclass

from inductiva.protocol.status import TaskEvent, TaskStatusCode


@dataclass(frozen=True, slots=True)
class TaskChange:
    """One event of a task. `before` equals `after` when the event did not change the status."""

    task_id: str
    group_id: str
    runner_id: str | None
    attempt: int
    event: TaskEvent
    before: TaskStatusCode
    after: TaskStatusCode
