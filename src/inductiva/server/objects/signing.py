"""Signed URLs: `http://HOST/~/<storage path>?…`, one leading segment, bound to a method, a user and a time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from inductiva.server import problems

PREFIX = "/~/"


class Grant(msgspec.Struct, frozen=True, omit_defaults=True, rename={"user_id": "u", "expires": "e"}):
    """What a URL allows. `task` and `attempt` name the attempt whose output may be written; `task` alone the task
    whose input may be. `expires` in seconds since the epoch."""

    user_id: str
    method: str
    path: str
    expires: int
    task: str | None = None
    attempt: int | None = None


def secret_key(file: Path) -> bytes:
    """The server's signing key, made on first use (mode 0600)."""
    if not file.exists():
        temporary = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(secrets.token_bytes(32))
            out.flush()
            os.fsync(out.fileno())
        temporary.rename(file)
    return file.read_bytes()


class Signer:
    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = key
        self._clock = clock

    def url(self, base_url: str, grant: Grant) -> str:
        """The URL that gives `grant` to who has it. `base_url` as in `http://127.0.0.1:8000`."""
        # Only the path can have characters that a URL has not.
        task = "" if grant.task is None else f"&task={grant.task}"
        attempt = "" if grant.attempt is None else f"&attempt={grant.attempt}"
        query = f"user={grant.user_id}&method={grant.method}&expires={grant.expires}{task}{attempt}"
        return f"{base_url}{PREFIX}{quote(grant.path)}?{query}&signature={self._signature(grant)}"

    def check(self, method: str, path: str, query: Mapping[str, str]) -> Grant:
        """The grant of a request on a signed URL (HEAD counts as GET). Raises Forbidden."""
        try:
            grant = Grant(
                user_id=query["user"],
                method=query["method"],
                path=path,
                expires=int(query["expires"]),
                task=query.get("task"),
                attempt=int(query["attempt"]) if "attempt" in query else None,
            )
            signature = query["signature"]
        except (KeyError, ValueError):
            raise problems.Forbidden("this URL is not signed; get one from GET /storage/signed-urls") from None
        if not hmac.compare_digest(signature.encode(), self._signature(grant).encode()):
            raise problems.Forbidden("the signature of this URL is wrong; get a new one from GET /storage/signed-urls")
        if grant.expires < self._clock():
            raise problems.Forbidden("this signed URL has expired; get a new one from GET /storage/signed-urls")
        if grant.method != ("GET" if method == "HEAD" else method):
            raise problems.Forbidden(f"this signed URL is for {grant.method}, not for {method}")
        return grant

    def _signature(self, grant: Grant) -> str:
        digest = hmac.digest(self._key, msgspec.json.encode(grant), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
