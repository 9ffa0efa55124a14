"""Machines: a runner is a machine of a group, known by a token of which only the hash is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from inductiva.protocol.compute import MachineGroupStatus
from inductiva.protocol.runner import AttemptRef, AttemptState, HostInfo
from inductiva.protocol.status import ON_MACHINE
from inductiva.protocol.watch import LogStream
from inductiva.server.db.engine import Transaction
from inductiva.server.db.schema import machine_groups, machines, tasks
from inductiva.server.services.accounts import hash_key
from inductiva.server.services.attempts import is_current
from inductiva.server.services.lifecycle import TaskRow, change
from inductiva.server.services.logs import LogStore

ENDED = (MachineGroupStatus.TERMINATED, MachineGroupStatus.START_FAILED)


@dataclass(frozen=True, slots=True)
class Machine:
    id: str
    group_id: str


def by_token(connection: Connection, token: str) -> Machine | None:
    """The machine whose token it is; None when there is none or it has ended."""
    row = connection.execute(
        select(machines.c.id, machines.c.group_id)
        .join(machine_groups)
        .where(
            machines.c.token_hash == hash_key(token),
            machines.c.terminated_at.is_(None),
            machine_groups.c.status.not_in(ENDED),
        )
    ).one_or_none()
    return Machine(row.id, row.group_id) if row is not None else None


@dataclass(frozen=True, slots=True)
class NewMachine:
    id: str
    group_id: str
    token: str


def create(tx: Transaction, new: NewMachine) -> None:
    tx.conn.execute(
        insert(machines).values(id=new.id, group_id=new.group_id, token_hash=hash_key(new.token), created_at=tx.now)
    )


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a runner says when it connects."""

    runner_id: str
    host: HostInfo
    attempts: Sequence[AttemptRef]
    lease_seconds: float
    logs: LogStore


@dataclass(frozen=True, slots=True)
class Greeted:
    """`held`: attempts that are the runner's; `unheard`: those it was given but has not heard of; `stopping`: those
    that must stop."""

    held: list[AttemptState]
    unheard: list[TaskRow]
    stopping: list[TaskRow]
    retire: bool


def greet(tx: Transaction, greeting: Greeting) -> Greeted:
    """Notes the machine's host, renews the leases of the attempts it holds, and finds out what it must be told."""
    _note_host(tx, greeting)
    rows = tx.conn.execute(
        select(tasks).where(tasks.c.runner_id == greeting.runner_id, tasks.c.lease_until.is_not(None))
    ).mappings()
    own = {row["id"]: dict(row) for row in rows if row["status"] in ON_MACHINE}
    named = [ref for ref in greeting.attempts if is_current(own.get(ref.task_id), greeting.runner_id, ref.attempt)]
    names = {ref.task_id for ref in named}
    unheard = [task for task in own.values() if task["id"] not in names and task["report_seq"] == 0]
    for task in (*(own[name] for name in names), *unheard):
        change(tx, task, {"lease_until": tx.now + greeting.lease_seconds})
    return Greeted(
        held=[_state(greeting.logs, own[ref.task_id]) for ref in named],
        unheard=unheard,
        stopping=[task for task in own.values() if task["stop_cause"] is not None],
        retire=_group_status(tx, greeting.runner_id) == MachineGroupStatus.SHUTTING_DOWN,
    )


def _note_host(tx: Transaction, greeting: Greeting) -> None:
    host = greeting.host
    known = tx.conn.execute(select(machines.c.started_at).where(machines.c.id == greeting.runner_id)).scalar()
    tx.conn.execute(
        update(machines)
        .where(machines.c.id == greeting.runner_id)
        .values(
            pid=host.pid,
            host_name=host.host_name,
            cpu_count_logical=host.cpu_count_logical,
            cpu_count_physical=host.cpu_count_physical,
            memory_bytes=host.memory_bytes,
            disk_free_bytes=host.disk_free_bytes,
            sandbox=host.sandbox,
            started_at=known or tx.now,
            last_seen_at=tx.now,
        )
    )


def _group_status(tx: Transaction, runner_id: str) -> str | None:
    return tx.conn.execute(
        select(machine_groups.c.status).join(machines).where(machines.c.id == runner_id)
    ).scalar_one_or_none()


def _state(logs: LogStore, task: TaskRow) -> AttemptState:
    offsets = {stream: logs.size(task["id"], task["attempt"], stream) for stream in LogStream}
    return AttemptState(
        task["id"], task["attempt"], task["report_seq"], offsets[LogStream.STDOUT], offsets[LogStream.STDERR]
    )


def see(tx: Transaction, runner_id: str) -> None:
    """The machine was connected until now."""
    tx.conn.execute(update(machines).where(machines.c.id == runner_id).values(last_seen_at=tx.now))


def note_pid(tx: Transaction, started: tuple[str, int]) -> None:
    """`started`: machine id and the process that was started for it."""
    machine_id, pid = started
    tx.conn.execute(update(machines).where(machines.c.id == machine_id).values(pid=pid))


def holds_work(connection: Connection, runner_id: str) -> bool:
    """Whether a task is on this machine."""
    statuses = (*ON_MACHINE,)
    query = select(tasks.c.id).where(
        tasks.c.runner_id == runner_id, tasks.c.lease_until.is_not(None), tasks.c.status.in_(statuses)
    )
    return connection.execute(query.limit(1)).first() is not None
