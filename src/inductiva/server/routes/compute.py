"""Machine groups."""

from __future__ import annotations

from typing import Any

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from sqlalchemy import Connection, select

from inductiva.protocol.compute import MachineGroup, MachinePrice, RegisterGroupRequest
from inductiva.protocol.status import ON_MACHINE
from inductiva.server.db.schema import tasks
from inductiva.server.domain.shapes import lookup
from inductiva.server.routes.given import Caller, Ctx
from inductiva.server.services import groups, sweeper, views


def _view(ctx: Ctx, row: groups.GroupRow) -> MachineGroup:
    def rows(connection: Connection) -> tuple[list[Any], dict[str, str]]:
        busy = select(tasks.c.runner_id, tasks.c.id).where(
            tasks.c.group_id == row["id"], tasks.c.status.in_([*ON_MACHINE])
        )
        current = {found.runner_id: found.id for found in connection.execute(busy)}
        machines = groups.machines_of(connection, row["id"])
        # A connected machine was seen just now; the table knows when a connection ended.
        seen = [
            {**machine, "last_seen_at": ctx.clock() if machine["id"] in ctx.links else machine["last_seen_at"]}
            for machine in machines
        ]
        return seen, current

    machines, current = ctx.db.query(rows)
    since = sweeper.idle_since(ctx, row) if row["started_at"] is not None and row["terminated_at"] is None else None
    return views.group(row, machines, current, None if since is None else ctx.clock() - since)


@post("/compute/group", status_code=201, tags=["compute"])
async def register(ctx: Ctx, account: Caller, data: JSONBody[RegisterGroupRequest]) -> MachineGroup:
    """Registers a machine group. A `LOCAL` one is started at once: its machines join by themselves."""
    group_id = await ctx.db.write(groups.register, groups.prepare(account.id, data, ctx.fleet.host))
    ctx.sweeper.wake()
    return _view(ctx, ctx.db.peek(lambda connection: groups.find(connection, account.id, group_id)))


@post("/compute/group/start", status_code=200, tags=["compute"])
async def start(ctx: Ctx, account: Caller, machine_group_id: FromQuery[str]) -> MachineGroup:
    """Starts a group's machines; answers when they are there. Harmless when they are."""
    row = ctx.db.peek(lambda connection: groups.find(connection, account.id, machine_group_id))
    await groups.start(ctx, row)
    return _view(ctx, ctx.db.peek(lambda connection: groups.find(connection, account.id, machine_group_id)))


@delete("/compute/group", status_code=202, tags=["compute"])
async def terminate(ctx: Ctx, account: Caller, machine_group_id: FromQuery[str]) -> dict[str, str]:
    """Ends a group: waiting tasks end, running ones are stopped and their outputs stored, then its machines leave."""
    row = ctx.db.peek(lambda connection: groups.find(connection, account.id, machine_group_id))
    await groups.terminate(ctx, row)
    row = ctx.db.peek(lambda connection: groups.find(connection, account.id, machine_group_id))
    return {"id": row["id"], "status": row["status"]}


@get("/compute/groups", tags=["compute"])
async def list_groups(ctx: Ctx, account: Caller) -> list[MachineGroup]:
    """The groups that have not ended, the newest first."""
    rows = await ctx.db.read(lambda connection: groups.list_open(connection, account.id))
    return [_view(ctx, row) for row in rows]


@get("/compute/group/{name:str}", tags=["compute"])
async def get_group(ctx: Ctx, account: Caller, name: FromPath[str]) -> MachineGroup:
    """A group by its name or id."""
    return _view(ctx, ctx.db.peek(lambda connection: groups.find_by_name(connection, account.id, name)))


@get("/compute/price", tags=["compute"])
async def price(account: Caller, machine_type: FromQuery[str], zone: FromQuery[str | None] = None) -> MachinePrice:
    """List prices of a machine type, in US dollars an hour. On this computer nothing is charged."""
    shape = lookup(machine_type)
    return MachinePrice(shape.on_demand_price, shape.spot_price)


HANDLERS = [register, start, terminate, list_groups, get_group, price]
