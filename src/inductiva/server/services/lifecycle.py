"""The one place that changes a task's status: the table, the timestamps and the event in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Text, bindparam, func, select

from inductiva.protocol.status import EVENTS, Actor, TaskEvent, TaskStatusCode, next_status
from inductiva.server.db.changes import TaskChange
from inductiva.server.db.engine import Transaction
from inductiva.server.db.prepared import Prepared, to_json
from inductiva.server.db.schema import tasks
from inductiva.server.domain.timestamps import stamps

TaskRow = dict[str, Any]
"""A row of the table `tasks`, kept current by `transition`."""

_BY_ID = Prepared(select(tasks).where(tasks.c.id == bindparam("task_id")))
_BY_IDS = Prepared(
    select(tasks).where(tasks.c.id.in_(select(func.json_each(bindparam("ids", type_=Text)).table_valued("value"))))
)


def find(connection: Connection, task_id: str) -> TaskRow | None:
    """A task's row, whoever's it is."""
    return _BY_ID.first(connection, task_id=task_id)


def load(tx: Transaction, task_ids: Sequence[str]) -> dict[str, TaskRow]:
    """The rows of tasks, by id, as the transaction sees them."""
    return {row["id"]: row for row in _BY_IDS.rows(tx.conn, ids=to_json(task_ids))}


def change(tx: Transaction, task: TaskRow, values: dict[str, Any]) -> None:
    """Sets columns other than the status, in the database and in `task`."""
    tx.unwritten.change(task["seq"], values)
    task.update(values)


def transition(
    tx: Transaction,
    task: TaskRow,
    event: TaskEvent,
    actor: Actor,
    *,
    detail: str | None = None,
    time: float | None = None,
    values: dict[str, Any] | None = None,
) -> TaskStatusCode | None:
    """Applies `event` to `task`: new status, timestamps, `values` for other columns, and an entry in its log.

    `time` is when it happened (default: now). Returns the new status, or None when the event cannot happen in the
    task's status; nothing has changed then.
    """
    if actor not in EVENTS[event].actors:
        raise ValueError(f"{actor} may not send {event}")
    before = TaskStatusCode(task["status"])
    after = next_status(before, event)
    if after is None:
        return None
    time = tx.now if time is None else time
    runner_id = task["runner_id"]
    change(
        tx,
        task,
        {"status": after, "event_seq": task["event_seq"] + 1, **stamps(event, after, time), **(values or {})},
    )
    machine = task["runner_id"] or runner_id
    tx.unwritten.events.append(
        {
            "task_id": task["id"],
            "seq": task["event_seq"],
            "time": time,
            "event": event,
            "status": after,
            "attempt": task["attempt"],
            "actor": actor,
            "machine_id": machine,
            "detail": detail,
        },
    )
    tx.changes.append(TaskChange(task["id"], task["group_id"], machine, task["attempt"], event, before, after))
    return after
