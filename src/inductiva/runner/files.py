"""Open files that a simulation may have tampered with: never through a link, never a pipe that would block."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from pathlib import Path

_CAREFUL = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_regular(path: Path) -> int:
    """A descriptor for reading a regular file. Raises OSError, also when `path` is anything else."""
    return _checked(os.open(path, os.O_RDONLY | _CAREFUL), path)


def open_append(path: Path) -> int:
    """A descriptor for appending to a regular file, which is made; what else has its name is removed first."""
    try:
        return _checked(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _CAREFUL, 0o644), path)
    except OSError:
        if not os.path.lexists(path) or stat.S_ISREG(path.lstat().st_mode):
            raise
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return _checked(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | _CAREFUL, 0o644), path)


def append(path: Path, text: str) -> None:
    """Append `text` to a file that may have been tampered with. Raises OSError."""
    descriptor = open_append(path)
    try:
        os.write(descriptor, text.encode(errors="surrogateescape"))
    finally:
        os.close(descriptor)


def _checked(descriptor: int, path: Path) -> int:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_NONBLOCK)
    return descriptor
