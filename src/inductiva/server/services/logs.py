"""The log store: what attempts write to stdout and stderr, as it arrives.

Bytes are appended at the offset that the store has reached; many chunks share one fsync before they are acknowledged.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from inductiva.protocol.watch import LogStream
from inductiva.server.objects.local import make_directories, sync_directory

_READ_BYTES = 256 * 1024


class LogStore:
    """`root/<xx>/<task id>.<attempt>.<stream>.txt`, where xx are the first two characters of the task id."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._dirty: dict[Path, list[Callable[[], None]]] = {}
        self._new: set[Path] = set()
        self._syncing = False

    def path(self, task_id: str, attempt: int, stream: LogStream) -> Path:
        return self._root / task_id[:2] / f"{task_id}.{attempt}.{stream.filename}"

    def size(self, task_id: str, attempt: int, stream: LogStream) -> int:
        """Bytes stored; 0 when nothing was."""
        try:
            return self.path(task_id, attempt, stream).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, task_id: str, attempt: int, stream: LogStream, offset: int, data: bytes) -> bool:
        """Stores `data`, which begins at `offset`; what is there already is left alone.

        Returns False when there is a gap before `offset`: nothing is stored then. Raises OSError (ENOSPC).
        """
        path = self.path(task_id, attempt, stream)
        size = self.size(task_id, attempt, stream)
        if offset > size:
            return False
        if offset + len(data) <= size:
            return True
        if size == 0:
            self._new.update((path.parent, *make_directories(path.parent)))
        with path.open("ab", buffering=0) as file:
            view = memoryview(data)[size - offset :]
            while view:
                view = view[file.write(view) :]
        return True

    def read(self, task_id: str, attempt: int, stream: LogStream, offset: int, limit: int = _READ_BYTES) -> bytes:
        """At most `limit` bytes from `offset` on; empty when there are none (yet)."""
        try:
            with self.path(task_id, attempt, stream).open("rb", buffering=0) as file:
                return os.pread(file.fileno(), limit, offset)
        except FileNotFoundError:
            return b""

    def when_durable(self, task_id: str, attempt: int, stream: LogStream, then: Callable[[], None]) -> None:
        """Calls `then` in the event loop when what is stored now is on the disk."""
        self._dirty.setdefault(self.path(task_id, attempt, stream), []).append(then)
        if not self._syncing:
            self._syncing = True
            task = asyncio.get_running_loop().create_task(self._sync_all())
            task.add_done_callback(lambda done: done.exception())

    async def _sync_all(self) -> None:
        try:
            while self._dirty:
                files, self._dirty = self._dirty, {}
                directories, self._new = self._new, set()
                await asyncio.to_thread(_sync, list(files), directories)
                for waiting in files.values():
                    for then in waiting:
                        then()
        finally:
            self._syncing = False

    def tail_offset(self, task_id: str, attempt: int, stream: LogStream, lines: int) -> int:
        """Offset at which the last `lines` lines begin."""
        size = self.size(task_id, attempt, stream)
        position, found = size, 0
        while position > 0:
            start = max(0, position - _READ_BYTES)
            block = self.read(task_id, attempt, stream, start, position - start)
            if position == size and block.endswith(b"\n"):
                block = block[:-1]
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                found += 1
                if found == lines:
                    return start + at + 1
            position = start
        return 0 if lines > 0 else size


def _sync(files: list[Path], directories: set[Path]) -> None:
    for path in files:
        with path.open("rb") as file:
            os.fdatasync(file.fileno())
    for directory in directories:
        sync_directory(directory)
