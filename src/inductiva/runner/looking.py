"""What can be seen of a task's files and processes, confined to its artifacts."""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

from inductiva.runner.files import open_regular

_BLOCK = 1 << 16
_MAX_READ = 8 << 20
_MAX_ENTRIES = 100_000


class LookError(Exception):
    """Why nothing can be shown, and what to do."""


def list_files(root: Path) -> list[Any]:
    """Nested list: a file is its name, a directory `{name: [...]}`. Links are not followed."""
    budget = _MAX_ENTRIES

    def listing(directory: Path) -> list[Any]:
        nonlocal budget
        found: list[Any] = []
        for entry in sorted(os.scandir(directory), key=lambda item: item.name):
            budget -= 1
            if budget < 0:
                raise LookError(f"The task has more than {_MAX_ENTRIES} files; look into its output when it has ended.")
            is_directory = entry.is_dir(follow_symlinks=False)
            found.append({entry.name: listing(Path(entry.path))} if is_directory else entry.name)
        return found

    return listing(root)


def last_modified(root: Path) -> dict[str, Any]:
    """The file that was written last. The path is relative to the artifacts; times in seconds since the epoch."""
    newest, name = 0.0, None
    for directory, _, files in os.walk(root):
        for file in files:
            path = Path(directory) / file
            try:
                changed = path.lstat().st_mtime
            except OSError:
                continue  # gone meanwhile
            if changed >= newest:
                newest, name = changed, path.relative_to(root).as_posix()
    if name is None:
        raise LookError("The task has written no file yet.")
    now = time.time()
    return {
        "most_recent_file": name,
        "most_recent_timestamp": newest,
        "now_timestamp": now,
        "time_since_last_mod": max(0.0, now - newest),
    }


def processes_text(pids: Sequence[int]) -> str:
    """A table of processes: pid, share of a core since start in %, resident memory in MiB, state, command."""
    rows = [f"{'PID':>8} {'CPU%':>6} {'MEM MiB':>9} S COMMAND"]
    for pid in pids:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                age = max(time.time() - process.create_time(), 0.01)
                times = process.cpu_times()
                cpu = 100 * (times.user + times.system) / age
                memory = process.memory_info().rss / (1 << 20)
                words = process.cmdline() or [process.name()]
                rows.append(
                    f"{pid:>8} {cpu:>6.1f} {memory:>9.1f} {process.status()[:1].upper()} {' '.join(words)[:400]}"
                )
        except psutil.Error:
            continue
    return "\n".join(rows)


class Tail:
    """The end of one file of the artifacts, and what is appended to it, in whole lines."""

    def __init__(self, root: Path, name: str) -> None:
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\0" in name:
            raise LookError(f"{name!r} leads out of the task's files; give a path relative to them.")
        self._root = root
        self._name = name
        self._offset = 0
        self._inode = 0
        self._partial = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def exists(self) -> bool:
        """Whether the file is there."""
        return (self._root / self._name).exists()

    def _open(self) -> int:
        path = self._root / self._name
        if not path.exists():
            raise LookError(
                f"The task has no file {self._name!r} (yet); 'inductiva tasks list-files' shows those it has."
            )
        real = path.resolve()
        if not real.is_relative_to(self._root.resolve()):
            raise LookError(f"{self._name!r} is a link that leads out of the task's files.")
        if not real.is_file():
            raise LookError(f"{self._name!r} is no regular file.")
        return open_regular(real)

    def last_lines(self, count: int, *, follow: bool = False) -> list[str]:
        """The last `count` lines, without their ends. A line that is still being written counts, but with `follow` it
        is kept for `new_lines`, which gives it when it is whole."""
        descriptor = self._open()
        try:
            stat = os.fstat(descriptor)
            data, start = b"", stat.st_size
            while start > 0 and data.count(b"\n") <= count and len(data) < _MAX_READ:
                step = min(_BLOCK, start)
                start -= step
                data = os.pread(descriptor, step, start) + data
        finally:
            os.close(descriptor)
        self._offset, self._inode = stat.st_size, stat.st_ino
        *lines, partial = self._decoder.decode(data).split("\n")
        if follow:
            self._partial = partial
        elif partial:
            lines.append(partial)
        return lines[max(0, len(lines) - count) :]

    def new_lines(self, to_the_end: bool) -> list[str]:
        """Lines completed since the last look; with `to_the_end` also a last one without its end.

        A file that was replaced or cut is read from its start.
        """
        try:
            descriptor = self._open()
        except (OSError, LookError):
            return []
        try:
            stat = os.fstat(descriptor)
            if stat.st_ino != self._inode or stat.st_size < self._offset:
                self._offset, self._inode, self._partial = 0, stat.st_ino, ""
                self._decoder.reset()
            data = os.pread(descriptor, min(stat.st_size - self._offset, _MAX_READ), self._offset)
        finally:
            os.close(descriptor)
        self._offset += len(data)
        *lines, self._partial = (self._partial + self._decoder.decode(data)).split("\n")
        if to_the_end and not data and self._partial:
            lines.append(self._partial)
            self._partial = ""
        return lines
