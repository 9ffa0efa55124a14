"""`Task.kill`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from inductiva import logs
from inductiva.api import tasks as api
from inductiva.api.errors import ServerUnreachable, ServiceException
from inductiva.constants import TASK_KILL_MAX_API_REQUESTS, TASK_KILL_RETRY_SLEEP_SEC
from inductiva.protocol.status import TERMINAL, TaskStatusCode
from inductiva.tasks import watch

if TYPE_CHECKING:
    from inductiva.tasks.task import Task


def check(wait_timeout: float | None, verbosity_level: int) -> None:
    """Raises TypeError or ValueError for arguments that `Task.kill` does not take."""
    if wait_timeout is not None:
        if isinstance(wait_timeout, bool) or not isinstance(wait_timeout, int | float):
            raise TypeError(f"wait_timeout must be a number of seconds or None; it is {wait_timeout!r}")
        if wait_timeout <= 0:
            raise ValueError(f"wait_timeout must be more than 0 seconds; it is {wait_timeout!r}")
    if verbosity_level not in (0, 1, 2):
        raise ValueError(f"verbosity_level must be 0, 1 or 2; it is {verbosity_level!r}")


def request(task_id: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Ask for the kill, again when the server fails. Raises RuntimeError when it never takes it."""
    for attempt in range(TASK_KILL_MAX_API_REQUESTS):
        try:
            return api.kill(task_id)
        except (ServiceException, ServerUnreachable) as error:
            if attempt == TASK_KILL_MAX_API_REQUESTS - 1:
                raise RuntimeError(f"The server did not take the request to kill task {task_id}: {error}") from error
        sleep(TASK_KILL_RETRY_SLEEP_SEC)
    return None


def kill(task: Task, wait_timeout: float | None, verbosity_level: int) -> bool | None:
    """See `Task.kill`."""
    check(wait_timeout, verbosity_level)
    tell, detail = logs.teller(verbosity_level > 0), logs.teller(verbosity_level > 1)
    if task.is_terminal():
        tell(f"Task {task.id} has already ended: {task.info.status_alias}.")
        return task.info.status is TaskStatusCode.KILLED
    request(task.id)
    detail(f"Asked for task {task.id} to be killed.")
    if wait_timeout is None:
        return None
    change = watch.until(task.id, lambda change: change.status in TERMINAL, wait_timeout)
    if change is None:
        tell(f"Task {task.id} is still being killed after {wait_timeout:g} s; task.get_status() tells when it is done.")
        return False
    task.note_status(change.status)
    killed = change.status is TaskStatusCode.KILLED
    tell(f"Task {task.id} was killed." if killed else f"Task {task.id} ended before it was killed: {change.alias}.")
    return killed
