"""One runner's connection: what it says is applied and acknowledged, what it must know is pushed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from inductiva.protocol.runner import (
    CLOSE_REPLACED,
    PROTOCOL,
    Assign,
    Drop,
    FromRunner,
    Goodbye,
    Heartbeat,
    Hello,
    LiveFrame,
    LogAck,
    LogChunk,
    Ready,
    Report,
    Retire,
    StopCause,
    Urls,
    UrlsRequest,
    Welcome,
)
from inductiva.server.context import Context
from inductiva.server.services import attempts, groups, lifecycle, links, machines
from inductiva.server.services.dispatch import urls, work
from inductiva.server.services.lifecycle import TaskRow
from inductiva.server.services.links import RunnerLink

_DECODER: msgspec.msgpack.Decoder[FromRunner] = msgspec.msgpack.Decoder(FromRunner)


def decode(data: bytes) -> FromRunner:
    """A message of a runner. Raises msgspec.DecodeError (ValidationError included)."""
    return _DECODER.decode(data)


class Session:
    """The server's side of a connection, without the socket: `receive` what arrives, send what `link` holds."""

    def __init__(self, context: Context, link: RunnerLink) -> None:
        self._context = context
        self.link = link
        self._reports: list[Report] = []
        self._applying: asyncio.Task[None] | None = None
        self._current: dict[str, tuple[int, float]] = {}

    async def greet(self, hello: Hello) -> None:
        """Makes this the runner's only connection and tells it where it stands."""
        context, link = self._context, self.link
        if hello.protocol != PROTOCOL:
            raise ConnectionError(f"the runner speaks protocol {hello.protocol}, this server {PROTOCOL}")
        lease = context.config.lease_seconds
        greeting = machines.Greeting(link.runner_id, hello.host, hello.attempts, lease, context.logs)
        greeted = await context.db.write(machines.greet, greeting)
        older = context.links.get(link.runner_id)
        context.links[link.runner_id] = link
        if older is not None:
            older.close(CLOSE_REPLACED)
        link.send(Welcome(link.group_id, context.config.heartbeat_seconds, lease, greeted.held))
        for task in greeted.unheard:
            link.send(Assign(work(context, task, link)))
        for task in greeted.stopping:
            links.stop(context, link.runner_id, task["id"], task["attempt"], StopCause(task["stop_cause"]))
        if greeted.retire or link.retiring:
            link.retiring = True
            link.send(Retire("the machine group is being terminated"))
        context.hub.publish(link.group_id)

    async def receive(self, message: FromRunner) -> bool:
        """Acts on one message. Returns False when the runner has said goodbye."""
        if isinstance(message, Report):
            self._reports.append(message)
            if self._applying is None:
                self._applying = self._context.spawn(self._apply_reports())
        elif isinstance(message, LogChunk):
            self._store_log(message)
        elif isinstance(message, Goodbye):
            await self._goodbye()
            return False
        else:
            await _HANDLERS[type(message)](self, message)
        return True

    async def close(self) -> None:
        """The connection is gone. Its attempts go on: only a lease that runs out ends them."""
        if self._context.links.get(self.link.runner_id) is self.link:
            del self._context.links[self.link.runner_id]
            await self._context.db.write(machines.see, self.link.runner_id)
        for frames in self.link.live.values():
            frames.put_nowait(None)

    async def _apply_reports(self) -> None:
        """Applies what has been told, all that waits in one transaction."""
        try:
            while self._reports:
                waiting, self._reports = self._reports, []
                for answer in await attempts.accept(self._context, self.link.runner_id, waiting):
                    self.link.send(answer)
        finally:
            self._applying = None

    def _store_log(self, chunk: LogChunk) -> None:
        context, logs = self._context, self._context.logs
        task_id, attempt, stream = chunk.task_id, chunk.attempt, chunk.stream
        if not self._holds(task_id, attempt):
            self.link.send(Drop(task_id, attempt))
            return
        intact = zlib.crc32(chunk.data) == chunk.crc32
        if intact and logs.append(task_id, attempt, stream, chunk.offset, chunk.data):
            context.hub.publish(task_id)

        def acknowledge(size: int = logs.size(task_id, attempt, stream)) -> None:
            self.link.send(LogAck(task_id, attempt, stream, size))

        logs.when_durable(task_id, attempt, stream, acknowledge)

    def _holds(self, task_id: str, attempt: int) -> bool:
        """Whether the attempt is the runner's present one; asked of the database at most once a second and attempt."""
        now = self._context.clock()
        known = self._current.get(task_id)
        if known is not None and known[0] == attempt and now - known[1] < 1.0:
            return True
        task = self._task(task_id)
        if task is None or not attempts.is_current(task, self.link.runner_id, attempt):
            self._current.pop(task_id, None)
            return False
        self._current = {name: seen for name, seen in self._current.items() if now - seen[1] < 1.0}
        self._current[task_id] = (attempt, now)
        return True

    def _task(self, task_id: str) -> TaskRow | None:
        return self._context.db.peek(lambda connection: lifecycle.find(connection, task_id))

    async def _ready(self, message: Ready) -> None:
        self.link.slots = max(0, message.slots)
        if self.link.slots:
            self._context.dispatcher.kick(self.link.group_id)

    async def _heartbeat(self, message: Heartbeat) -> None:
        if not message.attempts:
            return
        lease = self._context.config.lease_seconds
        renewal = attempts.Renewal(self.link.runner_id, lease, message.attempts)
        for drop in await self._context.db.write(attempts.renew, renewal):
            self.link.send(drop)

    async def _urls(self, message: UrlsRequest) -> None:
        task = self._task(message.task_id)
        if task is None or not attempts.is_current(task, self.link.runner_id, message.attempt):
            self.link.send(Drop(message.task_id, message.attempt))
            return
        self.link.send(Urls(message.task_id, message.attempt, *urls(self._context, task, self.link.base_url)))

    async def _live_frame(self, frame: LiveFrame) -> None:
        frames = self.link.live.get(frame.request_id)
        if frames is not None:
            frames.put_nowait(frame)

    async def _goodbye(self) -> None:
        self.link.slots = 0
        self.link.retiring = True
        await self._context.db.write(groups.machine_left, self.link.runner_id)
        self._context.hub.publish(self.link.group_id)


_HANDLERS: dict[type, Callable[[Session, Any], Any]] = {
    Ready: Session._ready,
    Heartbeat: Session._heartbeat,
    UrlsRequest: Session._urls,
    LiveFrame: Session._live_frame,
}
