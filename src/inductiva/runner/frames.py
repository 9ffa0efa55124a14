"""Small files that are used again: overwritten in place, because ext4 writes a file that was truncated at once.

What such a file holds is its length and CRC-32 (little-endian, 4 bytes each) and its bytes; what follows is void.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import zlib
from pathlib import Path

_BLOCK = 1 << 17
HEAD = struct.Struct("<II")


def frame(body: bytes) -> bytes:
    """`body` so that `unframe` can tell whether it is whole."""
    return HEAD.pack(len(body), zlib.crc32(body)) + body


def unframe(data: bytes, offset: int = 0) -> bytes:
    """What `frame` was given for the bytes from `offset`; empty when they are not whole."""
    if offset + HEAD.size > len(data):
        return b""
    size, crc = HEAD.unpack_from(data, offset)
    body = data[offset + HEAD.size : offset + HEAD.size + size]
    return body if len(body) == size and zlib.crc32(body) == crc else b""


def write(path: Path, body: bytes) -> None:
    """Write `body` at the beginning of a file that may be there. Raises OSError."""
    overwrite(path, frame(body))


def overwrite(path: Path, data: bytes) -> None:
    """Write `data` at the beginning of a file that may be there. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def contents(path: Path | str) -> bytes:
    """All of a file, in a third of the system calls that `Path.read_bytes` makes. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(descriptor, _BLOCK), b""))
    finally:
        os.close(descriptor)


def read(path: Path) -> bytes:
    """What was written; empty when there is no file or it is not whole. Raises OSError."""
    try:
        return unframe(contents(path))
    except FileNotFoundError:
        return b""


def wipe(path: Path) -> None:
    """Leave nothing of what the file says, but its room unless that is large."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _BLOCK:
            os.truncate(path, 0)
        overwrite(path, bytes(len(contents(path).rstrip(b"\0"))))
