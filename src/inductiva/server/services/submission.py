"""Submitting tasks, as many at a time as wait: one transaction for all of them."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Select, Text, bindparam, func, insert, literal_column, select

from inductiva.protocol import commands
from inductiva.protocol.compute import MachineGroupStatus
from inductiva.protocol.ids import new_task_id
from inductiva.protocol.runner import ExtraParams
from inductiva.protocol.status import TaskStatusCode
from inductiva.protocol.tasks import TaskRequest
from inductiva.server import problems
from inductiva.server.db.engine import Transaction
from inductiva.server.db.prepared import Prepared, to_json
from inductiva.server.db.schema import machine_groups, projects, tasks
from inductiva.server.domain import paths

DEFAULT_PROJECT = "default"
MAX_COMMANDS = 10_000
MAX_PROJECT_CHARACTERS = 128
MAX_KEY_CHARACTERS = 200
MAX_TTL_SECONDS = 10 * 365 * 86400.0


def _one_of(name: str) -> Select[Any]:
    """The items of a parameter that is a JSON list."""
    return select(func.json_each(bindparam(name, type_=Text)).table_valued("value"))


_GROUPS = Prepared(
    select(machine_groups.c.user_id, machine_groups.c.id, machine_groups.c.status).where(
        machine_groups.c.id.in_(_one_of("named"))
    )
)
_BY_KEY = Prepared(
    select(
        *(tasks.c[name] for name in ("id", "status", "time_to_live_seconds", "storage_path")),
        tasks.c.idempotency_key,
        tasks.c.request_hash,
    ).where(tasks.c.user_id == bindparam("user"), tasks.c.idempotency_key.in_(_one_of("used")))
)
_PROJECT = Prepared(
    select(projects.c.id).where(projects.c.user_id == bindparam("user"), projects.c.name == bindparam("name"))
)
_COLUMNS = [
    "id", "user_id", "project_id", "group_id", "status", "simulator", "container_image", "extra_params",
    "input_resources", "stream_zip", "compress_with", "resubmit_on_preemption", "time_to_live_seconds",
    "storage_path", "idempotency_key", "request_hash", "created_at",
    "attempt", "num_retries", "report_seq", "event_seq", "metrics",
]  # fmt: skip
_ROWS = func.json_each(bindparam("rows", type_=Text)).table_valued("value")
_INSERT = Prepared(
    insert(tasks).from_select(
        _COLUMNS,
        select(
            *(_ROWS.c.value.op("->>")(literal_column(str(place))) for place in range(_COLUMNS.index("attempt"))),
            *(literal_column(text) for text in ("0", "0", "0", "0", "'{}'")),
        ),
    )
)
"""All rows in one statement: for each row of its own SQLite would give the interpreter lock away and wait for it."""
_ENDED = (MachineGroupStatus.TERMINATED, MachineGroupStatus.SHUTTING_DOWN)


@dataclass(frozen=True, slots=True)
class Submission:
    """A request that `check` found well-formed. `key` is the client's idempotency key."""

    user_id: str
    request: TaskRequest
    key: str | None
    digest: str
    task_id: str


@dataclass(frozen=True, slots=True)
class Submitted:
    task_id: str
    status: TaskStatusCode
    time_to_live_seconds: float | None
    storage_path: str

    @property
    def input_path(self) -> str:
        return f"{self.storage_path}/input.zip"


def prepare(user_id: str, request: TaskRequest, key: str | None) -> Submission:
    """Checks a request and gives it an id. Raises Invalid with what is wrong."""
    found = _problem(request, key)
    if found:
        raise problems.Invalid(found)
    digest = hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()
    return Submission(user_id, request, key, digest, new_task_id())


def _problem(request: TaskRequest, key: str | None) -> str | None:
    if key is not None and not 1 <= len(key) <= MAX_KEY_CHARACTERS:
        return f"the header Idempotency-Key has {len(key)} characters; give 1 to {MAX_KEY_CHARACTERS}"
    if not 1 <= len(request.simulator) <= 128 or len(request.container_image or "") > 1024:
        return "simulator and container_image must be short names; 'inductiva simulators list' shows those that exist"
    if request.project is not None and not 1 <= len(request.project) <= MAX_PROJECT_CHARACTERS:
        return f"a project's name has 1 to {MAX_PROJECT_CHARACTERS} characters; leave it out for the default project"
    ttl = request.time_to_live_seconds
    if ttl is not None and not 0 < ttl <= MAX_TTL_SECONDS:
        return f"time_to_live_seconds is {ttl}; give a positive number of seconds"
    for path in (paths.clean(request.storage_path_prefix or ""), *map(paths.clean, request.input_resources or [])):
        found = paths.problem(path)
        if found:
            return found
    return _extra_problem(request)


