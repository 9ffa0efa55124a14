"""The input directory of a task: what it must be, and how it gets to the server."""

from __future__ import annotations

import os
import shlex
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from inductiva import archive
from inductiva.api import storage
from inductiva.api.errors import ApiException, ServerUnreachable
from inductiva.constants import INPUT_PREFIX
from inductiva.protocol.storage import OperationType
from inductiva.utils import files
from inductiva.utils.progress import Progress

ATTEMPTS = 3
_RESERVED = "output.zip"


def checked_directory(input_dir: str | os.PathLike[str] | None, remote_assets: Sequence[str]) -> Path | None:
    """The input directory, None when all input is remote. Raises ValueError when it is no directory or is empty."""
    if input_dir is None:
        if not remote_assets:
            raise ValueError("there is no input: give input_dir, remote_assets or both")
        return None
    if not os.fspath(input_dir):
        raise ValueError("input_dir is an empty text; give the path of a directory, '.' for the current one")
    path = Path(input_dir)
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise ValueError(f"input_dir {str(path)!r} must be a directory; it {what} (looked for it at {path.absolute()})")
    if not remote_assets and not any(path.iterdir()):
        raise ValueError(f"input_dir {str(path)!r} is empty; put the files of the simulation into it")
    if (path / _RESERVED).exists():
        raise ValueError(f"input_dir {str(path)!r} contains {_RESERVED}, the name of stored outputs; rename that file")
    return path


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def quoted(name: str) -> str:
    """The name of a file of the input directory as a word of a command. Raises ValueError for what is no such name."""
    check_files(None, [name])
    return shlex.quote(name)


def check_files(directory: Path | None, names: Sequence[str]) -> None:
    """Raises FileNotFoundError, ValueError unless each name is a file inside the directory, relative to it."""
    for name in names:
        if not _is_text(name):
            raise ValueError(f"{name!r} is no file name; give the path of a file inside the input directory")
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{name!r} must be the path of a file inside the input directory, relative to it")
    if directory is None:
        return
    missing = [name for name in names if not (directory / name).exists()]
    if missing:
        near = [close for name in missing for close in files.near(directory, name)]
        advice = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise FileNotFoundError(f"input_dir {str(directory)!r} has no file {', '.join(map(repr, missing))}{advice}")
    for name in names:
        if not (directory / name).is_file():
            raise ValueError(f"{name!r} in input_dir {str(directory)!r} is a directory; a file is needed")


def entries(directory: Path | None) -> list[archive.Entry]:
    """What is packed for a directory; for none the empty folder that stands for it."""
    if directory is None:
        return [archive.Entry(INPUT_PREFIX, None, stat.S_IFDIR | 0o755, time.time(), 0)]
    return list(archive.scan(directory, INPUT_PREFIX))


def upload(
    path: str, region: str | None, packed: Sequence[archive.Entry], *, verbose: bool, given: str | None = None
) -> int:
    """Pack `packed` and send it to `path` in storage, without a copy on disk. Returns the archive's bytes.

    `given` is the signed URL, when the server told it already. A connection that breaks off is tried again. Raises
    ApiException when the upload is refused.
    """
    for attempt in range(ATTEMPTS):
        url = given or storage.signed_urls([path], OperationType.UPLOAD, region)[0]
        given = None  # a server that was started again may be somewhere else
        if url is None:
            raise ApiException(message=f"the server gives no place to upload {path} to")
        stream = archive.ZipStream(packed)
        try:
            with Progress("Uploading input", None, shown=verbose) as progress:
                storage.upload(url, progress.counted(stream))
        except ServerUnreachable:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return stream.size
    raise AssertionError("the last attempt returns or raises")
