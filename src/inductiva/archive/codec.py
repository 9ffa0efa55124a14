"""Raw deflate and CRC-32: `isal` where it is installed (several times faster), else the standard library's zlib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from inductiva.archive.errors import ArchiveError

try:
    from isal import isal_zlib as _zlib
except ImportError:
    import zlib as _zlib  # type: ignore[no-redef]

STORED = 0
DEFLATED = 8
CHUNK = 1 << 20
"""Bytes that are read, inflated or handed over at once."""

_RAW = -15


_Error: Any = _zlib.error
crc32: Callable[..., int] = _zlib.crc32


class Compressor(Protocol):
    def compress(self, data: Any, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Decompressor(Protocol):
    eof: bool
    unconsumed_tail: bytes
    unused_data: bytes

    def decompress(self, data: Any, max_length: int, /) -> bytes: ...


def compressor(level: int) -> Compressor:
    """A raw deflate stream. Levels 1 to 3 mean the same with both libraries: fast to small."""
    made: Compressor = _zlib.compressobj(level, DEFLATED, _RAW)
    return made


def _decompressor() -> _Decompressor:
    made: _Decompressor = _zlib.decompressobj(_RAW)
    return made


def deflate(data: bytes, level: int) -> bytes:
    """`data` as one raw deflate stream."""
    stream = compressor(level)
    return stream.compress(data) + stream.flush()


class Inflater:
    """Checks and inflates one member whose bytes arrive in pieces; never gives more than `size` bytes.

    `size` and `crc` are what the archive promises; None where they are not known. `feed` each piece, then `finish`.
    """

    def __init__(self, name: str, method: int, size: int | None = None, crc: int | None = None) -> None:
        if method not in (STORED, DEFLATED):
            raise ArchiveError(f"{name!r} is compressed with method {method}; pack it again with deflate or stored")
        self._stream = _decompressor() if method == DEFLATED else None
        self._name, self._size, self._promised = name, size, crc
        self._count = 0
        self._crc = 0

    def feed(self, data: bytes | memoryview) -> Iterator[bytes | memoryview]:
        """What `data` inflates to, in pieces of at most 1 MiB (or `data` itself when it is stored)."""
        if self._stream is not None:
            yield from self._inflate(self._stream, data)
        elif data:
            yield self._counted(data)

    def finish(self) -> None:
        """Raise ArchiveError when the member is not whole."""
        if self._stream is not None and not self._stream.eof:
            raise self._broken("ends too early")
        if self._size is not None and self._count != self._size:
            raise self._broken(f"holds {self._count} bytes instead of {self._size}")
        if self._promised is not None and self._crc != self._promised:
            raise self._broken("does not match its checksum")

    def _inflate(self, stream: _Decompressor, data: bytes | memoryview) -> Iterator[bytes | memoryview]:
        if stream.eof and data:
            raise self._broken("has bytes after its end")
        while True:
            # One byte more than promised may come out, so that a member that holds more is noticed.
            room = CHUNK if self._size is None else min(CHUNK, self._size - self._count + 1)
            try:
                piece = stream.decompress(data, room)
            except _Error as error:
                raise self._broken(f"cannot be inflated ({error})") from None
            if piece:
                yield self._counted(piece)
            data = stream.unconsumed_tail
            if stream.unused_data:
                raise self._broken("has bytes after its end")
            if stream.eof or (not data and len(piece) < room):
                return

    def _counted(self, piece: bytes | memoryview) -> bytes | memoryview:
        self._count += len(piece)
        if self._size is not None and self._count > self._size:
            raise self._broken(f"holds more than the {self._size} bytes it promises")
        self._crc = crc32(piece, self._crc)
        return piece

    def _broken(self, what: str) -> ArchiveError:
        return ArchiveError(f"{self._name!r} {what}: the archive is damaged; pack and send it again")


def raw_inflate(method: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Content of one member from its bytes in the archive, as they come from a range request.

    Raises ArchiveError for a method other than 0 and 8 and for a stream that is damaged or ends too early.
    """
    inflater = Inflater("the member", method)
    for chunk in chunks:
        for piece in inflater.feed(chunk):
            yield bytes(piece)  # costs nothing when it is bytes already
    inflater.finish()
