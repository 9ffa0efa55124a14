"""Errors as answers: `{"detail", "request_id"}`, with a status that clients act on."""

from __future__ import annotations

import logging
import secrets
import sqlite3
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from sqlalchemy.exc import OperationalError

from inductiva.protocol.errors import ErrorBody
from inductiva.server import problems
from inductiva.server.objects.local import is_disk_full

logger = logging.getLogger(__name__)

STATUS: dict[type[problems.Problem], int] = {
    problems.Unauthenticated: 401,
    problems.Forbidden: 403,
    problems.NotFound: 404,
    problems.TooOld: 406,
    problems.Conflict: 409,
    problems.BadRange: 416,
    problems.Invalid: 422,
    problems.Unavailable: 503,
    problems.StorageFull: 507,
}
DISK_FULL = "the server's disk is full: what was sent is not stored; make room on its data directory and try again"

AnyRequest = Request[Any, Any, Any]


def _answer(status: int, detail: str, request_id: str | None = None) -> Response[ErrorBody]:
    return Response(ErrorBody(detail, request_id), status_code=status, media_type="application/json")


def answer_problem(_request: AnyRequest, problem: problems.Problem) -> Response[ErrorBody]:
    return _answer(STATUS[type(problem)], problem.detail)


def answer_validation(_request: AnyRequest, error: ValidationException) -> Response[ErrorBody]:
    """A body or parameter of the wrong form: 422, and where."""
    found = [
        f"{item.get('key', '')}: {item.get('message', '')}" for item in error.extra or [] if isinstance(item, dict)
    ]
    return _answer(422, "; ".join([f"the request is not well-formed ({error.detail})", *found]))


def answer_http(request: AnyRequest, error: HTTPException) -> Response[ErrorBody]:
    """What the framework refuses: unknown paths, methods, bodies."""
    status = 422 if error.status_code == 400 else error.status_code
    detail = error.detail
    if status == 404:
        detail = f"there is nothing at {request.method} {request.url.path}; see /openapi.json for what there is"
    return _answer(status, detail)


def answer_database(request: AnyRequest, error: OperationalError | sqlite3.OperationalError) -> Response[ErrorBody]:
    """A full disk is said; anything else is our defect or the disk's."""
    if "full" in str(error.orig if isinstance(error, OperationalError) else error):
        return _answer(507, DISK_FULL)
    return answer_defect(request, error)


def answer_os_error(request: AnyRequest, error: OSError) -> Response[ErrorBody]:
    if is_disk_full(error):
        return _answer(507, DISK_FULL)
    return answer_defect(request, error)


def answer_defect(request: AnyRequest, error: Exception) -> Response[ErrorBody]:
    """A defect of the server: the client gets a number under which the log has the rest."""
    request_id = secrets.token_hex(8)
    logger.error("request %s: %s %s failed", request_id, request.method, request.url.path, exc_info=error)
    return _answer(500, f"the server failed; its log has the cause under request {request_id}", request_id)


HANDLERS: dict[Any, Any] = {
    problems.Problem: answer_problem,
    ValidationException: answer_validation,
    HTTPException: answer_http,
    OperationalError: answer_database,
    sqlite3.OperationalError: answer_database,
    OSError: answer_os_error,
    Exception: answer_defect,
}
