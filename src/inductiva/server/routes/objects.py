"""Signed URLs: `GET`, `HEAD` and `PUT` on `/~/<storage path>`, as plain ASGI so that nothing stands between disk and
socket."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from inductiva.protocol.errors import ErrorBody
from inductiva.server import problems
from inductiva.server.context import Context
from inductiva.server.domain import paths
from inductiva.server.errors import DISK_FULL, STATUS
from inductiva.server.objects.local import is_disk_full
from inductiva.server.objects.signing import Grant
from inductiva.server.services import attempts, lifecycle, storage

READ_BYTES = 1024 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
Headers = list[tuple[bytes, bytes]]


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and one past the last of a single range; None for the whole. Raises BadRange (416)."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group(0) == "bytes=-":  # none, several, or of another unit: allowed to be ignored
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
    else:
        start, end = max(0, size - int(last)), size
    if start >= end:
        raise problems.BadRange(f"the range {header!r} is not in this file of {size} bytes")
    return start, end


def handler(context: Context) -> ASGIRouteHandler:
    """The route of signed URLs."""

    @asgi("/~", is_mount=True, copy_scope=True)
    async def objects(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await _serve(context, scope, receive, send)
        except problems.Problem as problem:
            await _refuse(send, STATUS[type(problem)], problem.detail)
        except OSError as error:
            if not is_disk_full(error):
                raise
            await _refuse(send, 507, DISK_FULL)

    return objects


async def _serve(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    method = str(scope.get("method", ""))
    if method not in ("GET", "HEAD", "PUT"):
        await _refuse(send, 405, f"a signed URL can be used with GET, HEAD or PUT, not with {method}")
        return
    query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
    path = paths.clean(scope["path"].removeprefix("/~"))
    grant = context.signer.check(method, path, query)
    if method == "PUT":
        await _put(context, grant, receive, send)
    else:
        await _get(context.store.locate(grant.user_id, path), method, scope, send)


async def _put(context: Context, grant: Grant, receive: Receive, send: Send) -> None:
    target = _target(context, grant)
    with context.store.incoming(target) as incoming:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if message["type"] == "http.request":
                incoming.write(message["body"])
                more = message.get("more_body", False)
        _target(context, grant)  # what was allowed at the beginning may have been overtaken
        digest = await asyncio.to_thread(incoming.commit)
    headers = [(b"content-length", b"0"), (b"x-content-sha256", digest.sha256.encode())]
    await _start(send, 200, [*headers, (b"x-goog-stored-content-length", str(digest.size).encode())])
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _target(context: Context, grant: Grant) -> Path:
    """Where an upload goes. Raises Conflict when its attempt is over, or its task has its input."""
    task_id = grant.task
    if task_id is None:
        return context.store.locate(grant.user_id, grant.path)
    if grant.attempt is None:
        context.db.peek(lambda connection: storage.require_input(connection, task_id, grant.path))
        return context.store.locate(grant.user_id, grant.path)
    row = context.db.peek(lambda connection: lifecycle.find(connection, task_id))
    if row is None or not attempts.is_current(row, row["runner_id"], grant.attempt):
        raise problems.Conflict(f"attempt {grant.attempt} of task {task_id} is over; its output is not wanted any more")
    return context.store.staged(task_id, grant.attempt)


async def _get(file: Path, method: str, scope: Scope, send: Send) -> None:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise problems.NotFound("there is no such file in the storage (any more)") from None
    try:
        size = os.fstat(handle).st_size
        wanted = byte_range(dict(scope["headers"]).get(b"range", b"").decode("latin-1") or None, size)
        start, end = wanted or (0, size)
        headers = [(b"content-length", str(end - start).encode()), (b"accept-ranges", b"bytes")]
        if wanted is not None:
            headers.append((b"content-range", f"bytes {start}-{end - 1}/{size}".encode()))
        await _start(send, 200 if wanted is None else 206, [*headers, (b"content-type", b"application/octet-stream")])
        if method == "GET":
            await _stream(send, handle, start, end)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        os.close(handle)


async def _stream(send: Send, handle: int, start: int, end: int) -> None:
    """Sends bytes of a file; the next block is read while the last one is on its way."""
    position = start
    block = os.pread(handle, min(READ_BYTES, end - position), position)
    while True:
        position += len(block)
        more = position < end and bool(block)
        if more:
            ahead = asyncio.get_running_loop().run_in_executor(
                None, os.pread, handle, min(READ_BYTES, end - position), position
            )
        await send({"type": "http.response.body", "body": block, "more_body": more})
        if not more:
            return
        block = await ahead


async def _start(send: Send, status: int, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = msgspec.json.encode(ErrorBody(detail))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await _start(send, status, headers)
    await send({"type": "http.response.body", "body": body, "more_body": False})
