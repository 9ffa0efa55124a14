"""Reads and checks the index of a zip archive."""

from __future__ import annotations

import io
import os
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import msgspec

from inductiva.archive import records
from inductiva.archive.codec import DEFLATED, STORED
from inductiva.archive.errors import ArchiveError

_MAX_COMMENT = 0xFFFF
_MAX_INDEX_BYTES = 512 << 20
MAX_MEMBERS = 2_000_000
"""An index that claims more is not read at all."""
_DAMAGED = "the archive is damaged or was cut short; pack and send it again"
_METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz", 98: "ppmd", 99: "AES"}


class Member(msgspec.Struct, frozen=True):
    """One line of an archive's index.

    Sizes and offsets in bytes: the compressed bytes are `compressed_size` bytes from `data_offset` on. `method` is 0
    (stored) or 8 (raw deflate), `mode` the whole `st_mode`, `mtime` in seconds since the epoch.
    """

    name: str
    size: int
    compressed_size: int
    crc32: int
    method: int
    header_offset: int
    data_offset: int
    mode: int
    mtime: float

    @property
    def is_dir(self) -> bool:
        return self.name.endswith("/")

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)


ReadAt = Callable[[int, int], bytes]


def reader(file: BinaryIO) -> ReadAt:
    """`read(offset, size)` of a seekable file; of a real one without moving its position."""
    try:
        descriptor = file.fileno()
    except (OSError, AttributeError, io.UnsupportedOperation):
        descriptor = -1

    def read_at(offset: int, size: int) -> bytes:
        file.seek(offset)
        return file.read(size)

    def pread(offset: int, size: int) -> bytes:
        return os.pread(descriptor, size, offset)

    return read_at if descriptor < 0 else pread


def read_index(file: BinaryIO) -> list[Member]:
    """The members of the archive in `file` (seekable), in the order of the index.

    The index must agree with the headers before the members, and no two members may share bytes or a name. Raises
    ArchiveError for what is no whole zip archive, is encrypted, or is compressed with anything but deflate.
    """
    read = reader(file)
    total = file.seek(0, io.SEEK_END)
    count, size, offset = _end(read, total)
    if count > MAX_MEMBERS or size > _MAX_INDEX_BYTES:
        raise ArchiveError(
            f"the archive has {count} members and an index of {size} bytes; {MAX_MEMBERS} members and "
            f"{_MAX_INDEX_BYTES} bytes are allowed: pack fewer files"
        )
    index = read(offset, size)
    if len(index) != size:
        raise ArchiveError(f"the index ends too early: {_DAMAGED}")
    members = [_with_data_offset(read, member, raw) for member, raw in _parse(index, count)]
    _no_duplicates(members)
    _no_overlap(members, offset)
    return members


def _end(read: ReadAt, total: int) -> tuple[int, int, int]:
    """Number of members, size and offset of the index."""
    if total == 0:
        raise ArchiveError("the archive is empty (0 bytes): it was not written or not sent; send it again")
    start = max(total - records.END.size - _MAX_COMMENT, 0)
    tail = read(total - records.END.size, records.END.size) if total >= records.END.size else b""
    where = total - records.END.size
    if not tail.startswith(records.END_SIGNATURE) or tail[-2:] != b"\0\0":
        tail = read(start, total - start)
        found = _find_end(tail)
        where, tail = start + found, tail[found:]
    _, disk, first_disk, _, count, size, offset, _ = records.END.unpack_from(tail)
    limit = where
    if where >= records.LOCATOR.size:
        locator = read(where - records.LOCATOR.size, records.LOCATOR.size)
        if locator.startswith(records.LOCATOR_SIGNATURE):
            disk, first_disk, count, size, offset, limit = _end64(read, locator, where)
    if disk or first_disk:
        raise ArchiveError("the archive is one part of several; pack it as a single file")
    if offset + size != limit:
        raise ArchiveError(f"the index is not where the archive says: {_DAMAGED}")
    return count, size, offset


def _find_end(tail: bytes) -> int:
    """Where the end record begins whose comment reaches exactly to the end of the file."""
    found = tail.rfind(records.END_SIGNATURE)
    while found >= 0:
        body = tail[found:]
        if len(body) >= records.END.size and records.END.size + records.END.unpack_from(body)[-1] == len(body):
            return found
        found = tail.rfind(records.END_SIGNATURE, 0, found)
    raise ArchiveError(f"no end of a zip archive was found: it is no zip archive, or {_DAMAGED}")


def _end64(read: ReadAt, locator: bytes, where: int) -> tuple[int, int, int, int, int, int]:
    position = records.LOCATOR.unpack(locator)[2]
    raw = read(position, records.END64.size) if position < where else b""
    if len(raw) < records.END64.size or not raw.startswith(records.END64_SIGNATURE):
        raise ArchiveError(f"the zip64 end record is not where the archive says: {_DAMAGED}")
    _, length, _, _, disk, first_disk, _, count, size, offset = records.END64.unpack(raw)
    if position + 12 + length != where - records.LOCATOR.size:
        raise ArchiveError(f"the zip64 end record has a wrong length: {_DAMAGED}")
    return disk, first_disk, count, size, offset, position


