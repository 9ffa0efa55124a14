"""What can go wrong with a call, as exceptions whose text says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class ApiKeyError(Exception):
    """There is no API key, or it cannot be one."""


class VersionError(Exception):
    """The server does not work with this version of the package."""


class ApiException(Exception):  # noqa: N818 - the name that scripts catch
    """The server refused a call or could not answer it.

    Attributes: `status` (HTTP code, None when nothing answered), `reason`, `body` (text as received), `data` (the
    decoded body, None when it is no JSON), `headers`, `message` (what was wrong and what to do).
    """

    def __init__(
        self,
        status: int | None = None,
        reason: str | None = None,
        body: str | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        message: str | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.body = body
        self.data = data
        self.headers = dict(headers or {})
        self.message = message or reason or f"the server answered {status}"
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class BadRequestException(ApiException):
    """400."""


class UnauthorizedException(ApiException):
    """401: the key is missing, wrong or revoked."""


class ForbiddenException(ApiException):
    """403."""


class NotFoundException(ApiException):
    """404."""


class ConflictException(ApiException):
    """409."""


class UnprocessableEntityException(ApiException):
    """422: the request is well-formed but says something that cannot be."""


class ServiceException(ApiException):
    """500 and above: the server failed."""


class ServerUnreachable(ApiException):
    """Nothing answers at the server's address.

    `maybe_sent`: whether the request may have arrived all the same; `timed_out`: whether it was waited for in vain.
    """

    def __init__(self, message: str, *, maybe_sent: bool = False, timed_out: bool = False) -> None:
        super().__init__(None, "server unreachable", message=message)
        self.maybe_sent = maybe_sent
        self.timed_out = timed_out


_BY_STATUS: dict[int, type[ApiException]] = {
    400: BadRequestException,
    401: UnauthorizedException,
    403: ForbiddenException,
    404: NotFoundException,
    409: ConflictException,
    422: UnprocessableEntityException,
}


def _decoded(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _detail(data: Any) -> str | None:
    """The `detail` of an error body: a sentence, or a list of `{loc, msg}` (which becomes one)."""
    detail = data.get("detail") if isinstance(data, dict) else None
    if isinstance(detail, list):
        parts = [
            f"{'.'.join(map(str, item.get('loc', [])))}: {item.get('msg', '')}"
            for item in detail
            if isinstance(item, dict)
        ]
        return "; ".join(parts) or None
    return detail if isinstance(detail, str) else None


def from_answer(
    what: str, status: int, reason: str | None, body: bytes, headers: Mapping[str, str], hint: str = ""
) -> ApiException:
    """The exception for an answer of 300 or above to `what` (such as `GET http://…/tasks`)."""
    text = body.decode("utf-8", "replace")
    data = _decoded(text)
    detail = _detail(data)
    if detail is None:
        detail = f"{what} was answered {status} {reason or ''}".rstrip()
        if status >= 500:
            detail += "; the server failed, its log says more"
    kind = _BY_STATUS.get(status, ServiceException if status >= 500 else ApiException)
    return kind(status, reason, text, data, headers, f"{detail} {hint}".rstrip())
