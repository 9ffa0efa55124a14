"""The runners that are connected now, and what is pushed to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec

from inductiva.protocol.runner import LiveFrame, Stop, StopCause, ToRunner
from inductiva.server.context import Context

GRACE_SECONDS = 10.0
_ENCODER = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class RunnerLink:
    """One connected runner. `slots` is how many more tasks it can take; `live` are the streams it answers."""

    runner_id: str
    group_id: str
    base_url: str
    outbox: asyncio.Queue[bytes | int] = field(default_factory=asyncio.Queue)
    slots: int = 0
    retiring: bool = False
    live: dict[str, asyncio.Queue[LiveFrame | None]] = field(default_factory=dict)

    def send(self, message: ToRunner) -> None:
        """Pushes a message; never waits."""
        self.outbox.put_nowait(_ENCODER.encode(message))

    def close(self, code: int) -> None:
        """Ends the connection after what was sent, with a WebSocket close code."""
        self.outbox.put_nowait(code)


def stop(context: Context, runner_id: str | None, task_id: str, attempt: int, cause: StopCause) -> None:
    """Tells a runner to stop an attempt. One that is not connected is told when it says Hello."""
    link = context.link_of(runner_id)
    if link is not None:
        link.send(Stop(task_id, attempt, cause, GRACE_SECONDS))
