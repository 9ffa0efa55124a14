"""Machine groups: registered, started, terminated."""

from __future__ import annotations

import secrets
import string
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from inductiva.protocol.compute import MachineGroupStatus, MachineGroupType, Provider, RegisterGroupRequest
from inductiva.protocol.runner import Retire, StopCause
from inductiva.protocol.status import ON_MACHINE, Actor, TaskEvent, TaskStatusCode
from inductiva.protocol.times import from_wire
from inductiva.server import problems
from inductiva.server.context import Context
from inductiva.server.db.engine import Transaction
from inductiva.server.db.schema import machine_groups, machines, tasks
from inductiva.server.domain import shapes
from inductiva.server.services import attempts, links
from inductiva.server.services.lifecycle import transition

GroupRow = dict[str, Any]
ENDED = (MachineGroupStatus.TERMINATED, MachineGroupStatus.SHUTTING_DOWN)
MAX_NAME_CHARACTERS = 128
_WAITING = (TaskStatusCode.PENDING_INPUT, TaskStatusCode.SUBMITTED)


def find(connection: Connection, user_id: str, group_id: str) -> GroupRow:
    """A user's machine group. Raises NotFound."""
    row = (
        connection.execute(
            select(machine_groups).where(machine_groups.c.id == group_id, machine_groups.c.user_id == user_id)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise problems.NotFound(f"there is no machine group {group_id!r} ; 'inductiva resources list' shows yours")
    return dict(row)


def find_by_name(connection: Connection, user_id: str, name: str) -> GroupRow:
    """A user's machine group by name (or id), those that have ended left out. Raises NotFound."""
    named = (machine_groups.c.name == name) | (machine_groups.c.id == name)
    query = select(machine_groups).where(
        named, machine_groups.c.user_id == user_id, machine_groups.c.terminated_at.is_(None)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        raise problems.NotFound(f"there is no machine group named {name!r}; 'inductiva resources list' shows yours")
    return dict(row)


def list_open(connection: Connection, user_id: str) -> list[GroupRow]:
    """A user's groups that have not ended, the newest first."""
    query = (
        select(machine_groups)
        .where(machine_groups.c.user_id == user_id, machine_groups.c.terminated_at.is_(None))
        .order_by(machine_groups.c.created_at.desc())
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def machines_of(connection: Connection, group_id: str) -> list[dict[str, Any]]:
    query = select(machines).where(machines.c.group_id == group_id).order_by(machines.c.created_at)
    return [dict(row) for row in connection.execute(query).mappings()]


# Registration


@dataclass(frozen=True, slots=True)
class Registration:
    user_id: str
    values: dict[str, Any]


def prepare(user_id: str, request: RegisterGroupRequest, host: shapes.Host) -> Registration:
    """Checks a request and fills in what its machine type says. Raises Invalid."""
    name = request.name or f"api-{''.join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(25))}"
    if len(name) > MAX_NAME_CHARACTERS or "/" in name or not name.isprintable():
        raise problems.Invalid(f"the name {name[:40]!r} must be printable, without '/', and of at most 128 characters")
    elastic = request.is_elastic or request.type is MachineGroupType.ELASTIC
    counts = _counts(request, elastic)
    local = request.provider_id is Provider.LOCAL
    shape = shapes.of_host(host, request) if local else shapes.of_type(host, request, counts["max_vms"])
    kind = request.type if request.type is MachineGroupType.MPI else MachineGroupType.STANDARD
    resize = request.dynamic_disk_resize_config
    return Registration(
        user_id,
        {
            "id": str(uuid.uuid4()),
            "user_id": user_id,
            "name": name,
            "provider_id": request.provider_id,
            "type": kind,
            "status": MachineGroupStatus.STARTED if local else MachineGroupStatus.REGISTERED,
            "spot": request.spot,
            "is_elastic": elastic,
            **counts,
            **msgspec.structs.asdict(shape),
            "threads_per_core": request.threads_per_core,
            "disk_size_gb": request.disk_size_gb,
            "max_idle_time": _positive(request.max_idle_time, "max_idle_time"),
            "auto_terminate_at": _instant(request.auto_terminate_ts),
            "dynamic_disk_resize_config": msgspec.to_builtins(resize) if resize else None,
            "custom_vm_image": request.custom_vm_image,
        },
    )


def _counts(request: RegisterGroupRequest, elastic: bool) -> dict[str, int]:
    minimum = (request.min_vms if elastic else None) or request.num_vms or 1
    maximum = request.max_vms or minimum if elastic else minimum
    if not 1 <= minimum <= maximum <= shapes.MAX_MACHINES:
        raise problems.Invalid(
            f"a group of {minimum} to {maximum} machines is not possible: give 1 to {shapes.MAX_MACHINES} machines, "
            "and no more at least than at most"
        )
    return {"num_vms": minimum, "min_vms": minimum, "max_vms": maximum}


def _positive(value: float | None, name: str) -> float | None:
    if value is not None and not 0 < value < 1e10:
        raise problems.Invalid(f"{name} is {value}; give a positive number of seconds, or leave it out for no limit")
    return value


def _instant(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        time = from_wire(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise problems.Invalid(f"auto_terminate_ts: {error}; give a time as 2026-01-31T12:00:00+00:00") from error
    return None if time.year >= 9999 else time.timestamp()  # year 9999 means never


def register(tx: Transaction, new: Registration) -> str:
    """Inserts a group and returns its id. A name that a group in use has is refused."""
    values = dict(new.values)
    started = tx.now if values["status"] == MachineGroupStatus.STARTED else None
    try:
        tx.conn.execute(insert(machine_groups).values(**values, created_at=tx.now, started_at=started))
    except IntegrityError:
        raise problems.Conflict(
            f"you have a machine group named {values['name']!r} already; terminate it or choose another name"
        ) from None
    return str(values["id"])


# Life


@dataclass(frozen=True, slots=True)
class StatusChange:
    group_id: str
    status: MachineGroupStatus


def set_status(tx: Transaction, wanted: StatusChange) -> None:
    """Starting, started or failed to start. Raises Conflict when the group is being or has been terminated."""
    values: dict[str, Any] = {"status": wanted.status}
    if wanted.status is MachineGroupStatus.STARTED:
        values["started_at"] = tx.now
    changed = tx.conn.execute(
        update(machine_groups)
        .where(machine_groups.c.id == wanted.group_id, machine_groups.c.status.not_in(ENDED))
        .values(values)
    )
    if changed.rowcount == 0:
        raise problems.Conflict("this machine group has been terminated; create another one")


async def start(context: Context, group: GroupRow) -> None:
    """Starts a group's machines and waits until they are there. Harmless when it is started."""
    if group["status"] == MachineGroupStatus.STARTED:
        return
    if group["status"] in ENDED:
        raise problems.Conflict(f"the machine group {group['name']} is {group['status']}; create another one")
    await context.db.write(set_status, StatusChange(group["id"], MachineGroupStatus.STARTING))
    try:
        await context.fleet.start(group)
    except problems.Problem:
        await context.db.write(set_status, StatusChange(group["id"], MachineGroupStatus.START_FAILED))
        raise
    await context.db.write(set_status, StatusChange(group["id"], MachineGroupStatus.STARTED))
    context.active_at[group["id"]] = context.clock()
    context.dispatcher.kick(group["id"])
    context.sweeper.wake()


@dataclass(frozen=True, slots=True)
class Termination:
    group_id: str
    cause: StopCause


@dataclass(frozen=True, slots=True)
class Terminating:
    """`stopping`: runner id, task id and attempt of what runs. `waiting_for`: machines that must leave first."""

    stopping: list[tuple[str, str, int]]
    waiting_for: list[str]


def begin_termination(tx: Transaction, wanted: Termination) -> Terminating:
    """Waiting tasks end, running ones are to stop, and the group is shutting down until its machines have left."""
    rows = [
        dict(row)
        for row in tx.conn.execute(
            select(tasks).where(tasks.c.group_id == wanted.group_id, tasks.c.status.in_((*_WAITING, *ON_MACHINE)))
        ).mappings()
    ]
    stopping = []
    for task in rows:
        if task["status"] in _WAITING:
            transition(tx, task, TaskEvent.GROUP_TERMINATED, Actor.SERVER)
        else:
            attempts.ask_to_stop(tx, task, wanted.cause)
            stopping.append((task["runner_id"], task["id"], task["attempt"]))
    tx.conn.execute(
        update(machine_groups)
        .where(machine_groups.c.id == wanted.group_id, machine_groups.c.terminate_requested_at.is_(None))
        .values(status=MachineGroupStatus.SHUTTING_DOWN, terminate_requested_at=tx.now)
    )
    return Terminating(stopping, end_if_empty(tx, wanted.group_id))


def end_if_empty(tx: Transaction, group_id: str) -> list[str]:
    """A group that is shutting down has ended when its machines have left. Returns those that have not."""
    left = list(
        tx.conn.execute(
            select(machines.c.id).where(machines.c.group_id == group_id, machines.c.terminated_at.is_(None))
        ).scalars()
    )
    if not left:
        tx.conn.execute(
            update(machine_groups)
            .where(machine_groups.c.id == group_id, machine_groups.c.status == MachineGroupStatus.SHUTTING_DOWN)
            .values(status=MachineGroupStatus.TERMINATED, terminated_at=tx.now)
        )
    return left


async def terminate(context: Context, group: GroupRow, cause: StopCause = StopCause.GROUP_TERMINATED) -> None:
    """Begins to end a group; returns as soon as that is certain. Harmless when it was done before."""
    if group["status"] == MachineGroupStatus.TERMINATED:
        return
    ending = await context.db.write(begin_termination, Termination(group["id"], cause))
    for runner_id, task_id, attempt in ending.stopping:
        links.stop(context, runner_id, task_id, attempt, cause)
    for machine_id in ending.waiting_for:
        link = context.link_of(machine_id)
        if link is not None:
            link.retiring = True
            link.send(Retire("the machine group is being terminated"))
    context.sweeper.wake()


def machine_left(tx: Transaction, machine_id: str) -> None:
    """A machine is gone for good if its group is ending; otherwise it will come back."""
    row = tx.conn.execute(
        select(machine_groups.c.id, machine_groups.c.status).join(machines).where(machines.c.id == machine_id)
    ).one_or_none()
    if row is not None and row.status in ENDED:
        tx.conn.execute(
            update(machines)
            .where(machines.c.id == machine_id, machines.c.terminated_at.is_(None))
            .values(terminated_at=tx.now, last_seen_at=tx.now)
        )
        end_if_empty(tx, row.id)
