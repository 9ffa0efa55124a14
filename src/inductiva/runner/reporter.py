"""Tell the server what becomes of an attempt: journaled first, sent at once, sent again until acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from inductiva.protocol.runner import (
    Finished,
    FromRunner,
    OperationEnded,
    OperationStarted,
    Report,
    ReportBody,
    Work,
)
from inductiva.protocol.tasks import OperationName
from inductiva.runner.journal import Journal, Said

Post = Callable[[FromRunner], bool]
"""Sends a message now; False when there is no connection."""


class Reporter:
    """Reports of one attempt, numbered from 1."""

    def __init__(self, work: Work, journal: Journal, post: Post) -> None:
        self._work = work
        self._journal = journal
        self._post = post
        self._reports = journal.progress.reports
        self._old = len(self._reports)
        self._last = self._reports[-1].seq if self._reports else 0
        self._acked = 0
        self._changed = asyncio.Event()
        self.refusal: str | None = None

    def say(self, body: ReportBody) -> None:
        """Journal and send a report. Raises OSError when the disk takes no more."""
        self._last += 1
        report = Report(self._work.task_id, self._work.attempt, self._last, time.time(), body)
        self._journal.append(Said(report))
        self._post(report)

    def resume(self, last_seq: int) -> None:
        """After a connect: the server has everything up to `last_seq`; send the rest.

        A machine that lost power may have lost the end of its journal: numbers then go on after the server's.
        """
        known = self._reports[self._old - 1].seq if self._old else 0
        if last_seq > known and self._acked == 0:
            for report in self._reports[self._old :]:
                report.seq += last_seq - known
            self._last = max(self._last + last_seq - known, last_seq)
        self._old = len(self._reports)
        self.on_ack(last_seq)
        for report in self._reports:
            if report.seq > last_seq:
                self._post(report)

    def on_ack(self, seq: int) -> None:
        """Every report up to `seq` is durable."""
        self._acked = max(self._acked, seq)
        self._changed.set()

    def on_refused(self, seq: int, reason: str) -> None:
        """The server does not believe the `Finished` with this number: the next report takes its place."""
        if self._reports and self._reports[-1].seq == seq and isinstance(self._reports[-1].body, Finished):
            self.refusal = reason
            self._changed.set()

    def take_back(self) -> None:
        """Forget the refused `Finished`, so that its number is used again."""
        self._last = self._reports.pop().seq - 1
        self.refusal = None

    async def wait_for_all(self) -> bool:
        """Return when the server has every report; False when it refused the last one."""
        while self._acked < self._last:
            self._changed.clear()
            await self._changed.wait()
            if self.refusal is not None:
                return False
        return True

    def started(self, operation_id: str) -> Report | None:
        """The report that began an operation, if there was one."""
        for report in self._reports:
            if isinstance(report.body, OperationStarted) and report.body.operation_id == operation_id:
                return report
        return None

    @contextmanager
    def operation(
        self, name: OperationName, attributes: dict[str, Any] | None = None, index: int = 0
    ) -> Iterator[dict[str, Any]]:
        """A span of the task's timeline. Yields the attributes of its end; `ok` among them says how it ended.

        An operation that an earlier runner began goes on: it is not begun again, and its time counts from then.
        """
        operation_id = f"{self._work.task_id}.{self._work.attempt}.{name}.{index}"
        began = self.started(operation_id)
        start = began.time if began else time.time()
        if began is None:
            self.say(OperationStarted(operation_id, name, attributes or {}))
        ending: dict[str, Any] = {}
        try:
            yield ending
        except asyncio.CancelledError:
            raise  # the attempt is given up or handed to the next runner: nothing ended
        except BaseException:
            self._end(operation_id, start, {**ending, "ok": False})
            raise
        self._end(operation_id, start, ending)

    def _end(self, operation_id: str, start: float, ending: dict[str, Any]) -> None:
        attributes = {"execution_time_s": round(max(0.0, time.time() - start), 6), **ending}
        ok = attributes.pop("ok", True)
        self.say(OperationEnded(operation_id, ok, msgspec.to_builtins(attributes)))
