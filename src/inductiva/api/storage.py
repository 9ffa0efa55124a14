"""Calls about stored files, and the files themselves behind signed URLs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from inductiva.api import errors, session, transport
from inductiva.protocol.storage import OperationType, ZipArchiveInfo

CHUNK_BYTES = 1 << 20
UPLOAD_SECONDS = 600.0
"""How long the store may take to answer after the last byte of an upload."""


def signed_urls(paths: Sequence[str], operation: OperationType, region: str | None = None) -> list[str | None]:
    """One URL a path; None for what does not exist."""
    query = {"operation": operation.value, "paths": paths, "region": region}
    return session.fetch(list[str | None], "GET", "/storage/signed-urls", query=query)


def zip_contents(path: str, directory: str, *, recursive: bool, region: str | None = None) -> ZipArchiveInfo:
    """Members below `directory` of the archive at `path`; their names are relative to it."""
    query = {"path": path, "zip_relative_path": directory, "recursive": recursive, "region": region}
    return session.fetch(ZipArchiveInfo, "GET", "/storage/zip-contents", query=query)


def remove(path: str, region: str | None = None) -> None:
    session.call("DELETE", "/storage/", query={"path": path, "region": region})


def upload(url: str, chunks: Iterable[bytes]) -> None:
    """Send `chunks` to a signed URL. Raises ApiException when it is refused, ServerUnreachable when it breaks off."""
    call = transport.Call(
        "PUT", url, {"Content-Type": "application/octet-stream"}, read_seconds=UPLOAD_SECONDS, safe=False
    )
    response = transport.send_once(call, body=chunks)
    if response.status >= 300:
        raise errors.from_answer(str(call), response.status, response.reason, response.data, response.headers)


def download(url: str, first: int | None = None, last: int | None = None) -> Iterator[bytes]:
    """The bytes behind a signed URL in pieces: all, or from byte `first` on, or `first` to `last` (inclusive)."""
    headers = {} if first is None else {"Range": f"bytes={first}-{'' if last is None else last}"}
    call = transport.Call("GET", url, headers)
    with transport.open_stream(call) as response:
        if first is not None and response.status != 206:
            raise errors.ApiException(
                response.status,
                response.reason,
                message=f"{call} was asked for a part of the file and answered {response.status} instead of 206",
            )
        yield from response.stream(CHUNK_BYTES, decode_content=False)
