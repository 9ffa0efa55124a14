"""`Task.wait` and `Task.wait_for_status`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from inductiva import logs
from inductiva.api.errors import ApiException
from inductiva.constants import FAILED_TASK_LOG_LINES, STANDARD_STREAMS
from inductiva.protocol.status import STATUSES, TERMINAL, TaskStatusCode
from inductiva.protocol.watch import End, LogText, QueuePosition, StatusChange, WatchMessage
from inductiva.tasks import downloads, watch
from inductiva.tasks.display import Display
from inductiva.tasks.headers import WithoutFrames

if TYPE_CHECKING:
    from pathlib import Path

    from inductiva.tasks.task import Task

TICK_SECONDS = 1.0


def _how_to_return(task_id: str) -> str:
    return (
        f"The task goes on. To wait for it again: inductiva.tasks.Task({task_id!r}).wait(), "
        f"or in a terminal: inductiva logs {task_id}; to end it: inductiva tasks kill {task_id}"
    )


def _ways_back(task_id: str) -> list[str]:
    return [
        f"· To wait again:    inductiva.tasks.Task({task_id!r}).wait()",
        f"· In a terminal:    inductiva logs {task_id}",
        f"· To end the task:  inductiva tasks kill {task_id}",
    ]


def _timed_out(task_id: str, timeout: float) -> TimeoutError:
    return TimeoutError(f"Task {task_id} has not ended within {timeout:g} seconds. {_how_to_return(task_id)}")


def _show(display: Display, message: WatchMessage | None) -> None:
    if isinstance(message, StatusChange):
        display.status(message)
    elif isinstance(message, QueuePosition):
        display.position(message)
    elif isinstance(message, LogText):
        display.log(message)


def _tell_end(task: Task, status: TaskStatusCode, display: Display | None) -> TaskStatusCode:
    """For a task whose end is known there is nothing to follow, and nobody to ask."""
    if display is not None:
        display.line(f"■ {STATUSES[status].description}")
    return status


def _follow(task: Task, display: Display | None, timeout: float | None) -> TaskStatusCode:
    """Follow the task to its end. Raises TimeoutError after `timeout` seconds."""
    deadline = None if timeout is None else time.monotonic() + timeout
    with watch.Watch(task.id, logs=display is not None) as following:
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if timeout is not None and left is not None and left <= 0:
                raise _timed_out(task.id, timeout)
            message = following.next(TICK_SECONDS if left is None else min(left, TICK_SECONDS))
            if isinstance(message, StatusChange | End):
                task.note_status(message.status)
            if isinstance(message, End):
                return message.status
            if display is not None:
                _show(display, message)
                display.tick()


def wait(task: Task, *, silent: bool, download_std: bool, timeout: float | None, tied: bool) -> TaskStatusCode:
    """See `Task.wait`. `tied`: Ctrl-C will kill the task, so there is nothing to come back to."""
    display = None if silent else Display()
    known = task.known_end()
    if display is not None and known is None:
        display.line(f"Waiting for task {task.id} to complete...")
    try:
        status = _follow(task, display, timeout) if known is None else _tell_end(task, known, display)
    except KeyboardInterrupt as interrupt:
        if not tied:
            logs.teller()("\n".join(["", "The task goes on.", *_ways_back(task.id)]))
        raise interrupt.with_traceback(None) from None  # Where in here it came from tells a user nothing.
    finally:
        if display is not None:
            display.close()
    folder = _download_streams(task, display) if download_std else None
    if display is not None and folder is not None and status is TaskStatusCode.FAILED:
        _show_ends(display, folder)
    return status


def _download_streams(task: Task, display: Display | None) -> Path | None:
    """Fetch stdout and stderr. That it fails is no failure of the task, so it is only told."""
    try:
        folder = downloads.standard_streams(task)
    except (ApiException, OSError, ValueError) as error:
        logs.warn(f"Could not download the output streams of task {task.id}: {error}")
        return None
    if display is not None and folder is not None:
        display.line(f"Downloaded stdout and stderr to {folder}")
    return folder


def _show_ends(display: Display, folder: Path) -> None:
    for name in STANDARD_STREAMS:
        path = folder / name
        lines = _last_lines(path, FAILED_TASK_LOG_LINES) if path.exists() else []
        if lines:
            display.line(f"┌ (last {len(lines)} line{'s'[: len(lines) != 1]} from {name})")
            display.line("\n".join([*(f"│{line}" for line in lines), "└"]))
    display.line(f"The whole streams are in {folder}")


def _last_lines(path: Path, count: int) -> list[str]:
    """The last lines that the programs wrote; what frames each command says nothing about a failure."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16)))
        return list(WithoutFrames()(file.read().decode("utf-8", "replace").splitlines()))[-count:]


def wait_for_status(task: Task, status: TaskStatusCode, timeout: float | None, silent: bool) -> TaskStatusCode | None:
    """See `Task.wait_for_status`."""
    if any(entry.status is status for entry in task.get_info().status_history):
        return status
    tell = logs.teller(not silent)

    def done(change: StatusChange) -> bool:
        task.note_status(change.status)
        tell(f"■ {change.description}")
        return change.status is status

    change = watch.until(task.id, lambda change: done(change) or change.status in TERMINAL, timeout)
    if change is None:
        raise TimeoutError(f"Task {task.id} has not become {status.value} within {timeout:g} seconds.")
    if change.status is status:
        return status
    # Between two looks the task may have passed through the status.
    passed = any(entry.status is status for entry in task.get_info().status_history)
    return status if passed else None
