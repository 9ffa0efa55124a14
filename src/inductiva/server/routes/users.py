"""The account of the key: who, what it may use, what it costs (nothing, on one's own machines)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import get
from litestar.params import FromQuery
from sqlalchemy import Connection, func, select

from inductiva.protocol.compute import MachineGroupStatus
from inductiva.protocol.times import to_wire
from inductiva.protocol.users import Quota, QuotaScope, User
from inductiva.server.db.schema import machine_groups
from inductiva.server.routes.given import Caller, Ctx


@get("/users/info", tags=["users"])
async def user_info(account: Caller) -> User:
    """Who the API key belongs to."""
    return User(
        email=account.email,
        username=account.username,
        name=account.name,
        tier="open",
        total_available_credits=0.0,
        terms_and_conditions_decision="accepted",
        registration_ts=to_wire(account.created_at) or "",
        costs_fee_percentage=0.0,
        terminate_resources_credits_threshold=0.0,
    )


def _in_use(connection: Connection, user_id: str) -> tuple[float, float]:
    """Machines and vCPUs of a user's started groups."""
    machines, vcpus = connection.execute(
        select(
            func.coalesce(func.sum(machine_groups.c.num_vms), 0),
            func.coalesce(func.sum(machine_groups.c.num_vms * machine_groups.c.cpu_cores_logical), 0),
        ).where(machine_groups.c.user_id == user_id, machine_groups.c.status == MachineGroupStatus.STARTED)
    ).one()
    return float(machines), float(vcpus)


@get("/users/quotas", tags=["users"])
async def quotas(ctx: Ctx, account: Caller) -> dict[str, Quota]:
    """What may be used at a time. One's own machines know no limit."""
    machines, vcpus = ctx.db.peek(lambda connection: _in_use(connection, account.id))
    rows = (
        ("max_price_hour", "Maximum price per hour across all machines", "USD", QuotaScope.GLOBAL, 0.0),
        ("max_vcpus", "Maximum vCPUs", "vCPU", QuotaScope.GLOBAL, vcpus),
        ("max_instances", "Maximum machines", "instance", QuotaScope.GLOBAL, machines),
        ("max_disk_size", "Maximum disk size", "GB", QuotaScope.INSTANCE, None),
    )
    return {
        name: Quota(id=name, label=label, unit=unit, scope=scope, in_use=used)
        for name, label, unit, scope, used in rows
    }


@get("/users/costs", tags=["users"])
async def costs(
    account: Caller,
    start_year: FromQuery[int | None] = None,
    start_month: FromQuery[int | None] = None,
    end_year: FromQuery[int | None] = None,
    end_month: FromQuery[int | None] = None,
) -> dict[str, Any]:
    """What each month cost: nothing, since the machines are one's own. At least one month, at most ten years."""
    now = datetime.now(UTC)
    first = (start_year or now.year) * 12 + (start_month or now.month) - 1
    last = (end_year or now.year) * 12 + (end_month or now.month) - 1
    months = [
        f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(first, min(max(first, last), first + 119) + 1)
    ]
    nothing = dict.fromkeys(("compute", "storage", "data_transfer", "task_orchestration"), 0.0)
    return {
        "currency": "USD",
        "credits": 0.0,
        "costs": [{"month": month, "total": 0.0, "components": nothing, "type": "consolidated"} for month in months],
    }


@get("/users/fees", tags=["users"])
async def fees(account: Caller) -> dict[str, Any]:
    """Fees: none."""
    return {
        "costs_fee_percentage": {"amount": 0, "active": False, "active_since": None, "unit": "%"},
        "task_orchestration_fee": {"amount": 0.0, "active": False, "active_since": None, "unit": "USD"},
    }


HANDLERS = [user_info, quotas, costs, fees]
