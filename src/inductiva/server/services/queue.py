"""The queue of a machine group: the tasks table itself, first come, first served."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Integer, bindparam, func, select

from inductiva.protocol.compute import MachineGroupStatus
from inductiva.protocol.status import Actor, TaskEvent, TaskStatusCode
from inductiva.server.db.engine import Transaction
from inductiva.server.db.prepared import Prepared
from inductiva.server.db.schema import machine_groups, tasks
from inductiva.server.services.lifecycle import TaskRow, transition

_GROUP_STATUS = Prepared(select(machine_groups.c.status).where(machine_groups.c.id == bindparam("group_id")))
_WAITING = (tasks.c.group_id == bindparam("group_id")) & (tasks.c.status == TaskStatusCode.SUBMITTED)
_OLDEST = Prepared(select(tasks).where(_WAITING).order_by(tasks.c.queue_seq).limit(bindparam("count", type_=Integer)))
_LAST_PLACE = Prepared(select(func.max(tasks.c.queue_seq)).where(tasks.c.queue_seq.is_not(None)))
_AHEAD = Prepared(select(func.count()).where(_WAITING, tasks.c.queue_seq < bindparam("queue_seq")))


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """Runners of a group that can take a task now, one entry a slot."""

    group_id: str
    runner_ids: list[str]
    lease_seconds: float


def claim(tx: Transaction, request: ClaimRequest) -> list[TaskRow]:
    """Hands the oldest waiting tasks to runners, in this order. Each row returned has its `runner_id` and `attempt`."""
    if _GROUP_STATUS.scalar(tx.connection, group_id=request.group_id) != MachineGroupStatus.STARTED:
        return []
    waiting = _OLDEST.rows(tx.conn, group_id=request.group_id, count=len(request.runner_ids))
    for task, runner_id in zip(waiting, request.runner_ids, strict=False):
        values = {
            "attempt": task["attempt"] + 1,
            "runner_id": runner_id,
            "lease_until": tx.now + request.lease_seconds,
            "report_seq": 0,
        }
        transition(tx, task, TaskEvent.CLAIMED, Actor.SERVER, values=values)
    return waiting


def next_place(tx: Transaction) -> int:
    """The number of the next task that enters a queue."""
    return (_LAST_PLACE.scalar(tx.conn) or 0) + 1


def tasks_ahead(connection: Connection, group_id: str, queue_seq: int) -> int:
    """How many tasks of the group are handed out before the one with this number."""
    count: int = _AHEAD.scalar(connection, group_id=group_id, queue_seq=queue_seq)
    return count
