"""Calls about tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inductiva.api import session
from inductiva.protocol.tasks import (
    Task,
    TaskRequest,
    TaskStatus,
    TaskSubmittedInfo,
    TaskWithPagination,
    TaskWithStatusHistory,
)


def _path(task_id: str, end: str = "") -> str:
    return f"/tasks/{session.segment(task_id)}{end}"


def submit(request: TaskRequest, idempotency_key: str) -> TaskSubmittedInfo:
    """Make a task. Sent again with the same key it makes no second one."""
    return session.fetch(
        TaskSubmittedInfo, "POST", "/tasks/submit", body=request, headers={"Idempotency-Key": idempotency_key}
    )


def input_uploaded(task_id: str) -> bytes:
    """Tell that the input is stored; returns the raw answer, which may carry the task's status."""
    return session.call("POST", _path(task_id, "/input_uploaded")).body


def status(task_id: str) -> TaskStatus:
    return session.fetch(TaskStatus, "GET", _path(task_id, "/status"))


def info(task_id: str) -> TaskWithStatusHistory:
    return session.fetch(TaskWithStatusHistory, "GET", _path(task_id))


def page(
    number: int,
    size: int,
    *,
    status: str | None = None,
    project: str | None = None,
    active: bool | None = None,
    sort: Sequence[str] | None = None,
) -> TaskWithPagination:
    """Page `number` (from 1) of the user's tasks, newest first; `size` up to 500."""
    query = {
        "page": number,
        "per_page": size,
        "status": status,
        "project": project,
        "active": active,
        "sort": sort,
    }
    return session.fetch(TaskWithPagination, "GET", "/tasks", query=query)


def newest(count: int, *, status: str | None = None, project: str | None = None) -> list[Task]:
    return page(1, count, status=status, project=project).tasks


def kill(task_id: str) -> None:
    session.call("POST", _path(task_id, "/kill"))


def set_metadata(task_id: str, metadata: Mapping[str, str]) -> None:
    session.call("PUT", _path(task_id, "/metadata"), body=dict(metadata))


def get_metadata(task_id: str) -> dict[str, str]:
    answer: dict[str, Any] = session.fetch(dict, "GET", _path(task_id, "/metadata"))
    return {str(key): str(value) for key, value in answer.items()}
