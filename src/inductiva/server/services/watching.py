"""Watching a task: statuses, queue positions and log bytes, read from where a watcher is when something happens."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, select

from inductiva.protocol.status import STATUSES, TaskStatusCode
from inductiva.protocol.times import to_wire
from inductiva.protocol.watch import (
    PING_SECONDS,
    End,
    LogStream,
    LogText,
    Ping,
    QueuePosition,
    StatusChange,
    WatchMessage,
)
from inductiva.server.context import Context
from inductiva.server.db.prepared import Prepared
from inductiva.server.db.schema import task_events, tasks
from inductiva.server.services.lifecycle import TaskRow
from inductiva.server.services.queue import tasks_ahead

POSITION_SECONDS = 0.2
"""A queue that moves fast is told of this often."""

_OF_TASK = task_events.c.task_id == bindparam("task_id")
_EVENTS_AFTER = Prepared(
    select(task_events).where(_OF_TASK, task_events.c.seq > bindparam("seen")).order_by(task_events.c.seq)
)
_BEGAN = Prepared(
    select(task_events.c.time)
    .where(_OF_TASK, task_events.c.status == bindparam("status"))
    .order_by(task_events.c.seq)
    .limit(1)
)
_STATUS = Prepared(select(tasks.c.status).where(tasks.c.id == bindparam("task_id")))
_SEEN = Prepared(
    select(
        *(tasks.c[name] for name in ("id", "group_id", "status", "attempt", "event_seq", "queue_seq")),
        tasks.c.created_at,
        tasks.c.error_detail,
    ).where(tasks.c.id == bindparam("task_id"))
)
"""What a watcher needs of a task."""


@dataclass(slots=True)
class Watcher:
    """Where a watcher is. `offsets` are those it asked to go on from; without one, the last `tail` lines are sent."""

    task_id: str
    logs: bool
    tail: int | None
    offsets: dict[LogStream, int | None]
    attempt: int = 0
    seen: int = -1
    ahead: int | None = None
    _tails: dict[LogStream, bytes] = field(default_factory=dict)

    def statuses(self, connection: Connection, row: TaskRow) -> Iterator[StatusChange]:
        """The current status first, later every change since."""
        if self.seen < 0:
            self.seen = row["event_seq"]
            yield _current(connection, row)
            return
        if self.seen == row["event_seq"]:
            return
        for event in _EVENTS_AFTER.rows(connection, task_id=self.task_id, seen=self.seen):
            self.seen = event["seq"]
            yield _change(TaskStatusCode(event["status"]), event["time"], event["detail"], None)

    def position(self, connection: Connection, row: TaskRow) -> QueuePosition | None:
        """The place in the queue, when it has changed."""
        ahead = None
        if row["status"] == TaskStatusCode.SUBMITTED:
            ahead = tasks_ahead(connection, row["group_id"], row["queue_seq"])
        changed = ahead is not None and ahead != self.ahead
        self.ahead = ahead
        return QueuePosition(ahead) if changed and ahead is not None else None

    def log(self, context: Context, attempt: int, final: bool) -> Iterator[LogText]:
        """Log bytes from where the watcher is, whole characters; a rest that never becomes one is sent at the end."""
        if attempt != self.attempt:
            self._begin(context, attempt)
        for stream in LogStream if attempt else ():
            yield from self._stream(context, stream, final)

    def _begin(self, context: Context, attempt: int) -> None:
        """A first look, or a task that was started again: its log begins anew."""
        for stream in LogStream:
            given = self.offsets[stream] if self.attempt == 0 else 0
            size = context.logs.size(self.task_id, attempt, stream)
            if given is None and self.tail is not None:
                given = context.logs.tail_offset(self.task_id, attempt, stream, self.tail)
            self.offsets[stream] = min(given or 0, size)
        self.attempt = attempt

    def _stream(self, context: Context, stream: LogStream, final: bool) -> Iterator[LogText]:
        while True:
            offset = self.offsets[stream] or 0
            data = context.logs.read(self.task_id, self.attempt, stream, offset)
            if not data:
                return
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            text = decoder.decode(data)
            rest = len(decoder.getstate()[0])  # bytes of a character that is not complete yet
            if final and rest == len(data):
                text, rest = decoder.decode(b"", final=True), 0
            if rest == len(data):
                return
            self.offsets[stream] = offset + len(data) - rest
            yield LogText(stream, offset, len(data) - rest, text)


def _current(connection: Connection, row: TaskRow) -> StatusChange:
    status = TaskStatusCode(row["status"])
    began = _BEGAN.scalar(connection, task_id=row["id"], status=status)
    ahead = tasks_ahead(connection, row["group_id"], row["queue_seq"]) if status is TaskStatusCode.SUBMITTED else None
    return _change(status, row["created_at"] if began is None else began, row["error_detail"], ahead)


def _change(status: TaskStatusCode, time: float, detail: str | None, ahead: int | None) -> StatusChange:
    info = STATUSES[status]
    return StatusChange(status, info.alias, info.description, to_wire(time) or "", info.terminal, ahead, detail)


async def watch(context: Context, watcher: Watcher) -> AsyncIterator[WatchMessage]:
    """Everything that happens to a task, until it has ended and its log is told, or the server closes."""
    event = asyncio.Event()
    with context.hub.listen(event, watcher.task_id):
        while not context.closing.is_set():
            event.clear()
            row = _row(context, watcher)
            status = TaskStatusCode(row["status"])
            ended = STATUSES[status].terminal
            for message in _news(context, watcher, row, ended):
                yield message
            if ended:
                yield End(status)
                return
            if not await _happened(context, event, row):
                yield Ping()


def _news(context: Context, watcher: Watcher, row: TaskRow, ended: bool) -> Iterator[WatchMessage]:
    """What is new. An ending is told after the last byte of the log."""
    logs = watcher.log(context, row["attempt"], final=ended) if watcher.logs else iter(())
    first = watcher.seen < 0
    if ended and not first:
        yield from logs
    yield from context.db.peek(lambda connection: list(watcher.statuses(connection, row)))
    position = context.db.peek(lambda connection: watcher.position(connection, row))
    if position is not None and not first:
        yield position
    yield from logs


async def _happened(context: Context, event: asyncio.Event, row: TaskRow) -> bool:
    """Waits for something to happen to the task, or while it waits to its queue; False when it is time for a ping."""
    deadline = asyncio.get_running_loop().time() + PING_SECONDS * 0.8
    if row["status"] != TaskStatusCode.SUBMITTED:
        return await _set_before(event, deadline)
    with context.hub.listen(event, row["group_id"]):
        if not await _set_before(event, deadline):
            return False
    if _row_status(context, row["id"]) == TaskStatusCode.SUBMITTED:  # only the queue moved
        event.clear()
        await _set_before(event, asyncio.get_running_loop().time() + POSITION_SECONDS)
    return True


async def _set_before(event: asyncio.Event, deadline: float) -> bool:
    try:
        async with asyncio.timeout_at(deadline):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _row_status(context: Context, task_id: str) -> str:
    return context.db.peek(lambda connection: str(_STATUS.scalar(connection, task_id=task_id)))


def _row(context: Context, watcher: Watcher) -> TaskRow:
    row = context.db.peek(lambda connection: _SEEN.first(connection, task_id=watcher.task_id))
    assert row is not None, "a task that was found once stays"
    return row
