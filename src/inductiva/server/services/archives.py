"""The indexes of stored archives, so that listing one or reading a part of it never opens it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from inductiva.archive import ArchiveError, Member, check_file
from inductiva.protocol.storage import FileInfo, ZipArchiveInfo, ZipFileRange
from inductiva.protocol.times import to_wire
from inductiva.server import problems
from inductiva.server.context import Context
from inductiva.server.db.engine import Transaction
from inductiva.server.db.prepared import Prepared
from inductiva.server.db.schema import archives
from inductiva.server.domain import paths
from inductiva.server.objects.local import Digest

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Member])
ROOTS = ("artifacts", "sim_dir")
_INSERT = insert(archives)
_REMEMBER = Prepared(
    _INSERT.on_conflict_do_update(
        index_elements=["user_id", "path"],
        set_={name: _INSERT.excluded[name] for name in ("size", "sha256", "members")},
    )
)


def remember(tx: Transaction, user_id: str, path: str, digest: Digest, members: list[Member]) -> None:
    """Keeps the index of the archive at `path`, in place of an older one."""
    values = {"size": digest.size, "sha256": digest.sha256, "members": _ENCODER.encode(members)}
    _REMEMBER.run(tx.connection, {"user_id": user_id, "path": path, **values})


def known_members(connection: Connection, user_id: str, path: str, size: int) -> list[Member] | None:
    """The kept index, if it is of the archive that is stored now (which has `size` bytes)."""
    row = connection.execute(
        select(archives.c.size, archives.c.members).where(archives.c.user_id == user_id, archives.c.path == path)
    ).one_or_none()
    return _DECODER.decode(row.members) if row is not None and row.size == size else None


def members(context: Context, user_id: str, path: str) -> list[Member]:
    """The members of a stored zip. Reads the file when its index is not kept. Raises NotFound, Invalid."""
    path = paths.clean(path)
    file = context.store.locate(user_id, path)
    if not file.is_file():
        raise problems.NotFound(f"there is no file {path!r} in your storage")
    size = file.stat().st_size
    found = context.db.query(lambda connection: known_members(connection, user_id, path, size))
    return _read(file, path) if found is None else found


def _read(file: Path, path: str) -> list[Member]:
    try:
        return check_file(file)
    except ArchiveError as error:
        raise problems.Invalid(f"{path!r} cannot be read as a zip archive: {error}") from error


def folder(relative: str) -> str:
    """A folder of an archive with its final slash. `artifactsvtk` is how published clients write `artifacts/vtk`."""
    relative = relative.strip("/")
    if not relative:
        return ""
    for root in ROOTS:
        if relative.startswith(root) and relative != root and not relative.startswith(f"{root}/"):
            relative = f"{root}/{relative.removeprefix(root)}"
    return f"{relative}/"


def contents(found: list[Member], relative: str, recursive: bool) -> ZipArchiveInfo:
    """What a folder of an archive holds, names relative to it; folders without an entry of their own are listed too."""
    prefix = folder(relative)
    files: dict[str, FileInfo] = {}
    total = 0
    for member in found:
        name = member.name.removeprefix(prefix)
        if not member.name.startswith(prefix) or not name:
            continue
        total += member.size
        head, slash, rest = name.partition("/")
        if slash and rest and not recursive:
            files.setdefault(f"{head}/", FileInfo(f"{head}/", 0, 0, compress_type=0))
            continue
        files[name] = FileInfo(
            name=name,
            size=member.size,
            compressed_size=member.compressed_size,
            range_start=member.data_offset,
            creation_time=to_wire(member.mtime),
            compress_type=member.method,
        )
    return ZipArchiveInfo(size=total, contents=list(files.values()))


def file_range(found: list[Member], relative: str, filename: str) -> ZipFileRange:
    """Where the raw data of one member is in its archive. Raises NotFound."""
    wanted = {f"{folder(relative)}{filename.lstrip('/')}", f"{folder(relative)}{filename}"}
    for member in found:
        if member.name in wanted:
            end = member.data_offset + member.compressed_size - 1
            return ZipFileRange(member.data_offset, end, member.method)
    raise problems.NotFound(f"there is no file {filename!r} in {relative or 'the root'!r} of this archive")
