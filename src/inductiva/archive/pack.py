"""Packs a zip archive as a stream: nothing is seeked, nothing is kept but the index."""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Iterable, Iterator
from hashlib import sha256

from inductiva.archive import records
from inductiva.archive.codec import CHUNK, DEFLATED, STORED, compressor, crc32, deflate
from inductiva.archive.errors import ArchiveError
from inductiva.archive.records import Facts
from inductiva.archive.scan import Entry, OnError

_WIDE = 0xF0000000
"""A member that may pass this size gets 64-bit fields: deflate can make it a little larger than it is."""
_PROBE = 256 * 1024
"""Bytes of a large member that are compressed first, to see whether it is worth while."""
_WORTH = 0.97
_TINY = 32
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ZipStream:
    """The archive of `entries` as an iterable of chunks of about 1 MiB, once.

    `level` 1 (fast) to 3, 0 stores. Files are read when their turn comes, as long as they are at that moment: what
    vanished or became a link is left out, what grows or shrinks meanwhile is packed as it was read. After the last
    chunk `size` and `sha256` are those of the archive, `files` the number of members that are no directories,
    `uncompressed_size` their bytes.

    Raises ArchiveError for two entries of one name, OSError for a file that cannot be read; with `on_error` that file
    is reported there and left out (or cut where reading failed).
    """

    def __init__(self, entries: Iterable[Entry], *, level: int = 1, on_error: OnError | None = None) -> None:
        self.size = 0
        self.sha256 = ""
        self.files = 0
        self.uncompressed_size = 0
        self._entries = entries
        self._level = level
        self._on_error = on_error
        self._begun = False
        self._index = bytearray()
        self._names: set[str] = set()
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._offset = 0
        self._hash = sha256()

    def __iter__(self) -> Iterator[bytes]:
        if self._begun:
            raise RuntimeError("a ZipStream is iterated once; make another for a second try")
        self._begun = True
        for entry in self._entries:
            if entry.name in self._names:
                raise ArchiveError(f"two entries are named {entry.name!r}; give each a name of its own")
            yield from self._pack(entry)
            if self._pending_size >= CHUNK:
                yield self._flush()
        self._put(bytes(self._index) + records.end_records(len(self._names), len(self._index), self._offset))
        yield self._flush()
        self.size = self._offset
        self.sha256 = self._hash.hexdigest()

    def _put(self, data: bytes) -> None:
        self._pending.append(data)
        self._pending_size += len(data)
        self._offset += len(data)

    def _flush(self) -> bytes:
        chunk = b"".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        self._hash.update(chunk)
        return chunk

    def _note(self, entry: Entry, facts: Facts) -> None:
        """Into the index with it."""
        self._names.add(entry.name)
        self._index += records.central_record(facts)
        if entry.source is not None:
            self.files += 1
            self.uncompressed_size += facts.size

    def _pack(self, entry: Entry) -> Iterable[bytes]:
        """Small members at once; a large one as the caller iterates."""
        if entry.source is None or isinstance(entry.source, bytes):
            self._pack_small(entry, entry.source or b"")
            return ()
        try:
            source = os.open(entry.source, _OPEN)
        except FileNotFoundError:
            return ()
        except OSError as error:
            self._report(entry, error)
            return ()
        info = os.fstat(source)
        if info.st_size > CHUNK and stat.S_ISREG(info.st_mode):
            return self._pack_large(entry, source, info.st_size)
        try:
            if stat.S_ISREG(info.st_mode):
                self._pack_small(entry, _read(source, info.st_size))
        except OSError as error:
            self._report(entry, error)
        finally:
            os.close(source)
        return ()

    def _pack_small(self, entry: Entry, content: bytes) -> None:
        """A member that is wholly in memory: its header can tell sizes and checksum."""
        method, data = STORED, content
        if len(content) > _TINY and not stat.S_ISLNK(entry.mode):
            packed = self._worthwhile(content)
            if packed is not None:
                method, data = DEFLATED, packed
        facts = self._facts(entry, method)._replace(crc=crc32(content), size=len(content), packed=len(data))
        self._put(records.local_header(facts))
        self._put(data)
        self._note(entry, facts)

    def _pack_large(self, entry: Entry, source: int, size: int) -> Iterator[bytes]:
        """A member that is packed while it is read, up to the size it had when it was opened."""
        try:
            probe = _read(source, _PROBE)
            method = STORED if self._worthwhile(probe) is None else DEFLATED
            facts = self._facts(entry, method)._replace(streamed=True, wide=size >= _WIDE)
            self._put(records.local_header(facts))
            start, crc, count = self._offset, 0, 0
            stream = compressor(self._level) if method == DEFLATED else None
            for piece in self._pieces(entry, source, probe, size):
                crc = crc32(piece, crc)
                count += len(piece)
                self._put(stream.compress(piece) if stream else bytes(piece))
                if self._pending_size >= CHUNK:
                    yield self._flush()
            self._put(stream.flush() if stream else b"")
            facts = facts._replace(crc=crc, size=count, packed=self._offset - start)
            self._put(records.descriptor(facts))
            self._note(entry, facts)
        finally:
            os.close(source)

    def _facts(self, entry: Entry, method: int) -> Facts:
        return Facts(entry.name.encode(), math.floor(entry.mtime), entry.mode, self._offset, method)

    def _worthwhile(self, content: bytes) -> bytes | None:
        """`content` compressed; None when that hardly makes it smaller."""
        packed = deflate(content, self._level) if self._level else content
        return packed if len(packed) < len(content) * _WORTH else None

    def _pieces(self, entry: Entry, source: int, probe: bytes, size: int) -> Iterator[memoryview]:
        """What is read of a file, in pieces that are valid until the next one."""
        yield memoryview(probe)
        left = size - len(probe)
        buffer = memoryview(bytearray(CHUNK))
        while left > 0:
            try:
                count = os.readv(source, [buffer[:left]])
            except OSError as error:
                self._report(entry, error)
                return
            if count == 0:
                return
            left -= count
            yield buffer[:count]

    def _report(self, entry: Entry, error: OSError) -> None:
        """A file that became a link after it was looked at is as good as vanished."""
        if error.errno == errno.ELOOP:
            return
        if self._on_error is None:
            raise error
        self._on_error(entry.name, error)


def _read(source: int, size: int) -> bytes:
    """Up to `size` bytes; fewer when the file has become shorter."""
    data = os.read(source, size)
    while len(data) < size:
        more = os.read(source, size - len(data))
        if not more:
            break
        data += more
    return data
