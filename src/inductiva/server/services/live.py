"""Live files: asked of the runner while a task computes, read from the output archive when it is over."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from inductiva.archive import Member, read_member
from inductiva.protocol.runner import LiveCancel, LiveFrame, LiveRequest
from inductiva.protocol.status import ON_MACHINE, STATUSES, TaskStatusCode
from inductiva.protocol.watch import LiveAnswer, LiveOperation, LiveStatus
from inductiva.server import problems
from inductiva.server.context import Context
from inductiva.server.services import archives
from inductiva.server.services.lifecycle import TaskRow
from inductiva.server.services.links import RunnerLink
from inductiva.server.services.tasks import output_path

FIRST_ANSWER_SECONDS = 30.0
MAX_TAIL_BYTES = 64 * 1024 * 1024
ROOT = "artifacts/"


@dataclass(frozen=True, slots=True)
class Question:
    """`args`: `filename` and `lines` for a tail."""

    op: LiveOperation
    follow: bool
    args: dict[str, Any]


def _error(message: str) -> LiveAnswer:
    return LiveAnswer(LiveStatus.ERROR, message)


async def answers(context: Context, task: TaskRow, question: Question) -> AsyncIterator[LiveAnswer]:
    """One answer, or with `follow` as many as come. What cannot be answered is said in one of status error."""
    status = TaskStatusCode(task["status"])
    link = context.link_of(task["runner_id"])
    if STATUSES[status].terminal:
        yield await asyncio.to_thread(_from_archive, context, task, question)
    elif status not in ON_MACHINE:
        yield _error(
            f"task {task['id']} is '{STATUSES[status].alias}' and does not run yet; try again when it is in progress"
        )
    elif link is None:
        yield _error(f"the machine of task {task['id']} is not connected just now; try again in a few seconds")
    else:
        async for answer in _from_runner(link, task["id"], question):
            yield answer


async def _from_runner(link: RunnerLink, task_id: str, question: Question) -> AsyncIterator[LiveAnswer]:
    request_id = str(uuid.uuid4())
    frames: asyncio.Queue[LiveFrame | None] = asyncio.Queue()
    link.live[request_id] = frames
    over = False
    try:
        link.send(LiveRequest(request_id, task_id, question.op, question.follow, question.args))
        limit: float | None = FIRST_ANSWER_SECONDS
        while not over:
            try:
                frame = await asyncio.wait_for(frames.get(), limit)
            except TimeoutError:
                yield _error(f"the machine of task {task_id} did not answer within {limit:.0f} s; try again")
                return
            over = frame is None or frame.last
            if frame is None:
                yield _error("the connection to the machine was lost; try again in a few seconds")
            elif frame.message is not None or not frame.last:
                yield LiveAnswer(frame.status, frame.message)
            limit = None if question.follow else limit
    finally:
        link.live.pop(request_id, None)
        if not over:
            link.send(LiveCancel(request_id))


# Finished tasks


def _from_archive(context: Context, task: TaskRow, question: Question) -> LiveAnswer:
    path = output_path(task)
    try:
        members = archives.members(context, task["user_id"], path)
    except problems.Problem:
        return _error(f"task {task['id']} is over and has no stored output")
    files = {member.name.removeprefix(ROOT): member for member in members if member.name.startswith(ROOT)}
    files.pop("", None)
    if question.op is LiveOperation.LS:
        return LiveAnswer(LiveStatus.SUCCESS, tree(sorted(files)))
    if question.op is LiveOperation.TAIL:
        return _tail(context, task, files, question)
    if question.op is LiveOperation.LAST_MODIFIED_FILE:
        return _last_modified(context, files)
    return _error(f"task {task['id']} is over: no processes of it run any more")


def tree(names: list[str]) -> list[Any]:
    """Names as a nested list: files as text, a directory as `{name: [...]}`."""
    folders: dict[str, Any] = {}
    for name in names:
        place = folders
        parts = PurePosixPath(name).parts
        for part in parts[:-1] if not name.endswith("/") else parts:
            place = place.setdefault(part, {})
        if not name.endswith("/"):
            place[parts[-1]] = None
    return _nested(folders)


def _nested(folders: dict[str, Any]) -> list[Any]:
    return [name if inner is None else {name: _nested(inner)} for name, inner in folders.items()]


def _tail(context: Context, task: TaskRow, files: dict[str, Member], question: Question) -> LiveAnswer:
    name = str(question.args.get("filename", "stdout.txt"))
    member = files.get(name)
    if member is None or member.is_dir:
        return _error(f"there is no file {name!r} in the output of task {task['id']}; list its files to see which are")
    kept = bytearray()
    with context.store.locate(task["user_id"], output_path(task)).open("rb") as file:
        for chunk in read_member(file, member):
            kept += chunk
            if len(kept) > 2 * MAX_TAIL_BYTES:
                del kept[:-MAX_TAIL_BYTES]
    lines = kept.decode(errors="replace").splitlines()
    wanted = int(question.args["lines"])
    return LiveAnswer(LiveStatus.SUCCESS, lines[-wanted:] if wanted else [])


def _last_modified(context: Context, files: dict[str, Member]) -> LiveAnswer:
    plain = {name: member for name, member in files.items() if not member.is_dir}
    if not plain:
        return _error("the output has no files")
    name, member = max(plain.items(), key=lambda item: item[1].mtime)
    now = context.clock()
    message = {
        "most_recent_file": name,
        "most_recent_timestamp": member.mtime,
        "now_timestamp": now,
        "time_since_last_mod": now - member.mtime,
    }
    return LiveAnswer(LiveStatus.SUCCESS, message)
