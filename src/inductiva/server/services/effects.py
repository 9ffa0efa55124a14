"""What follows from committed changes: watchers are woken, waiting work is handed out, runners are told to stop."""

from __future__ import annotations

from collections.abc import Sequence

from inductiva.protocol.runner import StopCause
from inductiva.protocol.status import STATUSES, TaskEvent, TaskStatusCode
from inductiva.server.context import Context
from inductiva.server.db.changes import TaskChange
from inductiva.server.services import links

_QUEUED = TaskStatusCode.SUBMITTED


def follow(context: Context, changes: Sequence[TaskChange]) -> None:
    """Called in the event loop after each commit, before the writes' own futures resolve."""
    now = context.clock()
    queues: set[str] = set()
    for change in changes:
        context.hub.publish(change.task_id)
        context.active_at[change.group_id] = now
        if _QUEUED in (change.before, change.after):
            queues.add(change.group_id)
        if change.after is TaskStatusCode.PENDING_KILL and change.before is not change.after:
            links.stop(context, change.runner_id, change.task_id, change.attempt, StopCause.KILL)
        if change.event is TaskEvent.REQUEUED:
            context.store.staged(change.task_id, change.attempt).unlink(missing_ok=True)
        if STATUSES[change.after].terminal:
            context.sweeper.wake()
    for group_id in queues:
        context.hub.publish(group_id)
        context.dispatcher.kick(group_id)
