"""What `wait()` shows: status lines, live log lines, and on a terminal a line of time that is rewritten in place."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta

from inductiva.protocol.watch import LogStream, LogText, QueuePosition, StatusChange
from inductiva.tasks.headers import WithoutFrames
from inductiva.utils.format_utils import ansi_enabled, short_timedelta_formatter

_BLUE, _RED, _PLAIN, _CLEAR_LINE = "\033[34m", "\033[31m", "\033[0m", "\r\033[2K"


def _queue_text(tasks_ahead: int) -> str:
    return "The task is about to start." if tasks_ahead == 0 else f"Tasks ahead in queue: {tasks_ahead}"


class Display:
    """Writes to stdout. Every piece is flushed, so that a reader at the end of a pipe sees it at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._tasks_ahead: int | None = None
        self._computing = False
        self._terminal = sys.stdout.isatty()
        self._colours = {LogStream.STDOUT: _BLUE, LogStream.STDERR: _RED} if ansi_enabled() else {}
        self._rest = dict.fromkeys(LogStream, "")
        self._timed = False
        self._unframed = WithoutFrames()

    def line(self, text: str) -> None:
        self._wipe()
        print(text, flush=True)

    def status(self, change: StatusChange) -> None:
        self.flush_logs()
        self._since, self._tasks_ahead = self._clock(), change.tasks_ahead
        self.line(f"■ {change.description}")
        if change.detail and change.is_terminated:
            self.line(f"  {change.detail}")
        if change.tasks_ahead:
            self._show_position()

    def position(self, change: QueuePosition) -> None:
        if change.tasks_ahead != self._tasks_ahead:
            self._tasks_ahead = change.tasks_ahead
            self._show_position()

    def _show_position(self) -> None:
        if self._tasks_ahead is not None and not self._terminal:
            self.line(_queue_text(self._tasks_ahead))

    def log(self, chunk: LogText) -> None:
        """Show the whole lines of a chunk; the start of an unfinished one is kept until it is whole."""
        *lines, self._rest[chunk.stream] = (self._rest[chunk.stream] + chunk.text).split("\n")
        self._log_lines(chunk.stream, lines)

    def flush_logs(self) -> None:
        for stream, rest in self._rest.items():
            if rest:
                self._rest[stream] = ""
                self._log_lines(stream, [rest])

    def _log_lines(self, stream: LogStream, lines: list[str]) -> None:
        if stream is LogStream.STDERR:
            lines = list(self._unframed(lines))
        if not lines:
            return
        start = self._colours.get(stream, "")
        end = _PLAIN if start else ""
        self.line("\n".join(f"{start}│{line.rpartition(chr(13))[2] or line.rstrip(chr(13))}{end}" for line in lines))

    def tick(self) -> None:
        """Rewrite the line of time. On anything but a terminal there is none."""
        if not self._terminal:
            return
        duration = short_timedelta_formatter(timedelta(seconds=int(self._clock() - self._since)))
        text = f"Duration: {duration}" if self._tasks_ahead is None else f"{_queue_text(self._tasks_ahead)}  {duration}"
        sys.stdout.write(f"{_CLEAR_LINE}{text}")
        sys.stdout.flush()
        self._timed = True

    def _wipe(self) -> None:
        if self._timed:
            sys.stdout.write(_CLEAR_LINE)
            self._timed = False

    def close(self) -> None:
        self.flush_logs()
        self._wipe()
        sys.stdout.flush()
