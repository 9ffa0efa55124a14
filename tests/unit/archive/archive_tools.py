"""What the tests of the archive share: packing into memory, trees as data, archives that are broken on purpose."""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inductiva.archive import Entry, ZipStream

NOON = 1_700_000_000
FILE = stat.S_IFREG | 0o644
FOLDER = stat.S_IFDIR | 0o755
LINK = stat.S_IFLNK | 0o777


def pack(entries: Iterable[Entry], level: int = 1) -> bytes:
    return b"".join(ZipStream(entries, level=level))


def packed(entries: Iterable[Entry], level: int = 1) -> io.BytesIO:
    return io.BytesIO(pack(entries, level))


def file(name: str, content: bytes = b"content", mode: int = FILE) -> Entry:
    return Entry(name, content, mode, NOON, len(content))


def folder(name: str, mode: int = FOLDER) -> Entry:
    return Entry(name, None, mode, NOON, 0)


def link(name: str, target: str) -> Entry:
    return Entry(name, target.encode(), LINK, NOON, len(target))


def tree(root: Path) -> dict[str, tuple[int, object]]:
    """Everything below `root`: name → permissions and content (None for a directory, the target for a link)."""
    found: dict[str, tuple[int, object]] = {}
    for folder_name, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder_name, name)
            info = path.lstat()
            content: object = None
            if stat.S_ISLNK(info.st_mode):
                content = str(path.readlink())
            elif stat.S_ISREG(info.st_mode):
                content = path.read_bytes()
            found[str(path.relative_to(root))] = (stat.S_IMODE(info.st_mode), content)
    return found


@dataclass(frozen=True)
class Raw:
    """A member written to the letter, whatever nonsense it is. None: what is right."""

    name: bytes
    content: bytes = b"content"
    method: int = 0
    size: int | None = None
    crc: int | None = None
    flags: int = 0x800
    made: int = 3 << 8 | 20
    mode: int = FILE
    local_name: bytes | None = None
    extra: bytes = b""
    offset: int | None = None
    index_size: int | None = None
    index_packed: int | None = None


def raw_zip(members: Iterable[Raw], *, before: bytes = b"", comment: bytes = b"", count: int | None = None) -> bytes:
    """A zip archive by the letter of the format, written without the code under test."""
    body, index, number = before, b"", 0
    for member in members:
        data = member.content
        if member.method == 8:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            data = packer.compress(member.content) + packer.flush()
        size = len(member.content) if member.size is None else member.size
        crc = zlib.crc32(member.content) if member.crc is None else member.crc
        local = member.name if member.local_name is None else member.local_name
        offset = len(body) if member.offset is None else member.offset
        sums = (crc, len(data), size)
        body += struct.pack("<4s5H3I2H", b"PK\3\4", 20, member.flags, member.method, 0, 33, *sums, len(local), 0)
        body += local + data
        index += struct.pack(
            "<4s6H3I5H2I",
            b"PK\1\2",
            member.made,
            20,
            member.flags,
            member.method,
            0,
            33,
            crc,
            len(data) if member.index_packed is None else member.index_packed,
            size if member.index_size is None else member.index_size,
            len(member.name),
            len(member.extra),
            0,
            0,
            0,
            member.mode << 16,
            offset,
        )
        index += member.name + member.extra
        number += 1
    number = number if count is None else count
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, number, number, len(index), len(body), len(comment))
    return body + index + end + comment
