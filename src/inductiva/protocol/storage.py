"""Storage on the REST wire."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from inductiva.protocol.times import Timestamp


class OperationType(StrEnum):
    UPLOAD = "upload"
    DOWNLOAD = "download"


class FileInfo(msgspec.Struct):
    """A member of a zip archive. Sizes in bytes; `range_start` is the offset of its raw data in the archive."""

    name: str
    size: int
    compressed_size: int
    range_start: int | None = None
    creation_time: Timestamp | None = None
    compress_type: int | None = None


class ZipArchiveInfo(msgspec.Struct):
    """`size` is the sum of the uncompressed sizes, in bytes."""

    size: int
    contents: list[FileInfo]


class ZipFileRange(msgspec.Struct):
    """First and last byte (inclusive) of a member's raw data in its archive."""

    range_start: int
    range_end: int
    compress_type: int
