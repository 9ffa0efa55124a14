"""Inputs and outputs of a task, whole or only some files of them.

Everything is first written below a directory with a temporary name inside the target, then moved: no half file ever
has its final name.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inductiva import archive, logs
from inductiva.api import storage
from inductiva.api.errors import ApiException, NotFoundException, ServerUnreachable
from inductiva.constants import INPUT_PREFIX, OUTPUT_PREFIX, STANDARD_STREAMS
from inductiva.protocol.storage import FileInfo, OperationType
from inductiva.utils.files import move_into, resolve_output_path
from inductiva.utils.format_utils import bytes_formatter
from inductiva.utils.progress import Progress

if TYPE_CHECKING:
    from inductiva.tasks.task import Task

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Side:
    """Inputs or outputs: the archive's name in messages and on disk, and the folder of its members."""

    name: str
    prefix: str
    archive_name: str

    def stored(self, task: Task) -> str | None:
        """The archive's path in storage; None when there is none yet."""
        info = task.latest_info()
        if self is INPUTS:
            return info.storage_input_path
        # The path is known from the beginning, the archive is there when the task has ended.
        return info.storage_output_path if info.is_terminal else None


OUTPUTS = Side("outputs", OUTPUT_PREFIX, "output.zip")
INPUTS = Side("inputs", INPUT_PREFIX, "input.zip")


def target_of(task: Task, side: Side, directory: str | os.PathLike[str] | None) -> Path:
    """Where a download goes: `directory` if given, else `<output directory>/<task id>/<side>`."""
    return Path(directory) if directory is not None else resolve_output_path(Path(task.id) / side.name)


def signed_url(task: Task, side: Side) -> str | None:
    """The URL of the archive; None when it does not exist (yet)."""
    path = side.stored(task)
    if path is None:
        return None
    try:
        urls = storage.signed_urls([path], OperationType.DOWNLOAD, task.info.storage_region)
    except NotFoundException:
        return None
    return urls[0] if urls else None


@contextmanager
def _workshop(target: Path) -> Iterator[Path]:
    """A directory for what is not complete yet, on the file system of `target`."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target, ignore_cleanup_errors=True) as name:
        yield Path(name)
    with suppress(OSError):
        # When nothing came, no empty folder stays either; one with content is not removed.
        target.rmdir()


def _fetch(task: Task, side: Side, path: Path, progress: Progress) -> bool:
    """Download the archive to `path`; a connection that drops is taken up again where it broke.

    Returns whether there is such an archive.
    """
    with path.open("wb") as file:
        for attempt in range(ATTEMPTS):
            # Asked for again each time: the server may have another address now, and URLs expire.
            url = signed_url(task, side)
            if url is None:
                return False
            try:
                for chunk in storage.download(url, first=file.tell() or None):
                    file.write(chunk)
                    progress(len(chunk))
            except ServerUnreachable:
                if attempt == ATTEMPTS - 1:
                    raise
            except NotFoundException:
                return False
            else:
                break
    return True


def whole(
    task: Task, side: Side, target: Path, *, uncompress: bool, remove_archive: bool, verbose: bool = True
) -> Path | None:
    """The whole archive, unpacked into `target`. Returns `target`, None when the task has no such archive (yet)."""
    tell = logs.teller(verbose)
    if side.stored(task) is None:
        return None
    tell(f"Downloading the {side.name} of task {task.id} to {target}...")
    with _workshop(target) as workshop:
        packed = workshop / side.archive_name
        with Progress(f"Downloading {side.name}", _size(task, side), shown=verbose) as progress:
            if not _fetch(task, side, packed, progress):
                return None
        if uncompress:
            files = workshop / "files"
            files.mkdir()
            with packed.open("rb") as file:
                archive.extract(file, files, prefix=side.prefix, limits=archive.OWN_LIMITS)
            move_into(files, target)
        if not uncompress or not remove_archive:
            packed.replace(target / side.archive_name)
        tell(f"Downloaded {bytes_formatter(progress.bytes)}.")
    return target


def _size(task: Task, side: Side) -> int | None:
    size = task.info.data_metrics.output_zipped_size_bytes.value if side is OUTPUTS else None
    return None if size is None else int(size)


def _select(task: Task, side: Side, names: Sequence[str]) -> list[FileInfo]:
    """The members that `names` (files, or directories with all that is in them) stand for; warns of what is missing."""
    path = side.stored(task)
    if path is None:
        return []
    listing = storage.zip_contents(path, side.prefix, recursive=True, region=task.info.storage_region).contents
    files = {item.name: item for item in listing if not item.name.endswith("/")}
    chosen: dict[str, FileInfo] = {}
    for name in names:
        wanted = name.removeprefix("./").rstrip("/")
        found = [item for item in files if item == wanted or item.startswith(f"{wanted}/")]
        if not found:
            logs.warn(_missing(task, side, name, list(files)))
        chosen.update((item, files[item]) for item in found)
    return list(chosen.values())


def _missing(task: Task, side: Side, name: str, files: list[str]) -> str:
    by_end = [file for file in files if file.rpartition("/")[2] == name.rpartition("/")[2]]
    close = by_end[:3] or difflib.get_close_matches(name, files, n=3)
    lister = f"'inductiva tasks list-files {task.id}'" if logs.is_cli() else "task.get_output_info()"
    advice = f"did you mean {' or '.join(map(repr, close))}?" if close else f"{lister} lists what there is"
    return f"There is no file {name!r} in the {side.name} of task {task.id}; {advice}"


def _member(task: Task, side: Side, url: str | None, item: FileInfo, path: Path) -> None:
    """One member by a ranged request, again (with a fresh URL) when the connection drops.

    Raises ArchiveError when it is not what the listing says.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(ServerUnreachable):
            return _fetch_member(url, item, path)
        url = signed_url(task, side)
    return _fetch_member(url, item, path)


