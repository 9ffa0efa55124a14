"""Streams: what happens to a task, and the live files of a running one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from inductiva.protocol.watch import LiveOperation, LogStream
from inductiva.server.routes.given import Caller, Ctx
from inductiva.server.routes.tasks import find
from inductiva.server.services import live, watching

NDJSON = "application/x-ndjson"
MAX_LINES = 100_000
Lines = Annotated[int, QueryParameter(ge=0, le=MAX_LINES)]
Tail = Annotated[int | None, QueryParameter(ge=0, le=MAX_LINES)]
Offset = Annotated[int | None, QueryParameter(ge=0)]
_ENCODER = msgspec.json.Encoder()


async def _lines(ctx: Ctx, messages: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    ctx.watchers += 1
    try:
        async for message in messages:
            yield _ENCODER.encode(message) + b"\n"
    finally:
        ctx.watchers -= 1
        ctx.requested_at = ctx.clock()


def _answer(ctx: Ctx, messages: AsyncIterator[Any]) -> Stream:
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(_lines(ctx, messages), media_type=NDJSON, headers=headers)


@get("/tasks/{task_id:str}/watch", tags=["tasks"])
async def watch(
    ctx: Ctx,
    account: Caller,
    task_id: FromPath[str],
    logs: FromQuery[bool] = True,
    tail: Tail = None,
    stdout_offset: Offset = None,
    stderr_offset: Offset = None,
) -> Stream:
    """What happens to a task, one JSON object a line, as it happens. Give the offsets seen to go on after a break."""
    find(ctx, account, task_id)
    offsets = {LogStream.STDOUT: stdout_offset, LogStream.STDERR: stderr_offset}
    return _answer(ctx, watching.watch(ctx, watching.Watcher(task_id, logs, tail, offsets)))


@get("/tasks/{task_id:str}/live/{op:str}", tags=["tasks"])
async def live_files(
    ctx: Ctx,
    account: Caller,
    task_id: FromPath[str],
    op: FromPath[LiveOperation],
    follow: FromQuery[bool] = False,
    filename: FromQuery[str | None] = None,
    lines: Lines = 10,
) -> Stream:
    """Files of a running task, from its machine; those of a finished one, from its output archive."""
    row = find(ctx, account, task_id)
    args = {"lines": lines} | ({"filename": filename} if filename is not None else {})
    return _answer(ctx, live.answers(ctx, row, live.Question(op, follow, args)))


HANDLERS = [watch, live_files]
