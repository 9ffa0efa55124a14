"""Unpacks zip archives: whole, a part, one member, or as a stream while the archive arrives."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from inductiva.archive.codec import CHUNK, Inflater
from inductiva.archive.errors import ArchiveError
from inductiva.archive.index import Member, ReadAt, read_index, reader
from inductiva.archive.limits import DEFAULT_LIMITS, Limits, check
from inductiva.archive.links import check_links
from inductiva.archive.scan import as_directory
from inductiva.archive.tree import Tree

Progress = Callable[[int], None]
"""Told how many bytes of content were written since it was last told."""

_OWNER = 0o700


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was unpacked: the number of files and links, and the bytes of their content."""

    files: int
    total_bytes: int


def read_member(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The content of one member, in pieces of at most 1 MiB, never more than `member.size` bytes in all.

    Raises ArchiveError when it is damaged; what came before may already have been handed out.
    """
    for piece in _content(reader(file), member):
        yield bytes(piece)  # costs nothing when it is bytes already


def extract(
    file: BinaryIO,
    target: Path,
    *,
    prefix: str = "",
    members: Collection[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> Extracted:
    """Unpack the archive in `file` (seekable) into `target`, which is made when it is missing.

    Only what begins with `prefix` (such as `sim_dir/`) is unpacked, without it. `members` selects by the names that
    are left: exact ones, or all below a directory with `/` at the end; names that are not there are passed over.
    Restores permissions (no set-id bits; directories stay usable by their owner), times and links. Replaces files
    that are there.

    Raises ArchiveError for what is broken or hostile, before anything is written wherever that can be seen, and
    OSError when the disk is full or does not allow it.
    """
    found = read_index(file)
    check(found, limits)
    read = reader(file)
    chosen = _plan(found, prefix)
    check_links({name: b"".join(_content(read, member)) for member, name in chosen if member.is_link})
    if members is not None:
        chosen = _select(chosen, members)
    with _Unpacker(target, progress) as unpacker:
        for member, name in chosen:
            unpacker.begin(member, name)
            for chunk in _packed(read, member):
                unpacker.feed(chunk)
            unpacker.end()
        return unpacker.finish()


class StreamExtractor:
    """Unpacks an archive whose index is known while its bytes arrive, from the first on; there is no temporary copy.

    `feed` consecutive bytes, then `close`. `position` tells how many bytes were fed: from there a broken download may
    go on. As a context manager it gives up what it holds open. Raises as `extract` does; links are judged at the end,
    before the first of them is made.
    """

    def __init__(
        self,
        members: Sequence[Member],
        target: Path,
        prefix: str = "",
        progress: Progress | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        check(members, limits)
        self.position = 0
        self._plan = _plan(members, prefix)
        self._next = 0
        self._begun = False
        self._unpacker = _Unpacker(target, progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._unpacker.close()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the archive."""
        view = memoryview(chunk)
        start, end = self.position, self.position + len(chunk)
        self.position = end
        while self._next < len(self._plan):
            member, name = self._plan[self._next]
            stop = member.data_offset + member.compressed_size
            if end < member.data_offset:
                return
            if not self._begun:
                self._unpacker.begin(member, name)
                self._begun = True
            self._unpacker.feed(view[max(0, member.data_offset - start) : stop - start])
            if end < stop:
                return
            self._unpacker.end()
            self._begun = False
            self._next += 1

    def close(self) -> Extracted:
        """Make links and set the directories' times; ArchiveError when a member has not arrived whole."""
        with self._unpacker:
            if self._next < len(self._plan):
                missing = self._plan[self._next][1]
                raise ArchiveError(
                    f"the archive ended after {self.position} bytes, before {missing!r} was whole; fetch it again"
                )
            return self._unpacker.finish()


class _Unpacker:
    """Writes member after member below a directory: `begin`, `feed` its bytes, `end`; `finish` after the last."""

    def __init__(self, target: Path, progress: Progress | None) -> None:
        self._tree = Tree(target)
        self._progress = progress
        self._file = -1
        self._member: Member
        self._name = ""
        self._inflater: Inflater
        self._target = bytearray()
        self._directories: list[tuple[str, Member]] = []
        self._links: dict[str, tuple[bytes, Member]] = {}
        self._files = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close everything; a file that is not whole is removed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._tree.remove(self._name)
        self._tree.close()

    def begin(self, member: Member, name: str) -> None:
        self._member, self._name = member, name
        self._inflater = Inflater(name, member.method, member.size, member.crc32)
        self._target = bytearray()
        if member.is_dir:
            self._tree.directory(name.removesuffix("/"))
        elif not member.is_link:
            self._file = self._tree.create(name)

    def feed(self, data: bytes | memoryview) -> None:
        for piece in self._inflater.feed(data):
            if self._file < 0:
                self._target += piece
                continue
            _write(self._file, piece)
            self._bytes += len(piece)
            if self._progress is not None:
                self._progress(len(piece))

    def end(self) -> None:
        self._inflater.finish()
        member, name = self._member, self._name
        if member.is_dir:
            self._directories.append((name.removesuffix("/"), member))
            return
        self._files += 1
        if member.is_link:
            self._links[name] = bytes(self._target), member
            self._bytes += len(self._target)
            return
        os.fchmod(self._file, member.mode & 0o777)
        os.utime(self._file, (member.mtime, member.mtime))
        os.close(self._file)
        self._file = -1

    def finish(self) -> Extracted:
        """Links come last, so that nothing is written through them; then directories, whose times they changed."""
        check_links({name: target for name, (target, _) in self._links.items()})
        for name, (target, member) in self._links.items():
            self._tree.link(name, target, member.mtime)
        for name, member in sorted(self._directories, key=lambda item: item[0], reverse=True):
            directory = self._tree.directory(name)
            os.fchmod(directory, member.mode & 0o777 | _OWNER)
            os.utime(directory, (member.mtime, member.mtime))
        self._tree.close()
        return Extracted(self._files, self._bytes)


def _plan(members: Iterable[Member], prefix: str) -> list[tuple[Member, str]]:
    """The members below `prefix` in the order of their bytes, with the names they get."""
    prefix = as_directory(prefix)
    cut = len(prefix)
    below = [(member, member.name[cut:]) for member in members if member.name.startswith(prefix)]
    return sorted((item for item in below if item[1].strip("/")), key=lambda item: item[0].header_offset)


def _select(plan: Iterable[tuple[Member, str]], wanted: Collection[str]) -> list[tuple[Member, str]]:
    exact = set(wanted)
    below = tuple(name for name in exact if name.endswith("/"))
    return [item for item in plan if item[1] in exact or item[1].startswith(below)]


def _packed(read: ReadAt, member: Member) -> Iterator[bytes]:
    """The bytes of a member as they are in the archive."""
    position, end = member.data_offset, member.data_offset + member.compressed_size
    while position < end:
        chunk = read(position, min(CHUNK, end - position))
        if not chunk:
            return
        position += len(chunk)
        yield chunk


def _content(read: ReadAt, member: Member) -> Iterator[bytes | memoryview]:
    inflater = Inflater(member.name, member.method, member.size, member.crc32)
    for chunk in _packed(read, member):
        yield from inflater.feed(chunk)
    inflater.finish()


def _write(file: int, data: bytes | memoryview) -> None:
    written = os.write(file, data)
    while written < len(data):
        written += os.write(file, memoryview(data)[written:])