def _parse(index: bytes, count: int) -> Iterator[tuple[Member, bytes]]:
    """The members with their names as bytes; `data_offset` is not known yet."""
    position = 0
    parsed = 0
    while position < len(index):
        if len(index) - position < records.CENTRAL.size or not index.startswith(records.CENTRAL_SIGNATURE, position):
            raise ArchiveError(f"record {parsed} of the index is broken: {_DAMAGED}")
        fields = records.CENTRAL.unpack_from(index, position)
        position += records.CENTRAL.size
        name_size, extra_size, comment_size = fields[10:13]
        raw = index[position : position + name_size]
        extra = index[position + name_size : position + name_size + extra_size]
        position += name_size + extra_size + comment_size
        if position > len(index):
            raise ArchiveError(f"record {parsed} of the index reaches beyond it: {_DAMAGED}")
        parsed += 1
        if parsed > count:
            break
        yield _member(fields, raw, extra), raw
    if parsed != count:
        raise ArchiveError(f"the index does not have the {count} records it should: {_DAMAGED}")


def _member(fields: tuple[int, ...], raw: bytes, extra: bytes) -> Member:
    _, made, _, flags, method, clock, date, crc, packed, size = fields[:10]
    attributes, offset = fields[15:17]
    name = _name(raw, flags, made >> 8)
    if flags & (records.FLAG_ENCRYPTED | records.FLAG_STRONG | records.FLAG_MASKED):
        raise ArchiveError(f"{name!r} is encrypted; pack it without a password")
    if method not in (STORED, DEFLATED):
        kind = _METHODS.get(method, "an unknown method")
        raise ArchiveError(f"{name!r} is compressed with {kind} (method {method}); pack it with deflate or stored")
    stamp, extras = None, dict(_extras(extra))
    if extras:
        size, packed, offset = _wide(extras.get(records.ZIP64_EXTRA, b""), size, packed, offset, name)
        stamp = _stamp(extras.get(records.STAMP_EXTRA, b""))
    if method == STORED and size != packed:
        raise ArchiveError(f"{name!r} is stored but has two sizes: {_DAMAGED}")
    mtime = records.unix_time(clock, date) if stamp is None else float(stamp)
    return Member(name, size, packed, crc, method, offset, -1, _mode(attributes, made >> 8, name), mtime)


def _name(raw: bytes, flags: int, system: int) -> str:
    try:
        if flags & records.FLAG_UTF8 or system == records.UNIX:
            return raw.decode()
    except UnicodeDecodeError:
        if flags & records.FLAG_UTF8:
            raise ArchiveError(f"the name {raw!r} is not UTF-8; rename the file and pack it again") from None
    return raw.decode("cp437")


def _mode(attributes: int, system: int, name: str) -> int:
    """The `st_mode`, with the usual one where the archive does not tell."""
    kind, usual = (stat.S_IFDIR, 0o755) if name.endswith("/") else (stat.S_IFREG, 0o644)
    mode = attributes >> 16
    if mode == 0 or system not in (records.UNIX, 19):
        return kind | usual
    return mode if stat.S_IFMT(mode) not in (0, stat.S_IFDIR) else kind | stat.S_IMODE(mode)


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, position)
        yield kind, extra[position + 4 : position + 4 + size]
        position += 4 + size


def _wide(extra: bytes, size: int, packed: int, offset: int, name: str) -> tuple[int, int, int]:
    """The three numbers, each taken from the zip64 field where it did not fit its place."""
    values = iter(struct.unpack(f"<{len(extra) // 8}Q", extra[: len(extra) // 8 * 8]))
    try:
        size = next(values) if size == records.MAX32 else size
        packed = next(values) if packed == records.MAX32 else packed
        offset = next(values) if offset == records.MAX32 else offset
    except StopIteration:
        raise ArchiveError(f"the zip64 sizes of {name!r} are missing: {_DAMAGED}") from None
    return size, packed, offset


def _stamp(extra: bytes) -> int | None:
    if len(extra) < 5 or not extra[0] & 1:
        return None
    second: int = struct.unpack_from("<i", extra, 1)[0]
    return second


def _with_data_offset(read: ReadAt, member: Member, raw: bytes) -> Member:
    """The member with `data_offset`, after its local header was found to be that of the same member."""
    header = read(member.header_offset, records.LOCAL.size + len(raw))
    if len(header) < records.LOCAL.size or not header.startswith(records.LOCAL_SIGNATURE):
        raise ArchiveError(f"{member.name!r} is not where the index says: {_DAMAGED}")
    fields = records.LOCAL.unpack_from(header)
    if header[records.LOCAL.size :] != raw or fields[9] != len(raw) or fields[3] != member.method:
        raise ArchiveError(f"the header of {member.name!r} does not agree with the index: {_DAMAGED}")
    start = member.header_offset + records.LOCAL.size + fields[9] + fields[10]
    return Member(
        member.name,
        member.size,
        member.compressed_size,
        member.crc32,
        member.method,
        member.header_offset,
        start,
        member.mode,
        member.mtime,
    )


def _no_duplicates(members: Sequence[Member]) -> None:
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            raise ArchiveError(f"{member.name!r} is in the archive twice; give each file a name of its own")
        seen.add(member.name)


def _no_overlap(members: Sequence[Member], end: int) -> None:
    for member in sorted(members, key=lambda member: member.header_offset, reverse=True):
        if member.data_offset + member.compressed_size > end:
            raise ArchiveError(f"{member.name!r} reaches into what follows it: {_DAMAGED}")
        end = member.header_offset
