"""Watching: everything, in order, from where the watcher is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.server.rig import Rig

from inductiva.protocol.runner import ComputationStarted, Finished, Report, ReportBody
from inductiva.protocol.status import TaskEvent, TaskStatusCode
from inductiva.protocol.watch import End, LogStream, LogText, QueuePosition, StatusChange, WatchMessage
from inductiva.server.db.engine import Transaction
from inductiva.server.services import attempts, watching
from inductiva.server.services.queue import ClaimRequest, claim
from inductiva.server.services.tasks import kill

OUT, ERR = LogStream.STDOUT, LogStream.STDERR


def _watcher(task_id: str, tail: int | None = None, stdout: int | None = None) -> watching.Watcher:
    return watching.Watcher(task_id, True, tail, {OUT: stdout, ERR: None})


async def _collect(rig: Rig, watcher: watching.Watcher) -> list[WatchMessage]:
    return [message async for message in watching.watch(rig.context, watcher)]


def _all(rig: Rig, watcher: watching.Watcher) -> list[WatchMessage]:
    return rig.run(asyncio.wait_for(_collect(rig, watcher), 20))


def _text(messages: list[WatchMessage], stream: LogStream = OUT) -> str:
    return "".join(m.text for m in messages if isinstance(m, LogText) and m.stream is stream)


def _finished(rig: Rig, log: bytes) -> str:
    group = rig.group()
    machine = rig.machine(group)
    task_id = rig.running(group, machine)
    rig.context.logs.append(task_id, 1, OUT, 0, log)
    rig.succeed(machine, task_id)
    return task_id


class Viewer:
    """Watches in the background; `until` waits for what it has seen."""

    def __init__(self, rig: Rig, task_id: str) -> None:
        self.seen: list[WatchMessage] = []
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._watch(rig, _watcher(task_id)))

    async def _watch(self, rig: Rig, watcher: watching.Watcher) -> None:
        async for message in watching.watch(rig.context, watcher):
            self.seen.append(message)
            self._news.set()

    async def until(self, look: Callable[[list[WatchMessage]], bool]) -> None:
        async with asyncio.timeout(20):
            while not look(self.seen):
                self._news.clear()
                await self._news.wait()

    async def everything(self) -> list[WatchMessage]:
        await asyncio.wait_for(self._task, 20)
        return self.seen


def _claim(tx: Transaction, wanted: tuple[str, str]) -> object:
    return claim(tx, ClaimRequest(wanted[0], [wanted[1]], 30.0))


def _report(rig: Rig, task_id: str, seq: int, body: ReportBody, attempt: int = 1) -> Report:
    return Report(task_id, attempt, seq, rig.clock.now, body)


def test_a_finished_task_is_told_with_its_log_and_ends(rig: Rig) -> None:
    messages = _all(rig, _watcher(_finished(rig, b"one\ntwo\n")))
    assert isinstance(messages[0], StatusChange)
    assert messages[0].status is TaskStatusCode.SUCCESS
    assert _text(messages) == "one\ntwo\n"
    assert messages[-1] == End(TaskStatusCode.SUCCESS)


def test_the_tail_and_the_offset_say_where_to_begin(rig: Rig) -> None:
    task_id = _finished(rig, b"one\ntwo\nthree\n")
    assert _text(_all(rig, _watcher(task_id, tail=2))) == "two\nthree\n"
    assert _text(_all(rig, _watcher(task_id, tail=0))) == ""
    assert _text(_all(rig, _watcher(task_id, tail=1, stdout=4))) == "two\nthree\n"


def test_characters_are_whole_and_the_broken_are_replaced_at_the_end(rig: Rig) -> None:
    log = "grün".encode() + b"\xff!" + "ü".encode()[:1]
    assert _text(_all(rig, _watcher(_finished(rig, log)))) == "grün\ufffd!\ufffd"


def test_what_happens_is_told_as_it_happens(rig: Rig) -> None:
    group = rig.group()
    first, machine = rig.queued(group), rig.machine(group)
    task_id = rig.queued(group)

    async def live() -> list[WatchMessage]:
        viewer = Viewer(rig, task_id)
        await viewer.until(lambda seen: len(seen) > 0)
        await rig.context.db.write(kill, first)
        await viewer.until(lambda seen: QueuePosition(0) in seen)
        await rig.context.db.write(_claim, (group, machine))
        await attempts.accept(rig.context, machine, [_report(rig, task_id, 1, ComputationStarted())])
        for offset, data in ((0, b"gr"), (2, b"\xc3"), (3, b"\xbc"), (4, b"n")):
            rig.context.logs.append(task_id, 1, OUT, offset, data)
            rig.context.hub.publish(task_id)
            await asyncio.sleep(0)
        rig.context.logs.append(task_id, 1, ERR, 0, b"last words")
        failed = Finished(TaskEvent.FAILED, exit_code=3, detail="it failed")
        await attempts.accept(rig.context, machine, [_report(rig, task_id, 2, failed)])
        return await viewer.everything()

    messages = rig.run(live())
    statuses = [message.status for message in messages if isinstance(message, StatusChange)]
    assert statuses == [
        TaskStatusCode.SUBMITTED,
        TaskStatusCode.STARTED,
        TaskStatusCode.COMPUTATION_STARTED,
        TaskStatusCode.FAILED,
    ]
    assert isinstance(messages[0], StatusChange)
    assert messages[0].tasks_ahead == 1
    assert _text(messages) == "grün"
    assert messages[-1] == End(TaskStatusCode.FAILED)
    ending = next(m for m in messages if isinstance(m, StatusChange) and m.is_terminated)
    assert ending.detail == "it failed"
    last_words = next(m for m in messages if isinstance(m, LogText) and m.stream is ERR)
    assert messages.index(last_words) < messages.index(ending)


def test_a_second_attempt_begins_the_log_anew(rig: Rig) -> None:
    group = rig.group()
    first, second = rig.machine(group), rig.machine(group)
    task_id = rig.running(group, first, resubmit_on_preemption=True)
    rig.context.logs.append(task_id, 1, OUT, 0, b"first attempt")

    async def live() -> list[WatchMessage]:
        viewer = Viewer(rig, task_id)
        await viewer.until(lambda seen: _text(seen) == "first attempt")
        rig.clock.now += 31
        await rig.context.sweeper.sweep()
        await rig.context.db.write(_claim, (group, second))
        rig.context.logs.append(task_id, 2, OUT, 0, b"second")
        failed = Finished(TaskEvent.FAILED, exit_code=1)
        await attempts.accept(rig.context, second, [_report(rig, task_id, 1, failed, attempt=2)])
        return await viewer.everything()

    messages = rig.run(live())
    logs = [(message.offset, message.text) for message in messages if isinstance(message, LogText)]
    assert logs == [(0, "first attempt"), (0, "second")]


def test_a_server_that_closes_ends_the_stream_without_an_end(rig: Rig) -> None:
    task_id = rig.submit(rig.group())

    async def close() -> list[WatchMessage]:
        viewer = Viewer(rig, task_id)
        await viewer.until(lambda seen: len(seen) > 0)
        rig.context.closing.set()
        rig.context.hub.publish_all()
        return await viewer.everything()

    assert [type(message) for message in rig.run(close())] == [StatusChange]


def test_a_silent_task_is_pinged(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PING_SECONDS", 0.01)
    task_id = rig.submit(rig.group())

    async def two() -> list[str]:
        stream = watching.watch(rig.context, _watcher(task_id))
        return [type(await anext(stream)).__name__ for _ in range(3)]

    assert rig.run(two()) == ["StatusChange", "Ping", "Ping"]