def _fetch_member(url: str | None, item: FileInfo, path: Path) -> None:
    if url is None or item.range_start is None or item.compress_type is None:
        raise ApiException(message=f"the server does not say where {item.name!r} is in its archive")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with path.open("wb") as file:
        if item.compressed_size:
            last = item.range_start + item.compressed_size - 1
            for chunk in archive.raw_inflate(item.compress_type, storage.download(url, item.range_start, last)):
                written += file.write(chunk)
    if written != item.size:
        raise archive.ArchiveError(
            f"{item.name!r} has {written} bytes instead of the {item.size} that its archive's index says; "
            "download again"
        )


def some(task: Task, side: Side, names: Sequence[str], target: Path, *, verbose: bool = True) -> Path | None:
    """Only these files, each fetched by itself. Returns `target`, None when the task has no such archive (yet)."""
    tell = logs.teller(verbose)
    url = signed_url(task, side)
    if url is None:
        return None
    try:
        items = _select(task, side, names)
    except NotFoundException:
        return None
    with _workshop(target) as workshop:
        for item in items:
            _member(task, side, url, item, _inside(workshop, item.name))
        move_into(workshop, target)
    if items:
        tell(f"Downloaded {len(items)} file{'' if len(items) == 1 else 's'} of task {task.id} to {target}")
    return target


def _inside(directory: Path, name: str) -> Path:
    """`name` below `directory`. Raises ArchiveError for a name that would leave it."""
    if not name or name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
        raise archive.ArchiveError(f"the archive has a member {name!r}, which cannot be written safely")
    return directory / name


def standard_streams(task: Task) -> Path | None:
    """stdout and stderr of a finished task, below its outputs; None when there are none."""
    folder = target_of(task, OUTPUTS, None)
    if all((folder / name).is_file() for name in STANDARD_STREAMS):
        return folder  # Files get these names when they are whole, and those of an ended task never change.
    return some(task, OUTPUTS, STANDARD_STREAMS, folder, verbose=False)


def _waiter(task: Task) -> str:
    return f"'inductiva logs --wait {task.id}'" if logs.is_cli() else "task.wait()"


def download(
    task: Task,
    side: Side,
    filenames: str | Sequence[str] | None,
    directory: str | os.PathLike[str] | None,
    *,
    uncompress: bool,
    remove_archive: bool,
) -> Path | None:
    """See `Task.download_outputs`."""
    target = target_of(task, side, directory)
    if filenames is None:
        got = whole(task, side, target, uncompress=uncompress, remove_archive=remove_archive)
    else:
        names = [filenames] if isinstance(filenames, str) else list(filenames)
        got = some(task, side, names, target)
    if got is None:
        logs.warn(
            f"Task {task.id} has no {side.name} to download: it is {task.info.status_alias}."
            + (
                ""
                if task.info.is_terminal or side is INPUTS
                else f" They are stored when it ends; {_waiter(task)} waits."
            )
        )
    return got
