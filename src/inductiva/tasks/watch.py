"""Following a task: the server pushes what happens, a thread receives it, and comes back when the connection drops."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from inductiva.api import session
from inductiva.api.errors import ApiException, ServerUnreachable, ServiceException
from inductiva.protocol.status import TaskStatusCode
from inductiva.protocol.watch import PING_SECONDS, End, LogStream, LogText, Ping, StatusChange, WatchMessage

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

TAIL_LINES = 50
SILENCE_SECONDS = 2.5 * PING_SECONDS
"""A connection that says nothing for so long, not even a ping, is dead."""
PATIENCE_SECONDS = 600.0
"""How long to look for a server that has gone before giving up."""
_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

_decode = msgspec.json.Decoder(WatchMessage).decode


def read_lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    """The lines of a stream, each as soon as its end has arrived."""
    rest = b""
    while data := response.read1(1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        yield from filter(None, lines)
    if rest:
        yield rest


class Watch:
    """What happens to a task, as a queue. Use as a context manager and call `next`.

    `logs`: whether log text is wanted too, from the last `tail` lines on; None: all of it.
    """

    def __init__(self, task_id: str, *, logs: bool = False, tail: int | None = TAIL_LINES) -> None:
        self._path = f"/tasks/{session.segment(task_id)}/watch"
        self._logs, self._tail = logs, tail
        self._tail = tail
        self._offsets: dict[LogStream, int] = {}
        self._last: tuple[str, str] | None = None
        self._queue: queue.SimpleQueue[WatchMessage | Exception] = queue.SimpleQueue()
        self._response: BaseHTTPResponse | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {task_id}", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        response = self._response
        if response is not None:
            with suppress(OSError, ValueError, RuntimeError):
                response.shutdown()

    def next(self, timeout: float | None = None) -> WatchMessage | None:
        """The next message; None when there is none for `timeout` seconds. Raises what made the watch end."""
        try:
            message = self._queue.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(message, Exception):
            raise message
        return message

    def _run(self) -> None:
        try:
            self._follow()
        except (ApiException, msgspec.MsgspecError, OSError, ValueError) as error:
            self._queue.put(error)

    def _follow(self) -> None:
        failures, connected, lost_at = 0, False, 0.0
        while not self._closed.is_set():
            try:
                for message in self._messages():
                    failures, connected = 0, True
                    self._queue.put(message)
                    if isinstance(message, End):
                        return
            except (ServerUnreachable, ServiceException) as error:
                # The first failure of the first connection is told at once: the address may simply be wrong.
                if not connected and failures >= len(_PAUSES):
                    raise
                if failures and time.monotonic() - lost_at > PATIENCE_SECONDS:
                    raise error
            lost_at = lost_at if failures else time.monotonic()
            self._closed.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    def _messages(self) -> Iterator[WatchMessage]:
        """One connection's messages. Ends, or raises ServerUnreachable, when it drops."""
        with session.following(self._path, self._query(), SILENCE_SECONDS) as response:
            self._response = response
            if self._closed.is_set():
                return
            for line in read_lines(response):
                message = _decode(line)
                if self._is_new(message):
                    yield message

    def _query(self) -> dict[str, int | bool | None]:
        return {
            "logs": self._logs,
            "tail": self._tail,
            "stdout_offset": self._offsets.get(LogStream.STDOUT),
            "stderr_offset": self._offsets.get(LogStream.STDERR),
        }

    def _is_new(self, message: WatchMessage) -> bool:
        """Remember where to go on; false for what a new connection repeats."""
        if isinstance(message, LogText):
            self._offsets[message.stream] = message.offset + message.size
        elif isinstance(message, StatusChange):
            if message.status is TaskStatusCode.SUBMITTED:
                # A task that is queued again begins its log anew.
                self._offsets.clear()
            previous, self._last = self._last, (message.status, message.time)
            return previous != self._last
        return not isinstance(message, Ping)


def until(
    task_id: str,
    done: Callable[[StatusChange], bool],
    timeout: float | None = None,
) -> StatusChange | None:
    """The first status for which `done` is true, or the one the task ended with; None after `timeout` seconds."""
    deadline = None if timeout is None else time.monotonic() + timeout
    last: StatusChange | None = None
    with Watch(task_id) as watch:
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            message = watch.next(left) if left is None or left > 0 else None
            if message is None or isinstance(message, End):
                return last if message is not None else None
            if isinstance(message, StatusChange):
                last = message
                if done(message):
                    return message
