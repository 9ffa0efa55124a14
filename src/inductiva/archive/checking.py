"""Looks an archive over before anybody unpacks it."""

from __future__ import annotations

from pathlib import Path

from inductiva.archive.index import Member, read_index
from inductiva.archive.limits import DEFAULT_LIMITS, Limits, check
from inductiva.archive.links import check_links
from inductiva.archive.scan import as_directory
from inductiva.archive.unpack import read_member


def check_file(path: Path, *, prefix: str = "", limits: Limits = DEFAULT_LIMITS) -> list[Member]:
    """The index of the archive at `path`; ArchiveError when unpacking what lies below `prefix` could do harm.

    Links are read and judged too; other content is not read, so a damaged member is found only when it is unpacked.
    """
    prefix = as_directory(prefix)
    with path.open("rb", buffering=0) as file:
        members = read_index(file)
        check(members, limits)
        links = [member for member in members if member.is_link and member.name.startswith(prefix)]
        check_links({member.name[len(prefix) :]: b"".join(read_member(file, member)) for member in links})
    return members
