"""What happens because time passes: leases, idle groups, time limits. One timer, set for the next thing that is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from sqlalchemy import Connection, Float, bindparam, func, select

from inductiva.protocol.compute import MachineGroupStatus, Provider
from inductiva.protocol.runner import StopCause
from inductiva.protocol.status import ON_MACHINE, TaskStatusCode
from inductiva.server.context import Context
from inductiva.server.db.engine import Transaction
from inductiva.server.db.prepared import Prepared, one_of
from inductiva.server.db.schema import machine_groups, tasks
from inductiva.server.services import attempts, groups, links
from inductiva.server.services.lifecycle import TaskRow, load

logger = logging.getLogger(__name__)

LONGEST_SLEEP = 3600.0
MARGIN_SECONDS = 0.5
"""How long after its end a lease counts as run out; longer than `LATE_SECONDS`, so that whoever was away notices."""
LATE_SECONDS = 0.25
"""Waking up this much later than planned means that this process could not look."""
SHUTDOWN_SECONDS = 60.0
"""How long machines of a terminated group may take to stop their tasks, store outputs and leave."""
TTL_MARGIN_SECONDS = 120.0
"""After this much more than its time to live a task is stopped by the server, should the runner not have done it."""
ABANDONED_SECONDS = 3600.0
"""A task whose input has not come for so long keeps its group busy no longer."""
TOGETHER_SECONDS = 0.1
_LOST = Prepared(
    select(tasks).where(tasks.c.lease_until <= bindparam("now", type_=Float), one_of(tasks.c.status, ON_MACHINE))
)
_FIRST_LEASE = Prepared(select(func.min(tasks.c.lease_until)).where(tasks.c.lease_until.is_not(None)))
_LIMITED = Prepared(
    select(tasks).where(
        tasks.c.lease_until.is_not(None),
        tasks.c.time_to_live_seconds.is_not(None),
        tasks.c.computation_started_at.is_not(None),
        tasks.c.stop_cause.is_(None),
    )
)
_GROUPS = Prepared(select(machine_groups).where(machine_groups.c.status == bindparam("status")))
_OF_GROUP = select(tasks.c.id).where(tasks.c.group_id == bindparam("group_id")).limit(1)
_ACTIVE = Prepared(_OF_GROUP.where(one_of(tasks.c.status, (*ON_MACHINE, TaskStatusCode.SUBMITTED))))
_PENDING = Prepared(
    _OF_GROUP.where(tasks.c.status == TaskStatusCode.PENDING_INPUT, tasks.c.created_at > bindparam("horizon"))
)


class Sweeper:
    """`run` until the server closes; `wake` when something became due earlier than it was."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._woken = asyncio.Event()
        self._away_until = 0.0

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        while not self._context.closing.is_set():
            self._woken.clear()
            due = await self.sweep()
            delay = min(max(due - self._context.clock(), 0.05), LONGEST_SLEEP)
            expected = self._context.clock() + delay
            try:
                await asyncio.wait_for(self._woken.wait(), delay)
                await asyncio.sleep(TOGETHER_SECONDS)  # many things that happen together are looked at once
            except TimeoutError:
                pass
            if self._context.clock() > expected + LATE_SECONDS:
                self._was_away()

    def _was_away(self) -> None:
        """The computer slept, this process was stopped, or the clock was set. What runners said meanwhile is unread,
        so nobody can be declared lost before they had a whole lease to be heard again."""
        self._away_until = self._context.clock()
        logger.warning("this process was away; leases count anew")

    async def sweep(self) -> float:
        """Does what is due now; returns when the next thing is (seconds since the epoch, or infinity)."""
        due = await expire_leases(self._context, max(self._context.started_at, self._away_until))
        return min([due, *[await duty(self._context) for duty in DUTIES]])


async def expire_leases(context: Context, looking_since: float) -> float:
    """Ends attempts whose lease has run out; not before one lease after the server began to look."""
    first = looking_since + context.config.lease_seconds
    now = context.clock()
    if now < first:
        return first
    for task in context.db.peek(lambda connection: _LOST.rows(connection, now=now - MARGIN_SECONDS)):
        machine = task["runner_id"]
        detail = f"The machine {machine} has not been heard of for {context.config.lease_seconds:.0f} s."
        after = await attempts.expire(context, task, detail)
        logger.warning("lease of task %s (attempt %d) ran out: %s", task["id"], task["attempt"], after)
    earliest = context.db.peek(_FIRST_LEASE.scalar)
    return float(earliest) + MARGIN_SECONDS if earliest is not None else float("inf")


