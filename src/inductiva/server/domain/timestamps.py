"""Which column of a task an event's time goes into."""

from __future__ import annotations

from typing import Any

from inductiva.protocol.status import STATUSES, TaskEvent, TaskStatusCode

_COLUMN = {
    TaskEvent.INPUT_UPLOADED: "input_submitted_at",
    TaskEvent.CLAIMED: "started_at",
    TaskEvent.COMPUTATION_STARTED: "computation_started_at",
    TaskEvent.COMPUTATION_ENDED: "computation_ended_at",
}
_OF_AN_ATTEMPT = ("started_at", "computation_started_at", "computation_ended_at")


def stamps(event: TaskEvent, after: TaskStatusCode, time: float) -> dict[str, Any]:
    """Columns that `event` sets. A requeued task has not started; a terminal one has ended and holds no lease."""
    if event is TaskEvent.REQUEUED:
        return dict.fromkeys((*_OF_AN_ATTEMPT, "lease_until", "runner_id", "stop_cause"))
    values: dict[str, Any] = {_COLUMN[event]: time} if event in _COLUMN else {}
    if STATUSES[after].terminal:
        values |= {"ended_at": time, "lease_until": None, "stop_cause": None}
    return values
