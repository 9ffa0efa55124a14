"""Runners over the real WebSocket: work, reports, logs, stops, and connections that break."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path
from typing import NoReturn

import pytest
from tests.unit.server.rig import HOST, OUTPUT, eventually
from tests.unit.server.web import FakeRunner, Web
from websockets.exceptions import ConnectionClosed

from inductiva.protocol.runner import (
    CLOSE_REPLACED,
    CLOSE_UNAUTHORIZED,
    Assign,
    AttemptRef,
    AttemptState,
    ComputationStarted,
    Drop,
    Finished,
    Goodbye,
    Heartbeat,
    Hello,
    LiveCancel,
    LiveFrame,
    LiveRequest,
    LogAck,
    LogChunk,
    Ready,
    ReportAck,
    ReportRefused,
    Retire,
    Stop,
    StopCause,
    Urls,
    UrlsRequest,
)
from inductiva.protocol.status import TaskEvent
from inductiva.protocol.watch import LiveStatus, LogStream
from inductiva.server.services.machines import Machine, by_token


def _closed_with(runner: FakeRunner) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        runner.expect(NoReturn)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def test_a_task_from_submit_to_download(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        welcome = runner.connect()
        assert (welcome.group_id, welcome.attempts) == (group, [])
        task_id = web.queued(group, extra_params={"commands": [{"cmd": "true"}]}, time_to_live_seconds=60)
        work = runner.take()
        assert (work.task_id, work.attempt, work.params.commands[0].cmd) == (task_id, 1, "true")
        assert web("GET", work.input_url).status == 200
        runner.log(work, b"hello\n")
        assert runner.expect(LogAck).offset == 6
        runner.finish(work)
        while runner.expect(ReportAck).seq < 3:
            pass
        messages = list(web.watch(task_id))
        assert [m["text"] for m in messages if m["type"] == "log"] == ["hello\n"]
        assert messages[-1] == {"type": "end", "status": "success"}
        [url] = web("GET", f"/storage/signed-urls?operation=download&paths={task_id}/output.zip").json
        assert web("GET", url).data == OUTPUT
        info = web("GET", f"/tasks/{task_id}").json
        statuses = [entry["status"] for entry in info["status_history"]]
        assert statuses == [
            "pending-input", "submitted", "started", "computation-started", "computation-ended", "success",
        ]  # fmt: skip
        assert info["executer"]["cpu_count_logical"] == HOST.cpu_count_logical


def test_work_is_pushed_when_the_runner_was_there_first(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        runner.send(Ready(1))
        task_id = web.queued(group)
        assert runner.expect(Assign).work.task_id == task_id


def test_a_runner_gets_one_task_a_slot(web: Web) -> None:
    group = web.group()
    first = web.queued(group)
    second = web.queued(group)
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take()
        assert work.task_id == first
        assert web.status(second) == "submitted"
        runner.finish(work)
        assert runner.take().task_id == second


def test_tokens_decide(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.open(token="wrong")
        assert _closed_with(runner) == CLOSE_UNAUTHORIZED
    with web.machine(group, "runner-2") as runner:
        runner.open()
        runner.send(Hello("runner-1", 1, HOST))
        _closed_with(runner)
    found = web.context.db.query(lambda connection: by_token(connection, "token-of-runner-1"))
    assert found == Machine("runner-1", group)


def test_a_message_that_is_none_ends_the_connection(web: Web) -> None:
    with web.machine(web.group()) as runner:
        runner.connect()
        assert runner.socket is not None
        runner.socket.send(b"\xc1nonsense")
        _closed_with(runner)
    assert web("GET", "/healthz").status == 200


def test_a_newer_connection_replaces_the_older(web: Web) -> None:
    group = web.group()
    with web.machine(group) as old, FakeRunner(web, "runner-1", "token-of-runner-1") as new:
        old.connect()
        new.connect()
        assert _closed_with(old) == CLOSE_REPLACED
        task_id = web.queued(group)
        assert new.take().task_id == task_id


def test_a_runner_that_never_heard_of_its_task_is_told_again(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take_after(web.queued(group))
        runner.close()
        runner.connect()
        assert runner.expect(Assign).work.attempt == work.attempt


def test_a_runner_that_comes_back_goes_on_where_it_was(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take_after(web.queued(group))
        runner.report(work, ComputationStarted())
        runner.log(work, b"12345")
        runner.expect(LogAck)
        runner.close()
        unknown = AttemptRef("b" * 25, 1)
        welcome = runner.connect(AttemptRef(work.task_id, work.attempt), unknown)
        assert welcome.attempts == [AttemptState(work.task_id, 1, 1, 5, 0)]


def test_log_chunks_with_gaps_overlaps_and_errors(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take_after(web.queued(group))
        runner.log(work, b"abc")
        assert runner.expect(LogAck).offset == 3
        runner.log(work, b"xyz", offset=9)
        assert runner.expect(LogAck).offset == 3
        runner.log(work, b"cdef", offset=2)
        assert runner.expect(LogAck).offset == 6
        runner.send(LogChunk(work.task_id, 1, LogStream.STDOUT, 6, b"broken", crc32=0))
        assert runner.expect(LogAck).offset == 6
        runner.send(LogChunk("b" * 25, 1, LogStream.STDOUT, 0, b"x", crc32=0))
        assert runner.expect(Drop).task_id == "b" * 25
    assert web.context.logs.read(work.task_id, 1, LogStream.STDOUT, 0) == b"abcdef"


def test_a_kill_reaches_the_runner_and_again_after_a_reconnect(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take_after(web.queued(group))
        runner.report(work, ComputationStarted())
        runner.expect(ReportAck)
        assert web("POST", f"/tasks/{work.task_id}/kill").json["status"] == "pending-kill"
        assert runner.expect(Stop).cause is StopCause.KILL
        runner.close()
        runner.connect(AttemptRef(work.task_id, 1))
        assert runner.expect(Stop).cause is StopCause.KILL
        runner.report(work, Finished(TaskEvent.KILLED, detail="killed by its user"))
        runner.expect(ReportAck)
        assert web.status(work.task_id) == "killed"
        assert web("GET", f"/storage/zip-contents?path={work.task_id}/output.zip").status == 200


def test_an_upload_that_was_cut_is_refused_until_it_is_whole(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take_after(web.queued(group))
        runner.report(work, Finished(TaskEvent.SUCCEEDED))
        assert runner.expect(ReportRefused).seq == 1
        runner.seq = 0
        runner.finish(work)
        while runner.expect(ReportAck).seq < 3:
            pass
    assert web.status(work.task_id) == "success"


def test_the_output_of_an_attempt_that_is_over_is_not_accepted(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take_after(web.queued(group))
        runner.finish(work)
        while runner.expect(ReportAck).seq < 3:
            pass
        assert web("PUT", work.output_url, b"other").status == 409
    [url] = web("GET", f"/storage/signed-urls?operation=download&paths={work.task_id}/output.zip").json
    assert web("GET", url).data == OUTPUT


def test_heartbeats_of_strangers_are_dropped_and_urls_renewed(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take_after(web.queued(group))
        runner.send(Heartbeat([AttemptRef(work.task_id, 1), AttemptRef(work.task_id, 7)]))
        assert runner.expect(Drop).attempt == 7
        runner.send(UrlsRequest(work.task_id, 1))
        assert web("GET", runner.expect(Urls).input_url).status == 200
        runner.send(UrlsRequest(work.task_id, 2))
        assert runner.expect(Drop).attempt == 2


def test_terminating_the_group_sends_the_runner_home(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        web("DELETE", f"/compute/group?machine_group_id={group}")
        runner.expect(Retire)
        runner.send(Goodbye("told to leave"))
        eventually(lambda: web("GET", "/compute/groups").json == [], "the group has ended")
        runner.open()
        assert _closed_with(runner) == CLOSE_UNAUTHORIZED


def test_live_files_are_relayed(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner, concurrent.futures.ThreadPoolExecutor() as pool:
        runner.connect()
        work = runner.take_after(web.queued(group))
        asked = pool.submit(lambda: list(web.lines(f"/tasks/{work.task_id}/live/ls")))
        request = runner.expect(LiveRequest)
        runner.send(LiveFrame(request.request_id, LiveStatus.SUCCESS, ["stdout.txt"]))
        assert asked.result(20) == [{"status": "success", "message": ["stdout.txt"]}]

        path = f"/tasks/{work.task_id}/live/tail"
        following = web.lines(path, follow="true", filename="a.txt", lines="3")
        first = pool.submit(lambda: next(following))
        request = runner.expect(LiveRequest)
        assert (request.follow, request.args) == (True, {"lines": 3, "filename": "a.txt"})
        runner.send(LiveFrame(request.request_id, LiveStatus.SUCCESS, ["one"], last=False))
        assert first.result(20)["message"] == ["one"]
        runner.send(LiveFrame(request.request_id, LiveStatus.SUCCESS, ["two"], last=True))
        assert [answer["message"] for answer in following] == [["two"]]


def test_a_reader_that_goes_away_is_cancelled(web: Web) -> None:
    group = web.group()
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take_after(web.queued(group))
        path = f"{web.url}/tasks/{work.task_id}/live/tail?follow=true&filename=a.txt"
        answer = web.pool.request("GET", path, headers={"X-API-Key": web.key}, preload_content=False)
        request = runner.expect(LiveRequest)
        answer.close()
        assert runner.expect(LiveCancel).request_id == request.request_id


def test_live_files_of_other_states_are_explained(web: Web) -> None:
    group = web.group()
    waiting = web.queued(group)
    [answer] = web.lines(f"/tasks/{waiting}/live/ls")
    assert answer["status"] == "error"
    assert "In Queue" in answer["message"]
    with web.machine(group) as runner:
        runner.connect()
        work = runner.take()
        runner.finish(work)
        while runner.expect(ReportAck).seq < 3:
            pass
    [answer] = web.lines(f"/tasks/{work.task_id}/live/ls")
    assert answer == {"status": "success", "message": ["stderr.txt", "stdout.txt", {"vtk": ["frame.vtk"]}]}
    [answer] = web.lines(f"/tasks/{work.task_id}/live/tail", filename="stdout.txt", lines="1")
    assert answer["message"] == ["hello"]
    [answer] = web.lines(f"/tasks/{work.task_id}/live/tail", filename="../x")
    assert answer["status"] == "error"
    [answer] = web.lines(f"/tasks/{work.task_id}/live/top")
    assert answer["status"] == "error"


def test_the_disk_of_the_server_being_full_is_said(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own answer: /dev/full refuses every write."""
    task_id = web.submit(web.group())
    [url] = web("GET", f"/storage/signed-urls?operation=upload&paths={task_id}/input.zip").json
    full = Path("/dev/full")
    incoming = web.context.store.incoming

    def broken(target: Path) -> object:
        import os

        received = incoming(target)
        os.dup2(os.open(full, os.O_WRONLY), received._file)
        return received

    monkeypatch.setattr(type(web.context.store), "incoming", lambda _store, target: broken(target))
    answer = web("PUT", url, b"x" * 100_000)
    assert answer.status == 507
    assert "disk is full" in answer.json["detail"]
    assert web("GET", "/tasks").status == 200
