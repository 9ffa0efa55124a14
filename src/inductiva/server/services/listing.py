"""Lists of tasks: filtered, sorted, a page at a time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, union_all

from inductiva.protocol.status import TERMINAL, TaskStatusCode
from inductiva.protocol.tasks import TaskWithPagination
from inductiva.server import problems
from inductiva.server.db.schema import machine_groups, projects, task_counts, task_metadata, tasks
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


@dataclass(frozen=True, slots=True)
class _Filter:
    """`kinds`: (status, project id) pairs, None for any, each of which an index answers; `rest`: other conditions."""

    kinds: list[tuple[TaskStatusCode | None, str | None]]
    rest: list[ColumnElement[bool]]


def list_tasks(connection: Connection, wanted: Wanted) -> TaskWithPagination:
    """One page of a user's tasks, the newest first unless `sort` says otherwise."""
    chosen = _filter(connection, wanted)
    if not chosen.kinds:
        return TaskWithPagination(0, [])
    places = list(connection.execute(_page(wanted, chosen)).scalars())
    found = connection.execute(views.QUERY.where(tasks.c.seq.in_(places))).mappings()
    rows = {row["seq"]: dict(row) for row in found}
    metadata = _metadata(connection, [row["id"] for row in rows.values()])
    page = [views.task(rows[seq], metadata[rows[seq]["id"]]) for seq in places]
    return TaskWithPagination(_total(connection, wanted, chosen), page)


def _filter(connection: Connection, wanted: Wanted) -> _Filter:
    statuses: list[TaskStatusCode | None] = [*_statuses(wanted)]
    project_ids: list[str | None] = [None]
    if wanted.projects:
        named = select(projects.c.id).where(projects.c.user_id == wanted.user_id, projects.c.name.in_(wanted.projects))
        project_ids = [*connection.execute(named).scalars()]
    rest: list[ColumnElement[bool]] = []
    if wanted.machine_group:
        group = (machine_groups.c.name == wanted.machine_group) | (machine_groups.c.id == wanted.machine_group)
        rest.append(tasks.c.group_id.in_(select(machine_groups.c.id).where(group)))
    if wanted.task_id_filter:
        rest.append(tasks.c.id.contains(wanted.task_id_filter, autoescape=True))
    return _Filter([(status, project) for status in statuses for project in project_ids], rest)


def _statuses(wanted: Wanted) -> list[TaskStatusCode | None]:
    """The statuses to look for; None for all of them."""
    if not wanted.statuses and wanted.active is None:
        return [None]
    known = dict.fromkeys(wanted.statuses or TaskStatusCode)
    return [status for status in known if wanted.active is None or (status not in TERMINAL) == wanted.active]


def _condition(wanted: Wanted, chosen: _Filter, kind: tuple[TaskStatusCode | None, str | None]) -> ColumnElement[bool]:
    status, project = kind
    conditions = [tasks.c.user_id == wanted.user_id, *chosen.rest]
    if status is not None:
        conditions.append(tasks.c.status == status)
    if project is not None:
        conditions.append(tasks.c.project_id == project)
    return and_(*conditions)


def _page(wanted: Wanted, chosen: _Filter) -> Select[tuple[int]]:
    """The tasks of a page. Newest first, each kind is read from the end of its own index, and then merged."""
    offset = (wanted.page - 1) * wanted.per_page
    conditions = [_condition(wanted, chosen, kind) for kind in chosen.kinds]
    if wanted.sort or len(conditions) == 1:
        ordered = select(tasks.c.seq).where(or_(*conditions)).order_by(*_order(wanted.sort))
        return ordered.limit(wanted.per_page).offset(offset)
    newest = [
        select(tasks.c.seq).where(condition).order_by(tasks.c.seq.desc()).limit(offset + wanted.per_page).subquery()
        for condition in conditions
    ]
    merged = union_all(*(select(part.c.seq) for part in newest)).subquery()
    return select(merged.c.seq).order_by(merged.c.seq.desc()).limit(wanted.per_page).offset(offset)


def _total(connection: Connection, wanted: Wanted, chosen: _Filter) -> int:
    """How many there are on all pages; kinds are counted already."""
    if chosen.rest:
        matching = or_(*(_condition(wanted, chosen, kind) for kind in chosen.kinds))
        return connection.execute(select(func.count()).select_from(tasks).where(matching)).scalar_one()
    rows = connection.execute(select(task_counts).where(task_counts.c.user_id == wanted.user_id)).all()
    kinds = set(chosen.kinds)
    return sum(row.tasks for row in rows if kinds & _kinds_of(TaskStatusCode(row.status), row.project_id))


def _kinds_of(status: TaskStatusCode, project: str) -> set[tuple[TaskStatusCode | None, str | None]]:
    return {(status, project), (status, None), (None, project), (None, None)}


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
