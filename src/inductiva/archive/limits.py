"""Which archives are refused by their index alone: hostile names, bombs, names that exclude each other."""

from __future__ import annotations

import re
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inductiva.archive.errors import ArchiveError
from inductiva.archive.index import MAX_MEMBERS, Member

_MAX_LINK_BYTES = 4096
_MAX_LINKS_BYTES = 64 << 20
"""What the targets of all links may have together: they are kept in memory."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOSTILE = re.compile(r"[\\\x00-\x1f\x7f]|\A/|\A[A-Za-z]:|(?:\A|/)\.{0,2}(?:/|\Z)")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may hold.

    Deflate packs zeros 1,030 to 1, and fields of zeros are honest simulation data: the ratio is judged only where the
    content would be so large that it could fill a disk.
    """

    max_members: int = MAX_MEMBERS
    max_total_bytes: int = 4 << 40
    max_ratio: int = 300
    ratio_judged_above_bytes: int = 4 << 30
    max_name_bytes: int = 4096
    max_depth: int = 100


DEFAULT_LIMITS = Limits()
OWN_LIMITS = Limits(max_ratio=1 << 40)
"""For archives that a runner of ours packed from files that exist: whatever they hold, they are no bomb."""


def check(members: Sequence[Member], limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise ArchiveError when unpacking `members` could do harm, as far as the index tells."""
    if len(members) > limits.max_members:
        raise ArchiveError(
            f"the archive has {len(members)} members; {limits.max_members} are allowed: pack fewer files"
        )
    for member in members:
        _check_member(member, limits)
    _check_sizes(members, limits)
    _check_clashes(members)


def _check_member(member: Member, limits: Limits) -> None:
    name = member.name.removesuffix("/")
    if _HOSTILE.search(name):
        raise ArchiveError(f"the name {member.name!r} {_what_is_hostile(name)}; rename the file and pack it again")
    if len(name) * 4 > limits.max_name_bytes and len(name.encode()) > limits.max_name_bytes:
        raise ArchiveError(f"the name {name[:80]!r}… is longer than {limits.max_name_bytes} bytes; shorten it")
    if name.count("/") >= limits.max_depth:
        raise ArchiveError(f"{name[:80]!r}… is deeper than {limits.max_depth} directories; flatten the tree")
    if member.is_dir and member.size:
        raise ArchiveError(f"the directory {member.name!r} has content; pack the archive again")
    if stat.S_IFMT(member.mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise ArchiveError(f"{member.name!r} is a device, pipe or socket; leave it out of the archive")
    if member.is_link and not 0 < member.size <= _MAX_LINK_BYTES:
        raise ArchiveError(f"the link {member.name!r} has a target of {member.size} bytes; leave it out of the archive")


def _what_is_hostile(name: str) -> str:
    parts = name.split("/")
    if ".." in parts:
        return "leaves its directory ('..')"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is empty" if not name else "is absolute"
    if _CONTROL.search(name):
        return "contains a control character"
    return "contains a backslash" if "\\" in name else "has an empty or '.' part"


def _check_sizes(members: Sequence[Member], limits: Limits) -> None:
    total = sum(member.size for member in members)
    packed = sum(member.compressed_size for member in members)
    links = sum(member.size for member in members if member.is_link)
    if links > _MAX_LINKS_BYTES:
        raise ArchiveError(f"the targets of the links have {links} bytes; {_MAX_LINKS_BYTES} are allowed")
    if total > limits.max_total_bytes:
        raise ArchiveError(f"the archive holds {total} bytes; {limits.max_total_bytes} are allowed: pack less")
    if total > limits.ratio_judged_above_bytes and total > packed * limits.max_ratio:
        raise ArchiveError(f"{packed} bytes would become {total}: the archive looks like a bomb and is refused")


def _check_clashes(members: Sequence[Member]) -> None:
    """Nothing may be both a file and a directory; for links that holds whatever the case and form of the letters,
    because some file systems do not tell such names apart."""
    directories = _directories(member.name for member in members)
    clashes = [member.name for member in members if not member.is_dir and member.name in directories]
    links = [member.name for member in members if member.is_link]
    if links and not clashes:
        folded = {_fold(name) for name in directories}
        clashes = [name for name in links if _fold(name) in folded]
    if clashes:
        raise ArchiveError(f"{clashes[0]!r} is both a file and a directory; rename one and pack the archive again")


def _directories(names: Iterable[str]) -> set[str]:
    """Every directory that is named or that something lies in."""
    found: set[str] = set()
    for name in names:
        parent = name.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
