"""The output archive of an attempt: believed only when what is stored is what the runner says, or made from its log."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inductiva.archive import OWN_LIMITS, ArchiveError, Entry, Member, ZipStream, check_file
from inductiva.protocol.runner import StoredOutput
from inductiva.protocol.watch import LogStream
from inductiva.server.context import Context
from inductiva.server.objects.local import Digest
from inductiva.server.services.lifecycle import TaskRow
from inductiva.server.services.tasks import output_path


@dataclass(frozen=True, slots=True)
class Output:
    """A verified archive. `source` is where it waits to be published as `target`; None when it is there already."""

    path: str
    source: Path | None
    target: Path
    digest: Digest
    members: list[Member]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why what is stored is not what the runner says."""

    reason: str


async def verify(context: Context, task: TaskRow, said: StoredOutput) -> Output | Mismatch:
    """Compares what arrived for the task's attempt with what the runner sent, and opens it."""
    place = _place(context, task)
    return await context.store.look(place, lambda: _verify(context, task, place, said))


def _target(context: Context, task: TaskRow) -> Path:
    return context.store.locate(task["user_id"], output_path(task))


def _place(context: Context, task: TaskRow) -> Path:
    """Where the output is: a server that died between publishing and committing finds it at its final place."""
    staged = context.store.staged(task["id"], task["attempt"])
    return staged if staged.exists() else _target(context, task)


def _verify(context: Context, task: TaskRow, place: Path, said: StoredOutput) -> Output | Mismatch:
    target = _target(context, task)
    try:
        digest = context.store.digest(place)
        if digest != Digest(said.size, said.sha256):
            return Mismatch(
                f"{digest.size} bytes with SHA-256 {digest.sha256} are stored, not {said.size} with {said.sha256}"
            )
        members = check_file(place, limits=OWN_LIMITS)
    except FileNotFoundError:
        return Mismatch("no output archive of this attempt has arrived")
    except ArchiveError as error:
        return Mismatch(f"the archive cannot be opened: {error}")
    return Output(output_path(task), None if place == target else place, target, digest, members)


async def salvage(context: Context, task: TaskRow) -> Output:
    """The output of an attempt that will not tell: the archive that had arrived, else one made from its log."""
    return await asyncio.to_thread(_salvage, context, task)


def _salvage(context: Context, task: TaskRow) -> Output:
    staged = context.store.staged(task["id"], task["attempt"])
    target = _target(context, task)
    try:
        members = check_file(staged, limits=OWN_LIMITS)
    except (FileNotFoundError, ArchiveError):
        with context.store.incoming(staged) as incoming:
            for chunk in ZipStream(_log_entries(context, task)):
                incoming.write(chunk)
            incoming.commit()
        members = check_file(staged, limits=OWN_LIMITS)
    return Output(output_path(task), staged, target, context.store.digest(staged), members)


def _log_entries(context: Context, task: TaskRow) -> Iterator[Entry]:
    now = context.clock()
    yield Entry("artifacts/", None, stat.S_IFDIR | 0o755, now, 0)
    for stream in LogStream:
        path = context.logs.path(task["id"], task["attempt"], stream)
        name = f"artifacts/{stream.filename}"
        if path.exists():
            status = path.stat()
            yield Entry(name, path, stat.S_IFREG | 0o644, status.st_mtime, status.st_size)
        else:
            yield Entry(name, b"", stat.S_IFREG | 0o644, now, 0)
