"""The server itself: health, version."""

from __future__ import annotations

import re
from typing import Any

from litestar import Request, get
from litestar.params import FromQuery

import inductiva
from inductiva.protocol.users import VersionComparison
from inductiva.server import problems
from inductiva.server.routes.given import Ctx

MINIMUM_CLIENT = "0.18.0"


@get("/healthz", tags=["server"])
async def healthz(ctx: Ctx) -> dict[str, str | int]:
    """Whether the server answers. Needs no key."""
    return {"status": "ok", "version": inductiva.__version__, "runners": len(ctx.links)}


@get("/openapi.json", include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The OpenAPI document of this server. Needs no key."""
    return request.app.openapi_schema.to_schema()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


@get("/version-check", tags=["server"])
async def version_check(client_version: FromQuery[str]) -> VersionComparison:
    """Whether a client of this version can talk to this server; 406 when it is too old. Needs no key."""
    numbers = _numbers(client_version)
    if not numbers:
        raise problems.Invalid(f"client_version {client_version!r} is no version; give one such as {MINIMUM_CLIENT}")
    if numbers < _numbers(MINIMUM_CLIENT):
        raise problems.TooOld(
            f"client {client_version} is older than {MINIMUM_CLIENT}, which this server needs: "
            "pip install --upgrade inductiva"
        )
    return VersionComparison(True, client_version, inductiva.__version__, MINIMUM_CLIENT)


HANDLERS = [healthz, openapi, version_check]
