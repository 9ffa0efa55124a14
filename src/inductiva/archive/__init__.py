"""Zip archives as streams: packed while they are sent, unpacked while they arrive, never trusted.

Inputs and outputs of tasks travel as zip archives. `scan` + `ZipStream` pack a directory; `read_index`, `check` and
`check_file` look an archive over; `extract`, `StreamExtractor`, `read_member` and `raw_inflate` unpack.
"""

from inductiva.archive.checking import check_file
from inductiva.archive.codec import raw_inflate
from inductiva.archive.errors import ArchiveError
from inductiva.archive.index import Member, read_index
from inductiva.archive.limits import OWN_LIMITS, Limits, check
from inductiva.archive.pack import ZipStream
from inductiva.archive.scan import Entry, scan
from inductiva.archive.unpack import Extracted, StreamExtractor, extract, read_member

__all__ = [
    "OWN_LIMITS",
    "ArchiveError",
    "Entry",
    "Extracted",
    "Limits",
    "Member",
    "StreamExtractor",
    "ZipStream",
    "check",
    "check_file",
    "extract",
    "raw_inflate",
    "read_index",
    "read_member",
    "scan",
]
