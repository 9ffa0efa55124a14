"""`fsck`: what the database says, replayed from its event log and compared with what is on the disk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy
from sqlalchemy import Connection, select

from inductiva.archive import OWN_LIMITS, ArchiveError, check_file
from inductiva.protocol.status import ON_MACHINE, STATUSES, TaskEvent, TaskStatusCode, next_status
from inductiva.server.config import Config
from inductiva.server.db.schema import machine_groups, machines, task_events, tasks
from inductiva.server.domain.timestamps import stamps
from inductiva.server.objects.local import ObjectStore
from inductiva.server.services.tasks import output_path

CHUNK = 1000
TIME_COLUMNS = ("input_submitted_at", "started_at", "computation_started_at", "computation_ended_at", "ended_at")


class Finding(msgspec.Struct, frozen=True):
    """`kind`: status, attempt, time, output, lease or orphan. `subject`: a task id or a path."""

    kind: str
    subject: str
    detail: str


def report(config: Config, as_json: bool) -> int:
    """Checks a data directory and prints what was found. Returns 1 if anything was."""
    if not config.layout.database.exists():
        print(f"there is no database at {config.layout.database}; is this the data directory?", file=sys.stderr)
        return 2
    engine = sqlalchemy.create_engine(f"sqlite:///{config.layout.database}", json_deserializer=msgspec.json.decode)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")  # one view of the database, even while a server writes to it
        findings = list(check(connection, config))
        checked = connection.execute(select(sqlalchemy.func.count()).select_from(tasks)).scalar_one()
    engine.dispose()
    if as_json:
        print(msgspec.json.encode({"tasks": checked, "findings": findings}).decode())
    else:
        for finding in findings:
            print(f"{finding.kind}: {finding.subject}: {finding.detail}")
        print(f"{checked} tasks checked, {len(findings)} findings")
    return 1 if findings else 0


def check(connection: Connection, config: Config) -> Iterator[Finding]:
    """Everything that is not as it should be."""
    store = ObjectStore(config.layout.objects, config.staging)
    last = 0
    while rows := _chunk(connection, last):
        last = rows[-1]["seq"]
        events = _events(connection, [row["id"] for row in rows])
        for row in rows:
            yield from check_task(row, events.get(row["id"], []))
            yield from check_output(store, row)
    yield from check_orphans(connection, config)


def _chunk(connection: Connection, after: int) -> list[dict[str, Any]]:
    query = select(tasks).where(tasks.c.seq > after).order_by(tasks.c.seq).limit(CHUNK)
    return [dict(row) for row in connection.execute(query).mappings()]


def _events(connection: Connection, task_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    query = select(task_events).where(task_events.c.task_id.in_(task_ids))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(query.order_by(task_events.c.task_id, task_events.c.seq)).mappings():
        found.setdefault(row["task_id"], []).append(dict(row))
    return found


def check_task(task: dict[str, Any], events: list[dict[str, Any]]) -> Iterator[Finding]:
    """Replays a task's events through the table: status, attempt and timestamps must come out as they are stored."""
    status, attempt = TaskStatusCode.PENDING_INPUT, 0
    times: dict[str, Any] = dict.fromkeys(TIME_COLUMNS)
    for number, event in enumerate(events, 1):
        if event["seq"] != number:
            yield Finding("status", task["id"], f"event {number} is missing from its log")
            return
        name = TaskEvent(event["event"])
        after = next_status(status, name)
        if after is None or after != event["status"]:
            yield Finding("status", task["id"], f"{name} in {status} gives {after}, its log says {event['status']}")
            return
        attempt += name is TaskEvent.CLAIMED
        status = after
        values = stamps(name, after, event["time"])
        times |= {column: value for column, value in values.items() if column in times}
    if status != task["status"] or len(events) != task["event_seq"]:
        yield Finding("status", task["id"], f"its events give {status}, the database says {task['status']}")
    if attempt != task["attempt"]:
        yield Finding("attempt", task["id"], f"it was claimed {attempt} times but is at attempt {task['attempt']}")
    yield from _check_times(task, times)
    if (task["lease_until"] is not None) != (status in ON_MACHINE):
        yield Finding("lease", task["id"], f"its lease is {task['lease_until']} in {status}")


def _check_times(task: dict[str, Any], times: dict[str, Any]) -> Iterator[Finding]:
    for column, value in times.items():
        if value != task[column]:
            yield Finding("time", task["id"], f"{column} is {task[column]}, its events say {value}")
    known = [task["created_at"], *(task[column] for column in TIME_COLUMNS if task[column] is not None)]
    if known != sorted(known):
        yield Finding("time", task["id"], "its timestamps are not in order")


def check_output(store: ObjectStore, task: dict[str, Any]) -> Iterator[Finding]:
    """An ended task that ran has its output: the size and SHA-256 that were verified, and a zip that opens."""
    if not STATUSES[TaskStatusCode(task["status"])].terminal or task["attempt"] == 0:
        return
    if task["output_sha256"] is None:
        yield Finding("output", task["id"], f"it ended as {task['status']} without an output archive")
        return
    path = store.locate(task["user_id"], output_path(task))
    try:
        digest = store.digest(path)
        check_file(path, limits=OWN_LIMITS)
    except FileNotFoundError:
        yield Finding("output", task["id"], f"{path} is missing")
    except ArchiveError as error:
        yield Finding("output", task["id"], f"{path} cannot be opened: {error}")
    else:
        if (digest.size, digest.sha256) != (task["output_size"], task["output_sha256"]):
            yield Finding("output", task["id"], f"{path} is not the archive that was verified")


def check_orphans(connection: Connection, config: Config) -> Iterator[Finding]:
    """Files and directories that belong to nothing: outputs and workspaces of attempts that are over or unknown."""
    current = {
        (row.id, row.attempt)
        for row in connection.execute(select(tasks.c.id, tasks.c.attempt).where(tasks.c.lease_until.is_not(None)))
    }
    for path in config.staging.iterdir() if config.staging.is_dir() else ():
        task_id, _, attempt = path.name.removesuffix(".zip").partition(".")
        if path.name.startswith(".incoming-"):
            yield Finding("orphan", str(path), "an upload that was not completed")
        elif not attempt.isdigit() or (task_id, int(attempt)) not in current:
            yield Finding("orphan", str(path), "the output of an attempt that is over")
    yield from _orphan_workspaces(connection, config, current)


def _orphan_workspaces(connection: Connection, config: Config, current: set[tuple[str, int]]) -> Iterator[Finding]:
    query = select(machines.c.id).join(machine_groups).where(machines.c.terminated_at.is_(None))
    in_use = set(connection.execute(query).scalars())
    for machine in config.layout.machines.iterdir() if config.layout.machines.is_dir() else ():
        for workspace in (machine / "attempts").glob("*") if (machine / "attempts").is_dir() else ():
            task_id, _, attempt = workspace.name.partition(".")
            if machine.name not in in_use or not attempt.isdigit() or (task_id, int(attempt)) not in current:
                yield Finding("orphan", str(workspace), "the workspace of an attempt that is over")
