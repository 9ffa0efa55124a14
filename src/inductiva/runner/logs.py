"""Ship what a simulation appends to its stdout.txt and stderr.txt, in chunks, resumable by offset.

Files are looked at, not piped: bytes wait on the disk as long as nobody takes them, and memory holds one chunk.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import Callable
from pathlib import Path

from inductiva.protocol.runner import MAX_LOG_CHUNK_BYTES, LogChunk
from inductiva.protocol.watch import LogStream
from inductiva.runner.files import open_regular

TICK_SECONDS = 0.015
WINDOW_BYTES = 16 * MAX_LOG_CHUNK_BYTES
RESEND_SECONDS = 5.0

Send = Callable[[LogChunk], bool]
"""Takes a chunk to the server; False when there is no connection now."""


class StreamShipper:
    """One stream. Offsets count the bytes of the stream: `sent` ≤ what the file has, `acked` ≤ `sent`.

    A simulation may truncate or replace the file: what it then holds counts as appended.
    """

    def __init__(self, task_id: str, attempt: int, stream: LogStream, path: Path) -> None:
        self._head = (task_id, attempt, stream)
        self._path = path
        self._base = 0
        self._file: int | None = None
        self.sent = 0
        self.acked = 0
        self._acked_at = 0.0

    def resume(self, offset: int) -> None:
        """The server has everything before `offset`; go on from there."""
        self.sent = self.acked = offset
        self._base = min(self._base, offset)

    def on_ack(self, offset: int, now: float) -> None:
        """An acknowledgement that brings nothing new while something is under way asks to go back."""
        if offset <= self.acked:
            self.sent = min(self.sent, offset)
            self._base = min(self._base, offset)
        self.acked = offset
        self.sent = max(self.sent, offset)
        self._acked_at = now

    def size(self) -> int:
        """Bytes that the stream has so far, as far as they can be read."""
        self._follow()
        if self._file is None:
            return self.sent
        size = os.fstat(self._file).st_size
        if self._base + size < self.sent:
            self._base = self.sent
        return self._base + size

    def _follow(self) -> None:
        """Open the file, or the one that took its place once the rest of the former is sent.

        It is kept open: otherwise its successor might have the same inode and look like it.
        """
        try:
            now = self._path.lstat()
            if self._file is not None:
                held = os.fstat(self._file)
                if (held.st_dev, held.st_ino) == (now.st_dev, now.st_ino) or self.sent < self._base + held.st_size:
                    return
            found = open_regular(self._path)
        except OSError:
            return
        if self._file is not None:
            self.close()
            self._base = self.sent
        self._file = found

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def is_drained(self) -> bool:
        """Whether the server has everything."""
        return self.acked >= self.size()

    def ship(self, send: Send, now: float) -> None:
        """Send what is new, as far as the window allows."""
        size = self.size()
        if self.sent > self.acked and now - self._acked_at > RESEND_SECONDS:
            self.sent = self.acked
        if self.sent == self.acked:
            self._acked_at = now
        while self.sent < min(size, self.acked + WINDOW_BYTES):
            data = self._read(self.sent - self._base, min(MAX_LOG_CHUNK_BYTES, size - self.sent))
            if not data or not send(LogChunk(*self._head, self.sent, data, zlib.crc32(data))):
                return
            self.sent += len(data)

    def _read(self, offset: int, size: int) -> bytes:
        return b"" if self._file is None else os.pread(self._file, size, offset)


class LogShipper:
    """Both streams of an attempt. `run` while there may be something to send."""

    def __init__(self, task_id: str, attempt: int, paths: dict[LogStream, Path], send: Send) -> None:
        self._streams = {stream: StreamShipper(task_id, attempt, stream, path) for stream, path in paths.items()}
        self._send = send
        self._acked = asyncio.Event()

    def resume(self, offsets: dict[LogStream, int]) -> None:
        """After a reconnect: what the server has."""
        for stream, offset in offsets.items():
            self._streams[stream].resume(offset)
        self._acked.set()

    def on_ack(self, stream: LogStream, offset: int) -> None:
        """The server has everything of `stream` before `offset`, or asks to go on from there."""
        self._streams[stream].on_ack(offset, asyncio.get_running_loop().time())
        self._acked.set()

    def ship(self) -> None:
        """Send what is new now."""
        now = asyncio.get_running_loop().time()
        for stream in self._streams.values():
            stream.ship(self._send, now)

    async def run(self) -> None:
        """Ship until cancelled."""
        while True:
            self.ship()
            await asyncio.sleep(TICK_SECONDS)

    async def drain(self) -> None:
        """Return when the server has every byte."""
        while not all(stream.is_drained for stream in self._streams.values()):
            self._acked.clear()
            self.ship()
            try:
                await asyncio.wait_for(self._acked.wait(), TICK_SECONDS * 5)
            except TimeoutError:
                continue

    def close(self) -> None:
        """Let go of the files."""
        for stream in self._streams.values():
            stream.close()
