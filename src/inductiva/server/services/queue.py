"""The queue of a machine group: the tasks table itself, first come, first served."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from inductiva.protocol.compute import MachineGroupStatus
from inductiva.protocol.status import Actor, TaskEvent, TaskStatusCode
from inductiva.server.db.engine import Transaction
from inductiva.server.db.schema import machine_groups, tasks
from inductiva.server.services.lifecycle import TaskRow, transition


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """Runners of a group that can take a task now, one entry a slot."""

    group_id: str
    runner_ids: list[str]
    lease_seconds: float


def claim(tx: Transaction, request: ClaimRequest) -> list[TaskRow]:
    """Hands the oldest waiting tasks to runners, in this order. Each row returned has its `runner_id` and `attempt`."""
    status = tx.conn.execute(
        select(machine_groups.c.status).where(machine_groups.c.id == request.group_id)
    ).scalar_one_or_none()
    if status != MachineGroupStatus.STARTED:
        return []
    waiting = tx.conn.execute(
        select(tasks)
        .where(tasks.c.group_id == request.group_id, tasks.c.status == TaskStatusCode.SUBMITTED)
        .order_by(tasks.c.queue_seq)
        .limit(len(request.runner_ids))
    ).mappings()
    claimed = []
    for row, runner_id in zip(waiting.all(), request.runner_ids, strict=False):
        task = dict(row)
        values = {
            "attempt": task["attempt"] + 1,
            "runner_id": runner_id,
            "lease_until": tx.now + request.lease_seconds,
            "report_seq": 0,
        }
        transition(tx, task, TaskEvent.CLAIMED, Actor.SERVER, values=values)
        claimed.append(task)
    return claimed


def next_place(tx: Transaction) -> int:
    """The number of the next task that enters a queue."""
    return (
        tx.conn.execute(select(func.max(tasks.c.queue_seq)).where(tasks.c.queue_seq.is_not(None))).scalar() or 0
    ) + 1


def tasks_ahead(connection: Connection, group_id: str, queue_seq: int) -> int:
    """How many tasks of the group are handed out before the one with this number."""
    count = connection.execute(
        select(func.count()).where(
            tasks.c.group_id == group_id, tasks.c.status == TaskStatusCode.SUBMITTED, tasks.c.queue_seq < queue_seq
        )
    )
    return count.scalar_one()
