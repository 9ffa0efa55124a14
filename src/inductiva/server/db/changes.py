"""What a transaction does to tasks: written once at its end, and told to the rest of the server after the commit."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, insert, update

from inductiva.protocol.status import TaskEvent, TaskStatusCode
from inductiva.server.db.prepared import Prepared
from inductiva.server.db.schema import task_events, tasks

_INSERT_EVENT = Prepared(insert(task_events))


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


@dataclass(slots=True)
class Unwritten:
    """New values of tasks' columns, by `tasks.seq`, and new entries of their logs."""

    columns: dict[int, dict[str, Any]] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)

    def change(self, seq: int, values: Mapping[str, Any]) -> None:
        self.columns.setdefault(seq, {}).update(values)

    def write(self, connection: Connection) -> None:
        """One update a task, however many changes it had."""
        for seq, values in self.columns.items():
            _update(tuple(sorted(values))).run(connection, {**values, "row": seq})
        if self.events:
            _INSERT_EVENT.run_all(connection, self.events)
        self.clear()

    def clear(self) -> None:
        self.columns.clear()
        self.events.clear()


@functools.cache
def _update(columns: tuple[str, ...]) -> Prepared:
    return Prepared(update(tasks).where(tasks.c.seq == bindparam("row")), columns)
