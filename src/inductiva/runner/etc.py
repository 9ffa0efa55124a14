"""The `/etc` that simulations see: copies of what programs need to start, and no secrets.

A directory of copies, because bubblewrap takes a fifth of a millisecond for each file that is bound by itself.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from pathlib import Path

_HOST = Path("/etc")
_FRESH_SECONDS = 1.0
_refreshed: dict[Path, float] = {}
_FILES = (
    "ca-certificates.conf",
    "gai.conf",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "pmix-mca-params.conf",
    "protocols",
    "resolv.conf",
    "services",
    "timezone",
)
_DIRECTORIES = (
    "OpenCL",
    "alternatives",
    "ca-certificates",
    "fonts",
    "ld.so.conf.d",
    "mpich",
    "openmpi",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "ssl/certs",
    "terminfo",
    "vulkan",
)


def prepare(etc: Path, user: int) -> None:
    """Bring `etc` up to date; its simulations run as `user` (and group) inside their sandbox."""
    etc.mkdir(parents=True, exist_ok=True)
    users = f"root:x:0:0:root:/:/bin/sh\nsimulation:x:{user}:{user}:simulation:/tmp:/bin/sh\n"
    (etc / "passwd").write_text(users)
    (etc / "group").write_text(f"root:x:0:\nsimulation:x:{user}:\n")
    for name in _DIRECTORIES:
        _copy_directory(_HOST / name, etc / name)
    refresh(etc)


def refresh(etc: Path) -> None:
    """Copy again the files that changed, such as `resolv.conf` on a machine that moved to another network."""
    _refreshed[etc] = time.monotonic()
    for name in _FILES:
        source, target = _HOST / name, etc / name
        stamp = _stamp(source)
        if stamp is None or stamp == _stamp(target):
            continue
        fresh = target.with_name(f"{name}.new")
        shutil.copy2(source, fresh)
        fresh.rename(target)


def refresh_sometimes(etc: Path) -> None:
    """`refresh` unless that was done within the last second."""
    if time.monotonic() - _refreshed.get(etc, -math.inf) > _FRESH_SECONDS:
        refresh(etc)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)  # noqa: PTH116 as it is called for each file before each command
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _copy_directory(source: Path, target: Path) -> None:
    """Copy `source` unless the copy is as new. Links are kept: they lead to `/usr` or to what is copied as well."""
    if not source.is_dir():
        return
    if target.is_dir():
        if target.stat().st_mtime_ns == source.stat().st_mtime_ns:
            return
        shutil.rmtree(target)
    # What is unreadable (private keys) is not for simulations.
    shutil.copytree(source, target, symlinks=True, ignore_dangling_symlinks=True, ignore=_unreadable)


def _unreadable(directory: str, names: list[str]) -> list[str]:
    """Names that not everybody may read."""
    return [name for name in names if not _is_public(Path(directory) / name)]


def _is_public(path: Path) -> bool:
    try:
        return path.is_symlink() or (path.stat().st_mode & 0o004 != 0 and (path.is_file() or path.is_dir()))
    except OSError:
        return False
