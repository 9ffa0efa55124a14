"""Empty shared libraries, so that a program that links a window system it never uses starts without one.

An empty library defines each symbol that the program takes from the replaced ones; every one of them is a function
that returns 0, so that code which does ask for a display is told there is none. Written here byte by byte, because a
machine that runs simulations needs no compiler. x86-64 and AArch64, ELF little-endian 64 bit.
"""

from __future__ import annotations

import struct
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from inductiva.catalogue import StubLibraries
from inductiva.runner.environments.model import EnvironmentUnavailable

_PAGE = 0x10000  # the largest in use
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_DYNAMIC = struct.Struct("<qQ")

_SHT_DYNAMIC, _SHT_DYNSYM, _SHT_VERSIONS = 6, 11, 0x6FFFFFFF
_NO_VERSION = 1
_ET_DYN = 3
_EXECUTE, _WRITE, _READ = 1, 2, 4
_DT_NULL, _DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SYMENT = 0, 1, 4, 5, 6, 10, 11
_PT_LOAD, _PT_DYNAMIC, _PT_GNU_STACK = 1, 2, 0x6474E551
_GLOBAL_FUNCTION = 0x12

# `return 0` by machine number: xor eax,eax; ret — mov x0,#0; ret
_RETURN_ZERO = {62: b"\x31\xc0\xc3", 183: b"\x00\x00\x80\xd2\xc0\x03\x5f\xd6"}


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int

    def content(self, library: bytes) -> bytes:
        return library[self.offset : self.offset + self.size]


class Linked(NamedTuple):
    """What a library takes from others: machine number, names of libraries, names of undefined functions."""

    machine: int
    libraries: list[str]
    functions: list[str]


def replace(site_packages: Path, change: StubLibraries) -> None:
    """Put empty libraries in the place of those that `change` names. Raises EnvironmentUnavailable."""
    users = sorted(site_packages.glob(change.needed_by))
    if not users:
        raise EnvironmentUnavailable(f"no file {change.needed_by} in {site_packages}; the package has changed")
    for user in users:
        linked = read(user.read_bytes())
        content = write(linked.machine, linked.functions)
        for name in linked.libraries:
            if any(fnmatch(name, pattern) for pattern in change.replace):
                stub = site_packages / change.into / name
                stub.unlink(missing_ok=True)
                stub.write_bytes(content)


def read(library: bytes) -> Linked:
    """What a library of ELF 64 bit takes from others. Functions with a symbol version (libc's, say) are left out:
    they come from where the version is defined."""
    fields = _HEADER.unpack_from(library)
    machine, offset, size, count = fields[2], fields[6], fields[11], fields[12]
    sections = [_Section(*_SECTION.unpack_from(library, offset + size * index)) for index in range(count)]
    by_kind = {section.kind: section for section in sections}
    needed = [value for tag, value in _DYNAMIC.iter_unpack(by_kind[_SHT_DYNAMIC].content(library)) if tag == _DT_NEEDED]
    symbols = list(_SYMBOL.iter_unpack(by_kind[_SHT_DYNSYM].content(library)))
    versions = struct.unpack(f"<{len(symbols)}H", by_kind[_SHT_VERSIONS].content(library))
    undefined = [
        symbol[0]
        for symbol, version in zip(symbols, versions, strict=True)
        if symbol[1] == _GLOBAL_FUNCTION and symbol[3] == 0 and version <= _NO_VERSION
    ]
    text = sections[by_kind[_SHT_DYNSYM].link].content(library)
    return Linked(machine, [_name(text, at) for at in needed], [_name(text, at) for at in undefined])


def write(machine: int, functions: list[str]) -> bytes:
    """A shared library whose functions all return 0.

    One segment holds headers, symbols and code; a writable one the dynamic table, into which the loader writes. The
    hash table has a single bucket, that is a list: with a hundred names there is nothing to win.
    """
    names = b"\0" + b"".join(name.encode() + b"\0" for name in functions)
    hashes_at = _HEADER.size + 4 * _SEGMENT.size
    symbols_at = _aligned(hashes_at + 4 * (2 + 1 + len(functions) + 1))
    names_at = symbols_at + _SYMBOL.size * (len(functions) + 1)
    code_at = _aligned(names_at + len(names))
    dynamic_at = _aligned(code_at + len(_RETURN_ZERO[machine]))
    dynamic = b"".join(
        _DYNAMIC.pack(tag, value)
        for tag, value in (
            (_DT_HASH, hashes_at),
            (_DT_STRTAB, names_at),
            (_DT_SYMTAB, symbols_at),
            (_DT_STRSZ, len(names)),
            (_DT_SYMENT, _SYMBOL.size),
            (_DT_NULL, 0),
        )
    )
    parts = {
        0: _headers(machine, dynamic_at, len(dynamic)),
        hashes_at: _hashes(len(functions)),
        symbols_at: _symbols(functions, code_at, len(_RETURN_ZERO[machine])),
        names_at: names,
        code_at: _RETURN_ZERO[machine],
        dynamic_at: dynamic,
    }
    library = bytearray(dynamic_at + len(dynamic))
    for at, content in parts.items():
        library[at : at + len(content)] = content
    return bytes(library)


def _headers(machine: int, dynamic_at: int, dynamic_size: int) -> bytes:
    identity = b"\x7fELF\x02\x01\x01"
    moved = dynamic_at + _PAGE  # same offset within a page, next page
    header = _HEADER.pack(
        identity, _ET_DYN, machine, 1, 0, _HEADER.size, 0, 0, _HEADER.size, _SEGMENT.size, 4, _SECTION.size, 0, 0
    )
    return header + b"".join(
        _SEGMENT.pack(kind, flags, at, address, address, size, size, alignment)
        for kind, flags, at, address, size, alignment in (
            (_PT_LOAD, _READ | _EXECUTE, 0, 0, dynamic_at, _PAGE),
            (_PT_LOAD, _READ | _WRITE, dynamic_at, moved, dynamic_size, _PAGE),
            (_PT_DYNAMIC, _READ | _WRITE, dynamic_at, moved, dynamic_size, 8),
            (_PT_GNU_STACK, _READ | _WRITE, 0, 0, 0, 16),
        )
    )


def _hashes(count: int) -> bytes:
    chain = [0, *range(2, count + 1), 0] if count else [0]
    return struct.pack(f"<{3 + len(chain)}I", 1, count + 1, min(1, count), *chain)


def _symbols(functions: list[str], code_at: int, code_size: int) -> bytes:
    table = _SYMBOL.pack(0, 0, 0, 0, 0, 0)
    at = 1
    for name in functions:
        table += _SYMBOL.pack(at, _GLOBAL_FUNCTION, 0, 1, code_at, code_size)
        at += len(name.encode()) + 1
    return table


def _name(text: bytes, at: int) -> str:
    return text[at : text.index(b"\0", at)].decode()


def _aligned(at: int) -> int:
    return (at + 15) // 16 * 16
