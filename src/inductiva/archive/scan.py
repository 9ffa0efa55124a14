"""What goes into an archive: a walk over a directory."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

OnError = Callable[[str, OSError], None]
"""Told the name and the error of a file or directory that cannot be read and is therefore left out."""

_UNSAFE = re.compile(r"[\\\x00-\x1f\x7f\udc80-\udcff]")
_DRIVE = re.compile(r"\A([A-Za-z]):")
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What it means when a file, or what a link points to, is not there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One member to be. `name` is `/`-separated and ends in `/` for a directory, whose `source` is None.

    `source` is the file to read, or the content itself (of a link: its target). `mode` is the whole `st_mode`,
    `mtime` in seconds since the epoch, `size` in bytes as far as it is known.
    """

    name: str
    source: Path | bytes | None
    mode: int
    mtime: float
    size: int


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory of the walk. Links stay links while they point below `top`, which is `depth` levels up."""

    path: str
    name: str
    top: str
    depth: int
    ancestors: tuple[tuple[int, int], ...]


def scan(
    root: Path,
    prefix: str = "",
    *,
    skip: Callable[[str], bool] | None = None,
    follow: bool = True,
    on_error: OnError | None = None,
) -> Iterator[Entry]:
    """Every file, link and directory below `root`, parents first and sorted, with `prefix` before their names.

    A prefix such as `sim_dir/` comes first as a directory of its own. `skip` is asked with the name relative to
    `root` (directories end in `/` and are left out whole). Relative links that point to something below `root` stay
    links; the others are followed, or left out when `follow` is false (for directories that somebody else filled).
    Sockets, pipes, devices, dangling links that leave the root, and what vanishes meanwhile are left out. Characters
    that archives must not have in names (backslash, control, invalid UTF-8) become `%XX`.

    Raises OSError when `root` or something below cannot be read; with `on_error` the latter is reported there.
    """
    top = os.path.realpath(root)
    info = os.stat(top)  # noqa: PTH116
    prefix = as_directory(prefix)
    if prefix:
        yield Entry(prefix, None, info.st_mode, info.st_mtime, 0)
    start = _Place(top, prefix, top, 0, ((info.st_dev, info.st_ino),))
    stack = [(start, iter(_listing(start)))]
    while stack:
        place, items = stack[-1]
        found = next(items, None)
        if found is None:
            stack.pop()
            continue
        entry, inner, error = _visit(place, *found, follow)
        if error is not None:
            _report(on_error, found[0], error)
        if entry is None or (skip is not None and skip(entry.name[len(prefix) :])):
            continue
        yield entry
        if inner is not None:
            try:
                stack.append((inner, iter(_listing(inner))))
            except OSError as failure:
                _report(on_error, entry.name, failure)


def as_directory(prefix: str) -> str:
    """A prefix with the `/` at its end."""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def _report(on_error: OnError | None, name: str, error: OSError) -> None:
    if error.errno in _VANISHED:
        return
    if on_error is None:
        raise error
    on_error(name, error)


def _listing(place: _Place) -> list[tuple[str, os.DirEntry[str]]]:
    """A directory's items with the names they get in the archive, sorted and each once."""
    with os.scandir(place.path) as items:
        found = sorted(items, key=lambda item: item.name)
    taken = {item.name for item in found}
    named = []
    for item in found:
        name = _safe(item.name)
        if not place.name:
            name = _DRIVE.sub(r"\1%3A", name)
        while name != item.name and name in taken:
            name += "_"
        taken.add(name)
        named.append((place.name + name, item))
    return named


def _safe(name: str) -> str:
    """`name` without characters that an archive must not have."""
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]) & 0xFF:02X}", name)


def _visit(
    place: _Place, name: str, item: os.DirEntry[str], follow: bool
) -> tuple[Entry | None, _Place | None, OSError | None]:
    """The entry of one item, where to go on below it, and why it cannot be read."""
    try:
        info = item.stat(follow_symlinks=False)
        if not stat.S_ISLNK(info.st_mode):
            return *_plain(place, name, item.path, info, place.top, place.depth + 1), None
        link = _link(place, name, item.path, info)
        if link is not None or not follow:
            return link, None, None
        real = os.path.realpath(item.path)
        return *_plain(place, name, real, os.stat(real), real, 0), None  # noqa: PTH116
    except OSError as error:
        return None, None, error


def _plain(
    place: _Place, name: str, path: str, info: os.stat_result, top: str, depth: int
) -> tuple[Entry | None, _Place | None]:
    if stat.S_ISREG(info.st_mode):
        return Entry(name, Path(path), info.st_mode, info.st_mtime, info.st_size), None
    identity = (info.st_dev, info.st_ino)
    if not stat.S_ISDIR(info.st_mode) or identity in place.ancestors:
        return None, None
    inner = _Place(path, name + "/", top, depth, (*place.ancestors, identity))
    return Entry(name + "/", None, info.st_mode, info.st_mtime, 0), inner


def _link(place: _Place, name: str, path: str, info: os.stat_result) -> Entry | None:
    """The link as a link, when it is relative and stays below the top however one looks at it."""
    target = os.readlink(path)  # noqa: PTH115 - the target as it is, `.` and all
    if target.startswith("/"):
        return None
    below = os.path.normpath("/".join(["d"] * place.depth + [target]))
    real = os.path.realpath(path)
    if below.split("/", 1)[0] == ".." or not (real == place.top or real.startswith(place.top.rstrip("/") + "/")):
        return None
    content = _safe(target).encode()
    return Entry(name, content, info.st_mode, info.st_mtime, len(content))
