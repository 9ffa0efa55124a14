"""Errors on the REST wire: every answer of 400 and above is a JSON object with a `detail`."""

from __future__ import annotations

import msgspec


class ErrorBody(msgspec.Struct):
    """`detail` says what was wrong, where, and what to do next. `request_id` finds the request in the server's log."""

    detail: str
    request_id: str | None = None
