"""Bytes over signed URLs: the input down, the output up, one transfer at a time over one kept HTTP/1.1 connection.

All of it happens in the event loop, because a small task is over before a thread has been woken a few times; only what
may take long (hash and write a block, pack the next one) is done in a thread. Proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 60.0
_MAY_PASS = (401, 403, 404, 408, 410, 429)
_MAX_REASON = 2000
_MAX_INTERIM = 10
_TOGETHER = 1 << 16
"""Bytes from which on a block is sent at once and not together with what follows."""

_Result = TypeVar("_Result")


class TransferError(Exception):
    """A transfer failed. `status` is the HTTP status, None when the other side did not answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """Whether sending the same again is pointless (403 asks for new URLs and is no refusal)."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in _MAY_PASS


class SourceError(Exception):
    """What was to be sent could not be read."""


class _BrokenError(Exception):
    """The connection did not do what HTTP asks for."""


@dataclass(frozen=True)
class _Head:
    """Status and headers of an answer. `length` is None for a chunked body and for one that the end closes."""

    status: int
    length: int | None
    is_chunked: bool
    is_kept: bool


class Transfer:
    """Downloads and uploads with one kept connection."""

    def __init__(self) -> None:
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._origin = ("", "")

    def close(self) -> None:
        """Close the kept connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def download(self, url: str, target: Path, *, is_small: bool) -> tuple[int, str]:
        """Store what `url` gives in `target`. Returns size in bytes and SHA-256 in hex.

        Raises TransferError, and OSError from the disk.
        """
        digest, size = hashlib.sha256(), 0
        try:
            head = await self._request("GET", url, None)
            if head.status != 200:
                raise await self._refused("GET", head)
            with target.open("r+b" if target.exists() else "wb", buffering=0) as file:

                def keep(block: bytes) -> None:
                    digest.update(block)
                    view = memoryview(block)
                    while view:
                        view = view[file.write(view) or 0 :]

                async for block in self._body(head):
                    await _do(partial(keep, block), is_small)
                    size += len(block)
                file.truncate(size)
        except BaseException as error:
            self.close()  # what is under way on it belongs to nobody
            if isinstance(error, _BrokenError):
                raise TransferError(f"the connection broke during a download: {error}") from error
            raise
        self._end(head)
        return size, digest.hexdigest()

    async def upload(self, url: str, body: Callable[[], Iterable[bytes]], *, is_small: bool) -> None:
        """Send what `body()` yields; it is called again when the connection has to be opened again.

        Raises TransferError and SourceError.
        """
        try:
            head = await self._request("PUT", url, lambda: _blocks(body, is_small))
            if not 200 <= head.status < 300:
                raise await self._refused("PUT", head)
            async for _ in self._body(head):
                pass
        except BaseException as error:
            self.close()
            if isinstance(error, _BrokenError):
                raise TransferError(f"the connection broke after an upload: {error}") from error
            raise
        self._end(head)

    async def _refused(self, method: str, head: _Head) -> TransferError:
        said = b""
        try:
            async for block in self._body(head):
                said += block
                if len(said) >= _MAX_REASON:
                    break
        except _BrokenError:
            pass  # the status says enough
        text = said[:_MAX_REASON].decode(errors="replace")
        return TransferError(f"{method} was answered with {head.status}: {text}", head.status)

    def _end(self, head: _Head) -> None:
        if not head.is_kept:
            self.close()

    # one exchange

    async def _request(self, method: str, url: str, body: Callable[[], AsyncIterator[bytes]] | None) -> _Head:
        """Send a request. A kept connection that the server has closed meanwhile is opened again, once."""
        parts = urlsplit(url)
        while True:
            is_kept = self._streams is not None and self._origin == (parts.scheme, parts.netloc)
            try:
                return await self._exchange(method, parts, body)
            except (OSError, _BrokenError) as error:
                self.close()
                if not is_kept:
                    raise TransferError(f"{method} {parts.scheme}://{parts.netloc}: {error!r}") from error

    async def _exchange(
        self, method: str, parts: SplitResult, body: Callable[[], AsyncIterator[bytes]] | None
    ) -> _Head:
        _, writer = await self._connect(parts)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", "Accept-Encoding: identity"]
        if body is not None:
            lines += ["Content-Type: application/octet-stream", "Transfer-Encoding: chunked"]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
        if body is None:
            writer.write(head)
            return await _in_time(self._head())
        answer = asyncio.ensure_future(self._head())
        try:
            is_whole = await self._send(writer, head, body(), answer)
            return dataclasses.replace(await _in_time(answer), **({} if is_whole else {"is_kept": False}))
        finally:
            answer.cancel()
            await asyncio.wait({answer})

    async def _connect(self, parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        origin = (parts.scheme, parts.netloc)
        if self._streams is not None and (self._origin != origin or self._streams[0].at_eof()):
            self.close()
        if self._streams is None:
            is_secure = parts.scheme == "https"
            context = ssl.create_default_context() if is_secure else None
            port = parts.port or (443 if is_secure else 80)
            opening = asyncio.open_connection(parts.hostname, port, ssl=context, limit=_BLOCK)
            self._streams = await _in_time(opening)
            self._origin = origin
        return self._streams

    async def _send(
        self, writer: asyncio.StreamWriter, head: bytes, blocks: AsyncIterator[bytes], answer: asyncio.Future[_Head]
    ) -> bool:
        """The request with its body in chunks. The head goes with the first block, a small request in one piece.

        False when the server answered, or closed the connection, before it had everything.
        """
        pending = [head]
        try:
            async for block in blocks:
                pending += [b"%x\r\n" % len(block), block, b"\r\n"] if block else []
                if len(block) >= _TOGETHER:
                    writer.writelines(pending)
                    pending = []
                    await _in_time(writer.drain())
                if answer.done():
                    return False
            writer.write(b"".join([*pending, b"0\r\n\r\n"]))
            await _in_time(writer.drain())
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    async def _until(self, end: bytes) -> bytes:
        """What comes before `end`, which is read as well."""
        assert self._streams is not None
        try:
            return (await self._streams[0].readuntil(end))[: -len(end)]
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise _BrokenError("the server closed the connection without a whole answer") from error

    async def _head(self) -> _Head:
        for _ in range(_MAX_INTERIM):
            head = await self._one_head()
            if head.status >= 200:
                return head
        raise _BrokenError("the server does not come to an answer")

    async def _one_head(self) -> _Head:
        first, *lines = (await self._until(b"\r\n\r\n")).split(b"\r\n")
        try:
            version, status = first.split(None, 2)[:2]
            number = int(status)
        except ValueError as error:
            raise _BrokenError(f"not HTTP: {first[:80]!r}") from error
        headers: dict[bytes, bytes] = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip().lower()
        length = headers.get(b"content-length", b"")
        is_chunked = headers.get(b"transfer-encoding", b"") == b"chunked"
        is_empty = number in (204, 304) or number < 200
        size = 0 if is_empty else int(length) if length.isdigit() and not is_chunked else None
        is_kept = version != b"HTTP/1.0" and headers.get(b"connection") != b"close" and (size is not None or is_chunked)
        return _Head(number, size, is_chunked and not is_empty, is_kept)

    async def _body(self, head: _Head) -> AsyncIterator[bytes]:
        """The answer's body, block by block. Raises _BrokenError when it ends early."""
        if not head.is_chunked:
            async for block in self._read(head.length):
                yield block
            return
        while size := await self._chunk_size():
            async for block in self._read(size):
                yield block
            await _in_time(self._until(b"\r\n"))
        while await _in_time(self._until(b"\r\n")):
            pass  # trailers

    async def _chunk_size(self) -> int:
        line = await _in_time(self._until(b"\r\n"))
        try:
            return int(line.partition(b";")[0], 16)
        except ValueError as error:
            raise _BrokenError(f"not the size of a chunk: {line[:80]!r}") from error

    async def _read(self, size: int | None) -> AsyncIterator[bytes]:
        """`size` bytes, or all until the end when it is None."""
        assert self._streams is not None
        while size is None or size > 0:
            try:
                block = await _in_time(self._streams[0].read(_BLOCK if size is None else min(_BLOCK, size)))
            except OSError as error:
                raise _BrokenError(repr(error)) from error
            if not block:
                if size is None:
                    return
                raise _BrokenError(f"{size} bytes are missing")
            size = None if size is None else size - len(block)
            yield block


async def _in_time(work: Awaitable[_Result]) -> _Result:
    """What `work` gives. Raises TimeoutError (an OSError) when the other side says nothing for a minute."""
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        return await work


async def _do(function: Callable[[], _Result], is_small: bool) -> _Result:
    """Call `function`, in a thread unless it is soon done. Cancelled, it waits for the thread: it may use a file."""
    if is_small:
        return function()
    future = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        raise


async def _blocks(body: Callable[[], Iterable[bytes]], is_small: bool) -> AsyncIterator[bytes]:
    """What `body()` yields. An error of the disk must not be mistaken for one of the network."""
    blocks: Iterator[bytes] = iter(())

    def begin() -> None:
        nonlocal blocks
        blocks = iter(body())

    try:
        await _do(begin, is_small)
        while (block := await _do(lambda: next(blocks, None), is_small)) is not None:
            yield block
    except OSError as error:
        raise SourceError(str(error)) from error
