"""The records of the zip format (APPNOTE 6.3), as bytes. Pure functions: numbers in, bytes out.

Sizes and offsets in bytes. A value that does not fit 32 bits goes to a zip64 extra field and leaves `MAX32` behind.
"""

from __future__ import annotations

import functools
import struct
import time
from typing import NamedTuple

MAX16 = 0xFFFF
MAX32 = 0xFFFFFFFF

LOCAL_SIGNATURE = b"PK\x03\x04"
CENTRAL_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"
END64_SIGNATURE = b"PK\x06\x06"
LOCATOR_SIGNATURE = b"PK\x06\x07"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
END64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR = struct.Struct("<4sIQI")
_DESCRIPTOR = struct.Struct("<4s3I")
_DESCRIPTOR64 = struct.Struct("<4sI2Q")
_STAMP = struct.Struct("<2HBi")
_SIZES64 = struct.Struct("<2H2Q")

ZIP64_EXTRA = 0x0001
STAMP_EXTRA = 0x5455
_MODIFIED = 1

UNIX = 3
FLAG_ENCRYPTED = 0x0001
FLAG_DESCRIPTOR = 0x0008
FLAG_STRONG = 0x0040
FLAG_UTF8 = 0x0800
FLAG_MASKED = 0x2000
_VERSION = 20
_VERSION64 = 45
_DOS_DIRECTORY = 0x10


@functools.lru_cache(maxsize=1024)
def dos_time(second: int) -> tuple[int, int]:
    """DOS time and date of a Unix time, local as zip has it, kept within 1980 to 2107."""
    try:
        moment = time.localtime(second)
    except (OverflowError, OSError, ValueError):
        moment = time.localtime(0)
    if moment.tm_year < 1980:
        return 0, 1 << 5 | 1
    if moment.tm_year > 2107:
        return 23 << 11 | 59 << 5 | 29, 127 << 9 | 12 << 5 | 31
    clock = moment.tm_hour << 11 | moment.tm_min << 5 | min(moment.tm_sec, 59) // 2
    return clock, (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday


def unix_time(clock: int, date: int) -> float:
    """Seconds since the epoch of a local DOS time and date."""
    year, month, day = (date >> 9) + 1980, date >> 5 & 15, date & 31
    return time.mktime((year, max(month, 1), max(day, 1), clock >> 11, clock >> 5 & 63, (clock & 31) * 2, 0, 0, -1))


def stamp(second: int) -> bytes:
    """Extended timestamp: the time of change in UTC; nothing when it does not fit 32 bits."""
    if not -(1 << 31) <= second < 1 << 31:
        return b""
    return _STAMP.pack(STAMP_EXTRA, 5, _MODIFIED, second)


class Facts(NamedTuple):
    """All about a member. `second` is its time of change, `mode` the whole `st_mode`, `offset` where its header is.

    `streamed`: sizes and checksum follow the data in a descriptor, because the header was written before they were
    known. `wide`: header and descriptor have room for 64-bit sizes.
    """

    name: bytes
    second: int
    mode: int
    offset: int
    method: int
    crc: int = 0
    size: int = 0
    packed: int = 0
    streamed: bool = False
    wide: bool = False


def local_header(facts: Facts) -> bytes:
    """What comes before the member's bytes."""
    clock, date = dos_time(facts.second)
    extra = stamp(facts.second)
    version, packed, size = _VERSION, facts.packed, facts.size
    if facts.wide:
        extra = _SIZES64.pack(ZIP64_EXTRA, 16, size, packed) + extra
        version, packed, size = _VERSION64, MAX32, MAX32
    lengths = len(facts.name), len(extra)
    header = LOCAL.pack(
        LOCAL_SIGNATURE, version, _flags(facts), facts.method, clock, date, facts.crc, packed, size, *lengths
    )
    return header + facts.name + extra


def descriptor(facts: Facts) -> bytes:
    """What comes after the bytes of a member that is `streamed`."""
    layout = _DESCRIPTOR64 if facts.wide else _DESCRIPTOR
    return layout.pack(DESCRIPTOR_SIGNATURE, facts.crc, facts.packed, facts.size)


def central_record(facts: Facts) -> bytes:
    """The member's line in the index."""
    clock, date = dos_time(facts.second)
    numbers = facts.size, facts.packed, facts.offset
    beyond = [value for value in numbers if value >= MAX32]
    extra = stamp(facts.second)
    if beyond:
        extra = struct.pack(f"<2H{len(beyond)}Q", ZIP64_EXTRA, 8 * len(beyond), *beyond) + extra
    version = _VERSION64 if beyond or facts.wide else _VERSION
    size, packed, offset = (min(value, MAX32) for value in numbers)
    attributes = (facts.mode & MAX16) << 16 | (_DOS_DIRECTORY if facts.name.endswith(b"/") else 0)
    what = version, _flags(facts), facts.method, clock, date, facts.crc, packed, size
    where = len(facts.name), len(extra), 0, 0, 0, attributes, offset
    return CENTRAL.pack(CENTRAL_SIGNATURE, UNIX << 8 | version, *what, *where) + facts.name + extra


def _flags(facts: Facts) -> int:
    return FLAG_UTF8 | (FLAG_DESCRIPTOR if facts.streamed else 0)


def end_records(count: int, size: int, offset: int) -> bytes:
    """What ends an archive whose index has `count` records in `size` bytes at `offset`."""
    end = END.pack(END_SIGNATURE, 0, 0, min(count, MAX16), min(count, MAX16), min(size, MAX32), min(offset, MAX32), 0)
    if count < MAX16 and size < MAX32 and offset < MAX32:
        return end
    version = UNIX << 8 | _VERSION64
    wide = END64.pack(END64_SIGNATURE, END64.size - 12, version, _VERSION64, 0, 0, count, count, size, offset)
    return wide + LOCATOR.pack(LOCATOR_SIGNATURE, 0, offset + size, 1) + end