def _extra_problem(request: TaskRequest) -> str | None:
    try:
        extra = msgspec.convert(request.extra_params, ExtraParams)
    except msgspec.ValidationError as error:
        return f"extra_params: {error}"
    if len(extra.commands) > MAX_COMMANDS:
        return f"a task has at most {MAX_COMMANDS} commands; put them into a script of the input directory"
    for name, directory in (("sim_dir", extra.sim_dir), ("run_subprocess_dir", extra.run_subprocess_dir or "")):
        if directory.startswith("/") or ".." in directory.split("/") or "\0" in directory:
            return f"{name} is {directory!r}; it must be relative and stay inside of the input directory"
    return next(filter(None, (commands.problem(command.cmd, command.prompts) for command in extra.commands)), None)


def insert_all(tx: Transaction, submissions: list[Submission]) -> Sequence[Submitted | Exception]:
    """Inserts tasks; a submission whose key is known already answers for the task that has it."""
    groups = _groups(tx, submissions)
    known = _known(tx, submissions)
    project_ids = _projects(tx, submissions)
    answers: list[Submitted | Exception] = []
    rows = []
    for item in submissions:
        place = (item.user_id, item.key)
        if place in known:
            answers.append(_repeated(item, *known[place]))
            continue
        status = groups.get((item.user_id, item.request.resource_pool))
        if status is None or status in _ENDED:
            answers.append(_no_group(item.request.resource_pool, status))
            continue
        rows.append(_row(tx, item, project_ids[item.user_id, item.request.project or DEFAULT_PROJECT]))
        answer = Submitted(
            item.task_id, TaskStatusCode.PENDING_INPUT, item.request.time_to_live_seconds, storage_path(item)
        )
        answers.append(answer)
        if item.key is not None:
            known[place] = (item.digest, answer)
    if rows:
        _INSERT.run(tx.conn, {"rows": to_json(rows)})
    return answers


def _groups(tx: Transaction, submissions: list[Submission]) -> dict[tuple[str, str], str]:
    """Status of each group that is named, by user and group id."""
    named = {item.request.resource_pool for item in submissions}
    rows = _GROUPS.rows(tx.connection, named=to_json(list(named)))
    return {(row["user_id"], row["id"]): row["status"] for row in rows}


def _known(tx: Transaction, submissions: list[Submission]) -> dict[tuple[str, str | None], tuple[str, Submitted]]:
    """What was answered to keys that were used before, by user and key."""
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for item in submissions:
        if item.key is not None:
            keys[item.user_id].append(item.key)
    return {
        (user_id, row["idempotency_key"]): (
            row["request_hash"],
            Submitted(row["id"], TaskStatusCode(row["status"]), row["time_to_live_seconds"], row["storage_path"]),
        )
        for user_id, used in keys.items()
        for row in _BY_KEY.rows(tx.conn, user=user_id, used=to_json(used))
    }


def _repeated(item: Submission, digest: str, answer: Submitted) -> Submitted | Exception:
    if digest == item.digest:
        return answer
    return problems.Conflict(
        f"the Idempotency-Key {item.key!r} was used for task {answer.task_id}, which has other parameters; "
        "give each new task a key of its own"
    )


def _no_group(name: str, status: str | None) -> Exception:
    if status is None:
        return problems.NotFound(f"there is no machine group {name!r}; 'inductiva resources list' shows yours")
    return problems.Conflict(f"the machine group {name!r} is {status}; start another one and submit the task to it")


def _projects(tx: Transaction, submissions: list[Submission]) -> dict[tuple[str, str], str]:
    """Ids of the named projects, by user and name; those that are missing are created."""
    named = {(item.user_id, item.request.project or DEFAULT_PROJECT) for item in submissions}
    return {place: project_id(tx, *place) for place in named}


def project_id(tx: Transaction, user_id: str, name: str) -> str:
    """Id of a project, created when it is missing."""
    found = _PROJECT.scalar(tx.connection, user=user_id, name=name)
    if found is not None:
        return str(found)
    values = {"id": str(uuid.uuid4()), "user_id": user_id, "name": name, "project_type": "project"}
    tx.conn.execute(insert(projects).values(**values, created_at=tx.now))
    return values["id"]


def storage_path(item: Submission) -> str:
    prefix = paths.clean(item.request.storage_path_prefix or "")
    return f"{prefix}/{item.task_id}" if prefix else item.task_id


def _row(tx: Transaction, item: Submission, project: str) -> tuple[object, ...]:
    """The values of `_COLUMNS` up to those that are the same for all; JSON columns as text."""
    request = item.request
    return (
        item.task_id,
        item.user_id,
        project,
        request.resource_pool,
        TaskStatusCode.PENDING_INPUT,
        request.simulator_name_alias or request.simulator,
        request.container_image,
        msgspec.json.encode(request.extra_params).decode(),
        msgspec.json.encode(request.input_resources or []).decode(),
        request.stream_zip is not False,
        request.compress_with,
        request.resubmit_on_preemption,
        request.time_to_live_seconds,
        storage_path(item),
        item.key,
        item.digest if item.key is not None else None,
        tx.now,
    )
