"""What clients do to a task after its submission: input, kill, metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from inductiva.archive import ArchiveError, Member, check_file
from inductiva.protocol.ids import TASK_ID_LENGTH, is_task_id
from inductiva.protocol.runner import StopCause
from inductiva.protocol.status import KILLABLE, Actor, TaskEvent, TaskStatusCode
from inductiva.server import problems
from inductiva.server.context import Context
from inductiva.server.db.engine import Transaction
from inductiva.server.db.schema import task_metadata
from inductiva.server.objects.local import Digest
from inductiva.server.services import archives, lifecycle, queue
from inductiva.server.services.lifecycle import TaskRow, change, load, transition

MAX_METADATA = 256
MAX_METADATA_CHARACTERS = 4096


def find(connection: Connection, user_id: str, task_id: str) -> TaskRow:
    """A user's task. Raises NotFound: another user's task does not exist either."""
    if not is_task_id(task_id):
        raise problems.NotFound(
            f"{task_id!r} is no task id: ids have {TASK_ID_LENGTH} characters a-z and 0-9; "
            "'inductiva tasks list' shows yours"
        )
    row = lifecycle.find(connection, task_id)
    if row is None or row["user_id"] != user_id:
        raise problems.NotFound(f"there is no task {task_id!r} ; 'inductiva tasks list' shows yours")
    return row


@dataclass(frozen=True, slots=True)
class InputArrived:
    task_id: str
    digest: Digest
    members: list[Member]


async def input_uploaded(context: Context, task: TaskRow) -> None:
    """Checks the input archive and puts the task into its group's queue. Harmless when it is there already."""
    if task["status"] != TaskStatusCode.PENDING_INPUT:
        return
    path = context.store.locate(task["user_id"], input_path(task))
    try:
        digest, members = await context.store.look(path, lambda: (context.store.digest(path), check_file(path)))
    except FileNotFoundError:
        raise problems.Invalid(
            f"no input was uploaded for task {task['id']}: PUT a zip to the signed URL of {input_path(task)!r} first"
        ) from None
    except ArchiveError as error:
        raise problems.Invalid(f"the input archive of task {task['id']} cannot be used: {error}") from error
    await context.db.write(enqueue, InputArrived(task["id"], digest, members))


def enqueue(tx: Transaction, arrived: InputArrived) -> TaskStatusCode | None:
    """The input is stored: the task takes its place in the queue."""
    task = load(tx, [arrived.task_id])[arrived.task_id]
    values = {
        "queue_seq": queue.next_place(tx),
        "input_size": arrived.digest.size,
        "input_sha256": arrived.digest.sha256,
        "metrics": task["metrics"]
        | {
            "input_zipped_size_bytes": arrived.digest.size,
            "input_size_bytes": sum(member.size for member in arrived.members),
            "input_upload_seconds": max(0.0, tx.now - task["created_at"]),
        },
    }
    after = transition(tx, task, TaskEvent.INPUT_UPLOADED, Actor.CLIENT, values=values)
    if after is not None:
        archives.remember(tx, task["user_id"], input_path(task), arrived.digest, arrived.members)
    return after


def kill(tx: Transaction, task_id: str) -> TaskRow:
    """Kills a waiting task at once, has one on a machine stopped, leaves one that is over alone. Returns its row."""
    task = load(tx, [task_id])[task_id]
    if TaskStatusCode(task["status"]) in KILLABLE:
        after = transition(tx, task, TaskEvent.KILL_REQUESTED, Actor.CLIENT)
        if after is TaskStatusCode.PENDING_KILL:
            change(tx, task, {"stop_cause": StopCause.KILL})
    return task


def input_path(task: Mapping[str, Any]) -> str:
    return f"{task['storage_path']}/input.zip"


def output_path(task: Mapping[str, Any]) -> str:
    return f"{task['storage_path']}/output.zip"


# Metadata


def metadata_of(connection: Connection, task_id: str) -> dict[str, str]:
    rows = connection.execute(
        select(task_metadata.c.key, task_metadata.c.value)
        .where(task_metadata.c.task_id == task_id)
        .order_by(task_metadata.c.key)
    )
    return {row.key: row.value for row in rows}


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """`replace`: the map becomes `values`; else only the keys of `values` change, and None removes one."""

    task_id: str
    values: Mapping[str, str | None]
    replace: bool


def set_metadata(tx: Transaction, wanted: MetadataChange) -> dict[str, str]:
    """Changes a task's metadata and returns all of it. Raises Invalid."""
    current = {} if wanted.replace else metadata_of(tx.conn, wanted.task_id)
    merged = {key: value for key, value in {**current, **wanted.values}.items() if value is not None}
    found = _metadata_problem(merged)
    if found:
        raise problems.Invalid(found)
    tx.conn.execute(delete(task_metadata).where(task_metadata.c.task_id == wanted.task_id))
    if merged:
        rows = [{"task_id": wanted.task_id, "key": key, "value": value} for key, value in merged.items()]
        tx.conn.execute(insert(task_metadata), rows)
    return merged


def _metadata_problem(values: Mapping[str, str]) -> str | None:
    if len(values) > MAX_METADATA:
        return f"a task has at most {MAX_METADATA} metadata entries, not {len(values)}"
    for key, value in values.items():
        if not key or not value:
            return f"metadata keys and values must not be empty: {key!r} = {value!r}"
        if max(len(key), len(value)) > MAX_METADATA_CHARACTERS:
            return f"metadata {key[:40]!r} is longer than {MAX_METADATA_CHARACTERS} characters; store it as a file"
    return None
