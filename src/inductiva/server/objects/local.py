"""Stored files in a directory: whole or not there, and on the disk before anybody is told.

A file is written under a temporary name, synced, and renamed into place; then its directory is synced.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from inductiva.server import problems
from inductiva.server.domain import paths

READ_BYTES = 1024 * 1024
SMALL_BYTES = 256 * 1024
"""A file of up to this size that has just arrived is read in less time than a thread is woken in."""
_REMEMBERED = 4096
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Digest:
    """Size in bytes and SHA-256 (hexadecimal) of a stored file."""

    size: int
    sha256: str


class ObjectStore:
    """`root/<user id>/<path>` for users' files, `staging/<task>.<attempt>.zip` for outputs that are not published."""

    def __init__(self, root: Path, staging: Path) -> None:
        self.root = root
        self.staging = staging
        self._digests: OrderedDict[tuple[int, int, int, int], Digest] = OrderedDict()
        for directory in (root, staging):
            directory.mkdir(parents=True, exist_ok=True)

    def clean(self, keep: Collection[tuple[str, int]]) -> None:
        """Removes what a server that was killed left behind: half uploads, and outputs of attempts not in `keep`."""
        wanted = {self.staged(*attempt).name for attempt in keep}
        for path in self.staging.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def locate(self, user_id: str, path: str) -> Path:
        """Where a user's object is. Raises Invalid when the path is hostile or malformed."""
        path = paths.clean(path)
        found = paths.problem(path)
        if found:
            raise problems.Invalid(found)
        return self.root / user_id / path

    def staged(self, task_id: str, attempt: int) -> Path:
        return self.staging / f"{task_id}.{attempt}.zip"

    async def look(self, path: Path, look: Callable[[], R]) -> R:
        """Does `look`, which reads the file at `path` once: in a thread, unless the file is small (or missing)."""
        try:
            small = path.stat().st_size <= SMALL_BYTES
        except FileNotFoundError:
            small = True
        return look() if small else await asyncio.to_thread(look)

    def digest(self, path: Path) -> Digest:
        """Size and SHA-256 of a file; computed once for each version of it. Raises FileNotFoundError."""
        with path.open("rb") as file:
            key = _identity(os.fstat(file.fileno()))
            known = self._digests.get(key)
            if known is None:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                known = self.remember(key, Digest(key[2], sha256))
            return known

    def remember(self, key: tuple[int, int, int, int], digest: Digest) -> Digest:
        self._digests[key] = digest
        if len(self._digests) > _REMEMBERED:
            self._digests.popitem(last=False)
        return digest

    def publish(self, source: Path, target: Path) -> None:
        """Renames a complete, synced file into place, durably."""
        made = make_directories(target.parent)
        source.replace(target)
        # One after the rename: the journal that the first of them writes holds the others' changes too.
        for directory in (target.parent, *made):
            sync_directory(directory)

    def incoming(self, target: Path) -> Incoming:
        """A file being received, which takes its name `target` when it is complete."""
        return Incoming(self, target)


class Incoming:
    """Receives the bytes of one file. Use as a context manager: what was not committed is removed."""

    def __init__(self, store: ObjectStore, target: Path) -> None:
        self._store = store
        self._target = target
        self._temporary = store.staging / f".incoming-{secrets.token_hex(8)}"
        self._file = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._hash = hashlib.sha256()

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._temporary.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Appends bytes. Raises OSError (ENOSPC) when the disk is full."""
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def commit(self) -> Digest:
        """Syncs the file and gives it its name. Blocks for the time of one fsync or two."""
        os.fsync(self._file)
        status = os.fstat(self._file)
        os.close(self._file)
        self._file = -1
        if self._target.parent == self._store.staging:
            # Its name need not outlive a power failure: `publish` gives the name that lasts, and a runner whose
            # output is not found is asked to send it again.
            self._temporary.replace(self._target)
        else:
            self._store.publish(self._temporary, self._target)
        return self._store.remember(_identity(status), Digest(status.st_size, self._hash.hexdigest()))


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def make_directories(directory: Path) -> list[Path]:
    """Creates a directory and those above it. Returns the directories to sync, so that the new ones stay."""
    if directory.is_dir():
        return []
    above = make_directories(directory.parent)
    directory.mkdir(exist_ok=True)
    return [directory.parent, *above]


def sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_disk_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
