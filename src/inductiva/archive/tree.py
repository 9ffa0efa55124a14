"""Writes files, links and directories below one directory and nowhere else, whatever lies there already.

Every directory is opened from its parent without following links, so that neither a link of the archive nor one that
was there before can lead a write elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Self

from inductiva.archive.errors import ArchiveError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Tree:
    """`root` (made when it is missing) and, open, the directory below it that was used last. Close it in the end."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._names: list[str] = []
        self._open = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def create(self, name: str) -> int:
        """A descriptor of a new, empty file in place of what is called `name`."""
        parent, base = self._place(name)
        try:
            return os.open(base, _NEW_FILE, 0o600, dir_fd=parent)
        except FileExistsError:
            self._unlink(name, parent, base)
            return os.open(base, _NEW_FILE, 0o600, dir_fd=parent)

    def remove(self, name: str) -> None:
        """Remove the file `name`, as far as it is there."""
        parent, base = self._place(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(base, dir_fd=parent)

    def link(self, name: str, target: bytes, mtime: float) -> None:
        """A link called `name` to `target`, in place of what was there."""
        parent, base = self._place(name)
        try:
            os.symlink(target, os.fsencode(base), dir_fd=parent)
        except FileExistsError:
            self._unlink(name, parent, base)
            os.symlink(target, os.fsencode(base), dir_fd=parent)
        os.utime(base, (mtime, mtime), dir_fd=parent, follow_symlinks=False)

    def directory(self, name: str) -> int:
        """The open directory `name` (relative, no `/` at the end), made with those above it when missing.

        The descriptor stays the tree's own and is valid until the next call.
        """
        parts = name.split("/") if name else []
        common = 0
        for mine, wanted in zip(self._names, parts, strict=False):
            if mine != wanted:
                break
            common += 1
        del self._names[common:]
        while len(self._open) > common + 1:
            os.close(self._open.pop())
        for part in parts[common:]:
            self._open.append(self._step(part, name))
            self._names.append(part)
        return self._open[-1]

    def _place(self, name: str) -> tuple[int, str]:
        parent, _, base = name.rpartition("/")
        return self.directory(parent), base

    def _step(self, part: str, name: str) -> int:
        parent = self._open[-1]
        try:
            return os.open(part, _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=parent)
        except OSError as error:
            raise self._in_the_way(name, error) from error
        try:
            return os.open(part, _DIRECTORY, dir_fd=parent)
        except OSError as error:
            raise self._in_the_way(name, error) from error

    def _in_the_way(self, name: str, error: OSError) -> Exception:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            return error
        return ArchiveError(
            f"{name!r} cannot be made a directory of {self._root}: a file or a link is in the way; "
            "remove it or unpack into an empty directory"
        )

    def _unlink(self, name: str, parent: int, base: str) -> None:
        try:
            os.unlink(base, dir_fd=parent)
        except (IsADirectoryError, PermissionError) as error:
            if not isinstance(error, IsADirectoryError) and not self._is_directory(parent, base):
                raise
            raise ArchiveError(
                f"{name!r} cannot be written to {self._root}: a directory of this name is in the way; "
                "remove it or unpack into an empty directory"
            ) from error

    def _is_directory(self, parent: int, base: str) -> bool:
        try:
            os.close(os.open(base, _DIRECTORY, dir_fd=parent))
        except OSError:
            return False
        return True
