"""Look into a running task: its files, the end of one of them, its processes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from inductiva.protocol.runner import FromRunner, LiveFrame, LiveRequest
from inductiva.protocol.watch import LiveOperation, LiveStatus
from inductiva.runner.attempt import Attempt
from inductiva.runner.looking import LookError, Tail, last_modified, list_files, processes_text
from inductiva.runner.polling import until

_PERIOD_SECONDS = 1.0
_TAIL_PERIOD_SECONDS = 0.1
_LAST_LOOK_SECONDS = 2.0
_MAX_LINES = 100_000

Post = Callable[[FromRunner], bool]


class LiveRequests:
    """The requests that are being answered."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._running: dict[str, tuple[Attempt, asyncio.Task[None]]] = {}

    def begin(self, request: LiveRequest, attempt: Attempt | None) -> None:
        """Answer a request about `attempt`, None when this machine does not hold the task."""
        if attempt is None:
            self._answer(request, LiveStatus.ERROR, f"Task {request.task_id} does not run on this machine.", True)
            return
        answering = asyncio.ensure_future(self._serve(request, attempt))
        self._running[request.request_id] = (attempt, answering)
        answering.add_done_callback(lambda _: self._running.pop(request.request_id, None))

    def cancel(self, request_id: str) -> None:
        """Nobody listens any more."""
        if request_id in self._running:
            self._running[request_id][1].cancel()

    def end_all(self) -> None:
        """The connection is gone, and with it who asked."""
        for request_id in list(self._running):
            self.cancel(request_id)

    async def end_of(self, attempt: Attempt) -> None:
        """The attempt is about to be removed: those who follow it see its end first, but not for long."""
        asked = {name: answering for name, (owner, answering) in self._running.items() if owner is attempt}
        if asked:
            _, unfinished = await asyncio.wait(asked.values(), timeout=_LAST_LOOK_SECONDS)
            for request_id, answering in asked.items():
                if answering in unfinished:
                    answering.cancel()
                    self._post(LiveFrame(request_id, LiveStatus.SUCCESS, None))

    def _answer(self, request: LiveRequest, status: LiveStatus, message: Any, last: bool) -> None:
        self._post(LiveFrame(request.request_id, status, message, last))

    async def _serve(self, request: LiveRequest, attempt: Attempt) -> None:
        try:
            if request.op == LiveOperation.TAIL:
                await self._tail(request, attempt)
            else:
                await self._repeat(request, attempt)
        except LookError as error:
            self._answer(request, LiveStatus.ERROR, str(error), True)
        except OSError as error:
            self._answer(request, LiveStatus.ERROR, f"The machine could not look: {error.strerror}.", True)

    async def _repeat(self, request: LiveRequest, attempt: Attempt) -> None:
        looks: dict[LiveOperation, Callable[[], Any]] = {
            LiveOperation.LS: lambda: list_files(attempt.workspace.artifacts),
            LiveOperation.TOP: lambda: processes_text(attempt.computation.tree.members()),
            LiveOperation.LAST_MODIFIED_FILE: lambda: last_modified(attempt.workspace.artifacts),
        }
        while True:
            message = await asyncio.to_thread(looks[request.op])
            is_last = not request.follow or attempt.is_finished
            self._answer(request, LiveStatus.SUCCESS, message, is_last)
            if is_last:
                return
            await asyncio.sleep(_PERIOD_SECONDS)

    async def _tail(self, request: LiveRequest, attempt: Attempt) -> None:
        name, lines, wait = _tail_arguments(request.args)
        tail = Tail(attempt.workspace.artifacts, name)
        if wait:
            await until(lambda: tail.exists() or attempt.is_finished, math.inf, _TAIL_PERIOD_SECONDS)
        first = await asyncio.to_thread(tail.last_lines, lines, follow=request.follow)
        self._answer(request, LiveStatus.SUCCESS, first, not request.follow)
        while request.follow:
            is_over = attempt.is_finished
            if more := await asyncio.to_thread(tail.new_lines, is_over):
                self._answer(request, LiveStatus.SUCCESS, more, False)
            elif is_over:
                self._answer(request, LiveStatus.SUCCESS, None, True)
                return
            else:
                await asyncio.sleep(_TAIL_PERIOD_SECONDS)


def _tail_arguments(arguments: dict[str, Any]) -> tuple[str, int, bool]:
    name, lines = arguments.get("filename"), arguments.get("lines", 10)
    if not isinstance(name, str) or not name:
        raise LookError("tail needs the name of a file; 'ls' lists them.")
    if not isinstance(lines, int) or not 0 <= lines <= _MAX_LINES:
        raise LookError(f"lines must be a number from 0 to {_MAX_LINES}, not {lines!r}.")
    return name, lines, bool(arguments.get("wait", False))
