"""Lists of tasks: filtered, sorted, a page at a time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from inductiva.protocol.status import TERMINAL, TaskStatusCode
from inductiva.protocol.tasks import TaskWithPagination
from inductiva.server import problems
from inductiva.server.db.schema import machine_groups, projects, task_metadata, tasks
from inductiva.server.services import views

_SORTABLE: dict[str, ColumnElement[Any]] = {
    "create_time": tasks.c.seq,
    "task_id": tasks.c.id,
    "status": tasks.c.status,
    "simulator": tasks.c.simulator,
    "start_time": tasks.c.started_at,
    "computation_start_time": tasks.c.computation_started_at,
    "computation_end_time": tasks.c.computation_ended_at,
    "end_time": tasks.c.ended_at,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """`page` from 1; empty filters let everything through. `sort` as `field:asc` or `field:desc`."""

    user_id: str
    page: int
    per_page: int
    statuses: list[TaskStatusCode]
    projects: list[str]
    active: bool | None
    task_id_filter: str | None
    machine_group: str | None
    sort: list[str]


def list_tasks(connection: Connection, wanted: Wanted) -> TaskWithPagination:
    """One page of a user's tasks, the newest first unless `sort` says otherwise."""
    condition = _condition(connection, wanted)
    total = connection.execute(select(func.count()).select_from(tasks).where(condition)).scalar_one()
    page = (
        select(tasks.c.seq)
        .where(condition)
        .order_by(*_order(wanted.sort))
        .limit(wanted.per_page)
        .offset((wanted.page - 1) * wanted.per_page)
    )
    places = list(connection.execute(page).scalars())
    found = connection.execute(views.QUERY.where(tasks.c.seq.in_(places))).mappings()
    rows = {row["seq"]: dict(row) for row in found}
    metadata = _metadata(connection, [row["id"] for row in rows.values()])
    return TaskWithPagination(total, [views.task(rows[seq], metadata[rows[seq]["id"]]) for seq in places])


def _condition(connection: Connection, wanted: Wanted) -> ColumnElement[bool]:
    conditions = [tasks.c.user_id == wanted.user_id]
    if wanted.statuses:
        conditions.append(tasks.c.status.in_(wanted.statuses))
    if wanted.active is not None:
        ended = [*TERMINAL]
        conditions.append(tasks.c.status.not_in(ended) if wanted.active else tasks.c.status.in_(ended))
    if wanted.projects:
        named = select(projects.c.id).where(projects.c.user_id == wanted.user_id, projects.c.name.in_(wanted.projects))
        conditions.append(tasks.c.project_id.in_(list(connection.execute(named).scalars())))
    if wanted.machine_group:
        group = (machine_groups.c.name == wanted.machine_group) | (machine_groups.c.id == wanted.machine_group)
        conditions.append(tasks.c.group_id.in_(select(machine_groups.c.id).where(group)))
    if wanted.task_id_filter:
        conditions.append(tasks.c.id.contains(wanted.task_id_filter, autoescape=True))
    return and_(*conditions)


def _order(sort: list[str]) -> list[ColumnElement[Any]]:
    order: list[ColumnElement[Any]] = []
    for item in sort:
        name, _, direction = item.partition(":")
        if name not in _SORTABLE or direction not in ("", "asc", "desc"):
            known = ", ".join(_SORTABLE)
            raise problems.Invalid(f"cannot sort by {item!r}; give FIELD:asc or FIELD:desc with one of {known}")
        column = _SORTABLE[name]
        order.append(column.desc() if direction == "desc" else column.asc())
    return [*order, tasks.c.seq.desc()]


def _metadata(connection: Connection, task_ids: list[str]) -> dict[str, dict[str, str]]:
    rows = connection.execute(select(task_metadata).where(task_metadata.c.task_id.in_(task_ids)))
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        found[row.task_id][row.key] = row.value
    return found