async def end_groups(context: Context) -> float:
    """Terminates groups that were idle for too long or have reached their time."""
    due = float("inf")
    for group in context.db.peek(lambda c: _GROUPS.rows(c, status=MachineGroupStatus.STARTED)):
        at, cause = _group_deadline(context, group)
        if at <= context.clock():
            await groups.terminate(context, group, cause)
        else:
            due = min(due, at)
    return due


def _group_deadline(context: Context, group: dict[str, Any]) -> tuple[float, StopCause]:
    limits = [(group["auto_terminate_at"], StopCause.MACHINE_TIME_LIMIT)]
    idle = group["max_idle_time"]
    if idle is not None and group["provider_id"] != Provider.LOCAL:
        since = idle_since(context, group)
        # A busy group is looked at again when it could become idle at the earliest: after its next event.
        limits.append((None if since is None else since + idle, StopCause.GROUP_TERMINATED))
    given = [(at, cause) for at, cause in limits if at is not None]
    return min(given, default=(float("inf"), StopCause.GROUP_TERMINATED))


def idle_since(context: Context, group: dict[str, Any]) -> float | None:
    """When the group last had something to do; None while it has."""
    horizon = context.clock() - ABANDONED_SECONDS
    if context.db.peek(lambda connection: is_busy(connection, group["id"], horizon)):
        return None
    return max(context.active_at.get(group["id"], context.started_at), group["started_at"] or 0.0)


def is_busy(connection: Connection, group_id: str, horizon: float) -> bool:
    """Whether tasks wait or run in a group; those still without input since before `horizon` do not count."""
    if _ACTIVE.first(connection, group_id=group_id) is not None:
        return True
    return _PENDING.first(connection, group_id=group_id, horizon=horizon) is not None


async def force_shutdowns(context: Context) -> float:
    """Ends the machines that a terminated group still has after a minute, and what they held."""
    due = float("inf")
    for row in context.db.peek(lambda c: _GROUPS.rows(c, status=MachineGroupStatus.SHUTTING_DOWN)):
        at = row["terminate_requested_at"] + SHUTDOWN_SECONDS
        if at <= context.clock():
            await _force(context, row["id"])
        else:
            due = min(due, at)
    return due


async def _force(context: Context, group_id: str) -> None:
    held = await context.db.read(lambda connection: _held(connection, group_id))
    left = await context.db.write(groups.end_if_empty, group_id)
    for machine_id in left:
        context.fleet.kill(machine_id)
    for task in held:
        await attempts.expire(context, task, "The machine group was terminated and its machine did not stop.", True)
    for machine_id in left:
        await context.db.write(groups.machine_left, machine_id)


def _held(connection: Connection, group_id: str) -> list[TaskRow]:
    query = select(tasks).where(tasks.c.group_id == group_id, tasks.c.status.in_([*ON_MACHINE]))
    return [dict(row) for row in connection.execute(query).mappings()]


async def stop_overdue(context: Context) -> float:
    """The backstop of the time to live, which the runner watches itself."""
    due = float("inf")
    for task in context.db.peek(_LIMITED.rows):
        at = task["computation_started_at"] + task["time_to_live_seconds"] + TTL_MARGIN_SECONDS
        if at > context.clock():
            due = min(due, at)
        elif await context.db.write(_mark_overdue, task["id"]):
            links.stop(context, task["runner_id"], task["id"], task["attempt"], StopCause.TTL)
    return due


def _mark_overdue(tx: Transaction, task_id: str) -> bool:
    task = load(tx, [task_id])[task_id]
    if task["status"] not in ON_MACHINE or task["stop_cause"] is not None:
        return False
    attempts.ask_to_stop(tx, task, StopCause.TTL)
    return True


DUTIES: tuple[Callable[[Context], Coroutine[Any, Any, float]], ...] = (
    end_groups,
    force_shutdowns,
    stop_overdue,
)


def has_work(connection: Connection) -> bool:
    """Whether anything waits or runs on machines that this server started."""
    statuses = [*ON_MACHINE, TaskStatusCode.SUBMITTED]
    query = (
        select(tasks.c.id)
        .join(machine_groups)
        .where(
            machine_groups.c.status.in_([MachineGroupStatus.STARTED, MachineGroupStatus.SHUTTING_DOWN]),
            tasks.c.status.in_(statuses),
        )
    )
    return connection.execute(query.limit(1)).first() is not None
