"""Storage: signed URLs, and what is in archives."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, get
from litestar.params import FromQuery

from inductiva.protocol.storage import OperationType, ZipArchiveInfo, ZipFileRange
from inductiva.server.routes.given import Caller, Ctx
from inductiva.server.services import archives, storage


def base_url(request: Request[Any, Any, Any]) -> str:
    """The server as the client reached it, so that the URLs it gets work for it."""
    host = request.headers.get("host")
    return f"{request.scope['scheme']}://{request.url.netloc if host is None else host}"


@get("/storage/signed-urls", tags=["storage"])
async def signed_urls(
    request: Request[Any, Any, Any],
    ctx: Ctx,
    account: Caller,
    operation: FromQuery[OperationType],
    paths: FromQuery[list[str] | None] = None,
    region: FromQuery[str | None] = None,
) -> list[str]:
    """URLs that need no key. Upload: one a path, answer to PUT is 200. Download: a directory stands for its files."""
    return storage.signed_urls(ctx, base_url(request), account.id, operation, paths or [])


@get("/storage/zip-contents", tags=["storage"])
async def zip_contents(
    ctx: Ctx,
    account: Caller,
    path: FromQuery[str],
    zip_relative_path: FromQuery[str] = "",
    recursive: FromQuery[bool] = False,
    region: FromQuery[str | None] = None,
) -> ZipArchiveInfo:
    """What a stored archive holds below `zip_relative_path`, names relative to it."""
    members = await asyncio.to_thread(archives.members, ctx, account.id, path)
    return archives.contents(members, zip_relative_path, recursive)


@get("/storage/zip-file-range", tags=["storage"])
async def zip_file_range(
    ctx: Ctx,
    account: Caller,
    path: FromQuery[str],
    filename: FromQuery[str],
    zip_relative_path: FromQuery[str] = "",
    region: FromQuery[str | None] = None,
) -> ZipFileRange:
    """First and last byte of a member's raw data in a stored archive."""
    members = await asyncio.to_thread(archives.members, ctx, account.id, path)
    return archives.file_range(members, zip_relative_path, filename)


HANDLERS = [signed_urls, zip_contents, zip_file_range]
